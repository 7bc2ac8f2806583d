// The package in headless Chromium, without a bundler: an import map names the entry points.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import test from "node:test";

const root = new URL("../", import.meta.url);
const page = `<!doctype html><meta charset="utf-8"><title>suntap</title>
<script type="importmap">{ "imports": { "suntap": "/node_modules/suntap/dist/index.web.js", "suntap/doctor": "/node_modules/suntap/dist/doctor.web.js" } }</script>
<script>addEventListener("error", (event) => fetch("/result", { method: "POST", body: JSON.stringify({ wrong: [event.message] }) }));</script>
<script type="module" src="/test/browser.mjs"></script>`;
const types = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };

/** Serves the page and the files, and calls `done` with the result. */
function serve(done) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    // The strictest policy with which a module can be compiled.
    const policy = "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'";
    const send = (type, body) => response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(body);
    if (request.method === "POST") {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => (send("text/plain", ""), done(JSON.parse(body))));
    } else if (pathname === "/") send("text/html", page);
    else {
      const file = pathname === "/cases.json" ? new URL("../cases.json", root) : new URL(`.${pathname}`, root);
      try {
        send(types[extname(pathname)] ?? "text/plain", readFileSync(file));
      } catch {
        response.writeHead(404).end();
      }
    }
  });
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server)));
}

test("all cases, and the doctor", { timeout: 60_000 }, async () => {
  let done;
  const finished = new Promise((resolve) => (done = resolve));
  const server = await serve(done);
  const profile = mkdtempSync(join(tmpdir(), "suntap-chromium-"));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const browser = spawn(
    process.env["CHROMIUM"] ?? "chromium",
    ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", `--user-data-dir=${profile}`, url],
    { stdio: "ignore", detached: true },
  );
  const failed = new Promise((_, reject) => browser.once("error", reject));
  try {
    const { right, all, counts, wrong, doctor, agent } = await Promise.race([finished, failed]);
    assert.deepEqual(wrong, []);
    assert.match(agent, /Chrome/);
    console.log(`cases ${right} of ${all} in Chromium`);
    assert(right === all && counts.fresh > 100 && counts.not_authentic > 100);
    assert.equal(doctor, "new-chip");
  } finally {
    const ended = new Promise((resolve) => (browser.exitCode === null ? browser.once("exit", resolve) : resolve()));
    if (browser.pid !== undefined) {
      process.kill(-browser.pid, "SIGKILL");
      await ended;
    }
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
});
