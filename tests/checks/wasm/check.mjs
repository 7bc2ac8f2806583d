// Verifies the taps of tests/vectors with the module that run.sh built.
import { readFileSync } from "node:fs";

const [, , module] = process.argv;
const bytes = readFileSync(module);
const { instance } = await WebAssembly.instantiate(bytes, {});
const { buffer, verdict, memory } = instance.exports;
const vectors = JSON.parse(readFileSync(new URL("../../vectors/sun-vectors.json", import.meta.url), "utf8"));
const none = "0".repeat(32);

let right = 0;
let genuine = 0;
let all = 0;
for (const tap of vectors.taps) {
  // Skip taps that a verifier may accept or reject, and taps with derived keys: other tests cover key derivation.
  if (typeof tap.accept !== "boolean" || tap.file_key_scheme !== "static" || !tap.file_key) continue;
  const text = new TextEncoder().encode([tap.mode, tap.template, tap.url, tap.meta_key ?? none, tap.file_key].join("\n"));
  new Uint8Array(memory.buffer).set(text, buffer());
  const actual = verdict(text.length);
  const expected = tap.accept ? (tap.ctr ?? -2) : -1;
  all += 1;
  genuine += tap.accept ? 1 : 0;
  if (actual === expected) right += 1;
  else console.log(`${tap.id}: ${actual}, expected ${expected}: ${tap.url}`);
}
console.log(`vectors ${right} of ${all}, of these ${genuine} genuine; the module has ${bytes.length} bytes`);
process.exit(right === all && genuine > 100 ? 0 : 1);
