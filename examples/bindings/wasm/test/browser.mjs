// What the page runs. browser.test.mjs serves it.
import * as suntap from "suntap";
import { diagnose } from "suntap/doctor";
import { runCases } from "./cases.mjs";

async function run() {
  const cases = await (await fetch("/cases.json")).json();
  const result = await runCases(suntap, cases, () => new suntap.MemoryStore());
  const tap = "https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3";
  return { ...result, doctor: diagnose({ url: tap }).findings[0].code, agent: navigator.userAgent };
}

const body = JSON.stringify(await run().catch((error) => ({ wrong: [`${error.stack}`] })));
await fetch("/result", { method: "POST", body });
