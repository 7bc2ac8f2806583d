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

// One verifier for each isolate, which lives as long as the isolate. It is never freed, because each request needs it.
let verifier: Verifier | undefined;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    // A phone opens the URL of a tag with GET. HEAD and a prefetch of a browser would spend the tap before the person sees the answer.
    if (request.method !== "GET") return new Response("use GET\n", { status: 405, headers: { Allow: "GET" } });
    const purpose = request.headers.get("Sec-Purpose") ?? request.headers.get("Purpose") ?? "";
    if (purpose.startsWith("prefetch")) return new Response("try again\n", { status: 503 });
    verifier ??= new Verifier(env.TEMPLATE, { metaReadKey: env.META_READ_KEY, fileReadKey: env.FILE_READ_KEY });
    const { pathname, search } = new URL(request.url);
    try {
      const tap = await verifier.admit(pathname + search, new DurableStore(env.COUNTERS), { at: Date.now() });
      return Response.json({ uid: tap.uid, ctr: tap.ctr, taps: tap.taps });
    } catch (error) {
      if (!(error instanceof SunTapError)) throw error;
      // The log says why. The client gets the same answer for every refused tap.
      console.log(`refused: ${error.code}: ${error.message}`);
      const failed = error.code === "store_failed";
      return failed ? new Response("try again\n", { status: 503 }) : new Response("refused\n", { status: 403 });
    }
  },
};
