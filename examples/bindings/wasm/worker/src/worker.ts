// A worker that answers taps. Each tag's counter is a Durable Object, so a copied URL is refused in every location.
import { SunTapError, Verifier } from "suntap";
import { DurableStore, type TagCounters } from "./counter.js";

export { TagCounter } from "./counter.js";

/** The bindings of the worker. The keys are secrets: 32 hexadecimal digits. */
export interface Env {
  readonly COUNTERS: TagCounters;
  readonly TEMPLATE: string;
  readonly META_READ_KEY: string;
  readonly FILE_READ_KEY: string;
}

// Each tap has one answer, which nobody may get again from a cache.
const UNCACHED = { "Cache-Control": "no-store" };

function answer(text: string, status: number, headers = {}): Response {
  return new Response(text, { status, headers: { ...headers, ...UNCACHED } });
}

/** Whether a browser sends a request before the person opens the link. */
function isEarly(headers: Headers): boolean {
  const purposes = ["Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"].map((name) => headers.get(name) ?? "");
  return purposes.some((purpose) => /prefetch|prerender|preview/i.test(purpose));
}

// One verifier for each isolate, which lives as long as the isolate. It is never freed, because each request needs it.
let verifier: Verifier | undefined;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    // A phone opens the URL of a tag with GET. HEAD and a request that a browser sends early would spend the tap before the person sees
    // the answer.
    if (request.method !== "GET") return answer("use GET\n", 405, { Allow: "GET" });
    if (isEarly(request.headers)) return answer("try again\n", 503);
    verifier ??= new Verifier(env.TEMPLATE, { metaReadKey: env.META_READ_KEY, fileReadKey: env.FILE_READ_KEY });
    const { pathname, search } = new URL(request.url);
    try {
      const tap = await verifier.admit(pathname + search, new DurableStore(env.COUNTERS), { at: Date.now() });
      return Response.json({ uid: tap.uid, ctr: tap.ctr, taps: tap.taps }, { headers: UNCACHED });
    } catch (error) {
      if (!(error instanceof SunTapError)) throw error;
      // The log says why. The client gets the same answer for every refused tap.
      console.log(`refused: ${error.code}: ${error.message}`);
      return error.code === "store_failed" ? answer("try again\n", 503) : answer("refused\n", 403);
    }
  },
};
