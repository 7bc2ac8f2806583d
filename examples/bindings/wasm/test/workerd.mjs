// A worker that runs the cases and the laws of a store. workerd.test.mjs starts it.
import * as suntap from "suntap";
import { diagnose } from "suntap/doctor";
import cases from "../../cases.json";
import { DurableStore } from "../worker/src/counter.ts";
import { runCases } from "./cases.mjs";
import { checkStore } from "./store-laws.mjs";

export { TagCounter } from "../worker/src/counter.ts";

/** Returns a store of its own: its counters have names that no other store uses. */
function store(env) {
  const prefix = crypto.randomUUID();
  return new DurableStore({ getByName: (name) => env.COUNTERS.getByName(`${prefix} ${name}`) });
}

const routes = {
  "/cases": () => runCases(suntap, cases, () => new suntap.MemoryStore()),
  "/durable-cases": (env) => runCases(suntap, cases, () => store(env)),
  "/laws": async (env) => ({ laws: await checkStore(() => store(env)) }),
  "/doctor": () => diagnose({ url: "https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3" }),
};

export default {
  async fetch(request, env) {
    const route = routes[new URL(request.url).pathname];
    try {
      return Response.json(await route(env));
    } catch (error) {
      return new Response(`${error.stack}\n${error.cause}`, { status: 500 });
    }
  },
};
