// The package and the example worker in workerd.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";

const require = createRequire(import.meta.url);
const { default: program } = require("workerd");
const config = fileURLToPath(new URL("../worker/config.capnp", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "suntap-workerd-"));
const names = ["example", "test"];
for (const name of names) mkdirSync(join(folder, name));

let workerd;
let ports;

/** Starts workerd, and waits until it listens on all ports. */
async function start() {
  const disks = names.map((name) => `--directory-path=${name}-counters=${join(folder, name)}`);
  workerd = spawn(program, ["serve", config, "--experimental", "--control-fd=3", ...disks], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  ports = {};
  for await (const line of createInterface({ input: workerd.stdio[3] })) {
    const { event, socket, port } = JSON.parse(line);
    if (event === "listen") ports[socket] = port;
    if (names.every((name) => ports[name])) return;
  }
  throw new Error("workerd ended");
}

async function stop() {
  const ended = new Promise((done) => workerd.once("exit", done));
  workerd.kill("SIGKILL");
  await ended;
}

async function get(socket, path, options = {}) {
  const response = await fetch(`http://127.0.0.1:${ports[socket]}${path}`, options);
  return { status: response.status, text: await response.text() };
}

async function result(path) {
  const { status, text } = await get("test", path);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

before(start);
after(async () => {
  await stop();
  rmSync(folder, { recursive: true });
});

test("all cases", async () => {
  const { right, all, counts, wrong } = await result("/cases");
  console.log(`cases ${right} of ${all} in workerd`);
  assert.deepEqual(wrong, []);
  assert(right === all && counts.fresh > 100 && counts.not_authentic > 100);
});

test("all cases with the durable store", async () => {
  const { right, all, wrong } = await result("/durable-cases");
  console.log(`cases ${right} of ${all} in workerd with Durable Objects`);
  assert.deepEqual(wrong, []);
  assert(right === all && all > 300);
});

test("the durable store keeps the laws of a store", async () => {
  assert.deepEqual(await result("/laws"), { laws: 6 });
});

test("the doctor", async () => {
  assert.equal((await result("/doctor")).findings[0].code, "new-chip");
});

const tap = "/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
const refused = { status: 403, text: "refused\n" };

test("the example refuses a forged tap, and does not say why", async () => {
  assert.deepEqual(await get("example", tap.replace("94EE", "94EF")), refused);
  assert.deepEqual(await get("example", "/424"), refused);
});

test("the example does not spend a tap for a prefetch or another method", async () => {
  for (const method of ["HEAD", "POST", "OPTIONS"]) assert.equal((await get("example", tap, { method })).status, 405);
  const early = [["Sec-Purpose", "prefetch;prerender"], ["Purpose", "prefetch"], ["X-Purpose", "preview"], ["X-Moz", "Prefetch"]];
  for (const [name, purpose] of early)
    assert.equal((await get("example", tap, { headers: { [name]: purpose } })).status, 503, name);
});

test("of concurrent copies of a tap, the example accepts one", async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => get("example", tap)));
  const accepted = answers.filter(({ status }) => status === 200);
  assert.deepEqual(accepted.map(({ text }) => JSON.parse(text)), [{ uid: "04DE5F1EACC040", ctr: 61, taps: 1 }]);
  assert.equal(answers.filter(({ status, text }) => status === 403 && text === refused.text).length, 7);
});

test("the counters survive a kill of the runtime", async () => {
  await stop();
  await start();
  assert.deepEqual(await get("example", tap), refused);
});
