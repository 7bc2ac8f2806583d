// Runs the examples of the README, as a user would.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "node:test";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);

/** Runs a module in the folder of the packed package, and returns its output. */
function run(code, name) {
  const file = fileURLToPath(new URL(`../build/${name}.mjs`, import.meta.url));
  writeFileSync(file, code);
  return execFileSync(process.execPath, [file], { encoding: "utf8" });
}

test("the example of the verifier has ten lines, and works", () => {
  assert.equal(run(examples[0], "readme-verifier"), "genuine and new: 04DE5F1EACC040, counter 61\nreplayed\n");
  assert(examples[0].split("\n").filter((line) => line !== "").length <= 10);
});

test("the example of the doctor works", () => {
  const template = "https://example.com/?uid=[[{uid}&ctr={ctr}&mac={mac}";
  assert.equal(run(examples[1], "readme-doctor"), `explained new-chip ${template}\n`);
  assert.equal(examples.length, 2);
});
