// The behaviour of the package in Node.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { MemoryStore, SunTapError, Verifier, codes, decide, version } from "suntap";
import { diagnose } from "suntap/doctor";
import * as suntap from "suntap";
import { initSync as initDoctor } from "../node_modules/suntap/dist/generated/doctor.js";
import { initSync as initVerifier } from "../node_modules/suntap/dist/generated/verifier.js";
import { runCases } from "./cases.mjs";
import { checkStore } from "./store-laws.mjs";

const cases = JSON.parse(readFileSync(new URL("../../cases.json", import.meta.url), "utf8"));
const template = "https://ntag.nxp.com/424?e={picc}&c={mac}";
const url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
const zero = "0".repeat(32);
const keys = { metaReadKey: zero, fileReadKey: zero };
const fails = (code, check = () => true) => (error) => {
  assert(error instanceof SunTapError, `${error}`);
  assert.equal(error.code, code, error.message);
  assert.equal(error.number, codes[code].number);
  return check(error);
};

test("all cases", async () => {
  const { right, all, counts, wrong } = await runCases(suntap, cases, () => new MemoryStore());
  console.log(`cases ${right} of ${all} in Node`);
  assert.deepEqual(wrong, []);
  assert.equal(right, all);
  assert(counts.fresh > 100 && counts.not_authentic > 100 && counts.malformed > 0);
});

test("a fresh tap has the content of the tap and of the store", async () => {
  const verifier = new Verifier(template, keys);
  const fresh = await verifier.admit(url, new MemoryStore(), { at: 5 });
  assert.deepEqual(fresh, {
    uid: "04DE5F1EACC040",
    ctr: 61,
    counterId: fresh.counterId,
    seal: null,
    fileData: null,
    previous: null,
    taps: 1,
  });
  assert.match(fresh.counterId, /^[0-9A-F]{32}$/);
  const store = { advance: (_, ctr, at) => decide({ ctr: 60, at: 3, taps: 8 }, ctr, at) };
  const later = await verifier.admit(url, store, { at: 5 });
  assert.deepEqual([later.previous, later.taps], [{ ctr: 60, at: 3, taps: 8 }, 9]);
});

test("the decrypted file data is part of the tap", () => {
  const tap = cases.taps.find((tap) => tap.code === "fresh" && tap.template.includes("{enc}") && tap.fileReadKey);
  const content = new Verifier(tap.template, tap).verify(tap.url);
  assert(content.fileData instanceof Uint8Array && content.fileData.length % 16 === 0 && content.fileData.length > 0);
});

test("the path and the query of a request are accepted", async () => {
  const verifier = new Verifier(template, keys);
  assert.equal((await verifier.admit(url.slice("https://ntag.nxp.com".length), new MemoryStore())).ctr, 61);
  assert.throws(() => verifier.verify(`/evil${url}`), fails("malformed"));
});

test("a replay has the stored mark", async () => {
  const [verifier, store] = [new Verifier(template, keys), new MemoryStore()];
  await verifier.admit(url, store, { at: 7 });
  const stored = (error) => (assert.deepEqual(error.stored, { ctr: 61, at: 7, taps: 1 }), true);
  await assert.rejects(verifier.admit(url, store), fails("replayed", stored));
});

test("of two concurrent copies of a tap, one is accepted", async () => {
  const [verifier, store] = [new Verifier(template, keys), new MemoryStore()];
  const slow = {
    async advance(...args) {
      await new Promise((done) => setTimeout(done, 5));
      return store.advance(...args);
    },
  };
  const results = await Promise.allSettled([1, 2, 3, 4].map(() => verifier.admit(url, slow)));
  assert.deepEqual(results.map(({ status, reason }) => reason?.code ?? status).sort(), [
    "fulfilled",
    "replayed",
    "replayed",
    "replayed",
  ]);
});

test("a verified tap is not spent until it is committed", async () => {
  const [verifier, store] = [new Verifier(template, keys), new MemoryStore()];
  const verified = verifier.verify(url);
  assert.deepEqual([verified.uid, verified.ctr], ["04DE5F1EACC040", 61]);
  assert.equal(verified.taps, undefined);
  assert.equal((await verifier.verify(url).commit(store, { at: 9 })).taps, 1);
  await assert.rejects(verified.commit(store), fails("replayed", (error) => error.stored.at === 9));
});

test("what a store throws is the cause", async () => {
  const verifier = new Verifier(template, keys);
  const cause = new Error("disk full");
  const stores = [
    () => { throw cause; },
    async () => { throw cause; },
  ];
  for (const advance of stores) {
    await assert.rejects(verifier.admit(url, { advance }), fails("store_failed", (error) => error.cause === cause));
  }
  // Even `undefined` can be thrown.
  await assert.rejects(verifier.admit(url, { advance: () => Promise.reject(undefined) }), fails("store_failed"));
});

test("a store that answers anything else has failed", async () => {
  const verifier = new Verifier(template, keys);
  const mark = { ctr: 61, at: null, taps: 1 };
  const answers = [
    undefined, null, true, 1, "advanced", {}, [], { advanced: 1 }, { advanced: "true" },
    { advanced: true }, { advanced: true, previous: null }, { advanced: true, now: mark },
    { advanced: true, previous: null, now: { ...mark, ctr: 62 } },
    { advanced: true, previous: null, now: { ...mark, ctr: 61.5 } },
    { advanced: true, previous: null, now: { ...mark, ctr: "61" } },
    { advanced: true, previous: null, now: { ...mark, taps: -1 } },
    { advanced: true, previous: null, now: { ...mark, taps: 2 ** 32 } },
    { advanced: true, previous: null, now: { ...mark, at: Number.NaN } },
    { advanced: true, previous: { ...mark, ctr: 2 ** 24 }, now: mark },
    { advanced: true, previous: { ...mark, ctr: 2 ** 32 + 1 }, now: mark },
    { advanced: false }, { advanced: false, stored: null }, { advanced: false, stored: { ...mark, ctr: 60 } },
  ];
  for (const answer of answers) {
    const check = fails("store_failed", (error) => error.cause instanceof Error);
    await assert.rejects(verifier.admit(url, { advance: () => answer }), check, JSON.stringify(answer));
  }
});

test("a store that accepts a replay is noticed", async () => {
  const verifier = new Verifier(template, keys);
  const now = { ctr: 61, at: null, taps: 2 };
  const advance = () => ({ advanced: true, previous: { ctr: 61, at: null, taps: 1 }, now });
  await assert.rejects(verifier.admit(url, { advance }), fails("replayed"));
});

test("a freed verifier refuses every call", async () => {
  const verifier = new Verifier(template, keys);
  const verified = verifier.verify(url);
  verifier.free();
  verifier.free();
  const store = new MemoryStore();
  assert.throws(() => verifier.verify(url), fails("invalid_argument"));
  await assert.rejects(verifier.admit(url, store), fails("invalid_argument"));
  await assert.rejects(verified.commit(store), fails("invalid_argument"));
});

test("free during admit rejects the tap, and the module still works", async () => {
  const verifier = new Verifier(template, keys);
  const waiting = [];
  const store = { advance: (_, ctr, at) => new Promise((answer) => waiting.push(() => answer(decide(null, ctr, at)))) };
  const admissions = [verifier.admit(url, store), verifier.admit(url, store)];
  // `free` in the middle of `advance`, which runs inside `admit`.
  const inside = { advance: (_, ctr, at) => (verifier.free(), decide(null, ctr, at)) };
  admissions.push(verifier.admit(url, inside));
  for (const answer of waiting) answer();
  for (const admission of admissions) await assert.rejects(admission, fails("invalid_argument"));
  assert.equal(waiting.length, 2);
  const other = new Verifier(template, keys);
  assert.equal((await other.admit(url, new MemoryStore())).ctr, 61);
});

test("the disposal of a verifier frees it", { skip: Symbol.dispose === undefined }, () => {
  const verifier = new Verifier(template, keys);
  verifier[Symbol.dispose]();
  assert.throws(() => verifier.verify(url), fails("invalid_argument"));
});

test("invalid arguments are errors", async () => {
  const invalid = fails("invalid_argument");
  for (const value of [undefined, null, 1, {}]) assert.throws(() => new Verifier(value, keys), invalid);
  for (const value of [undefined, null, 1, "keys", {}]) assert.throws(() => new Verifier(template, value), invalid);
  const wrong = [
    { ...keys, masterKey: zero }, { metaReadKey: zero }, { ...keys, scheme: "des" }, { ...keys, scheme: 1 },
    { ...keys, fileReadKey: 1 }, { ...keys, fileReadKey: [0] }, { metaReadKey: zero, masterKey: zero, suffix: "NXP Abu" },
    { metaReadKey: zero, masterKey: zero, epoch: -1 }, { metaReadKey: zero, masterKey: zero, epoch: 2 ** 32 },
    { metaReadKey: zero, masterKey: zero, epoch: 0.5 },
  ];
  for (const value of wrong) assert.throws(() => new Verifier(template, value), invalid, JSON.stringify(value));
  const invalidKeys = ["", "0".repeat(16), "0".repeat(31), "g".repeat(32), "é".repeat(32), new Uint8Array(15), new Uint8Array(32)];
  for (const key of invalidKeys) {
    assert.throws(() => new Verifier(template, { ...keys, fileReadKey: key }), fails("invalid_key"), `${key}`);
    assert.throws(() => new Verifier(template, { ...keys, metaReadKey: key }), fails("invalid_key"), `${key}`);
  }
  const verifier = new Verifier(template, keys);
  for (const value of [undefined, null, 1, new URL(url)]) {
    assert.throws(() => verifier.verify(value), invalid);
    await assert.rejects(verifier.admit(value, new MemoryStore()), invalid);
  }
  for (const store of [undefined, null, {}, { advance: 1 }]) await assert.rejects(verifier.admit(url, store), invalid);
  for (const at of [-1, 0.5, Number.NaN, "1", 2 ** 53]) {
    await assert.rejects(verifier.admit(url, new MemoryStore(), { at }), invalid);
  }
  for (const tap of ["", "\ud800", `${url}\n`, "x".repeat(2 ** 20), url.slice(0, -1)]) {
    assert.throws(() => verifier.verify(tap), fails("malformed"));
  }
});

test("the epoch changes the keys", async () => {
  const tap = cases.taps.find((tap) => tap.code === "fresh" && tap.masterKey);
  const given = { ...tap, suffix: tap.suffix === null ? undefined : Uint8Array.from(Buffer.from(tap.suffix, "hex")) };
  assert.equal(new Verifier(tap.template, { ...given, epoch: 0 }).verify(tap.url).ctr, tap.ctr);
  assert.throws(() => new Verifier(tap.template, { ...given, epoch: 1 }).verify(tap.url), fails("not_authentic"));
});

/** Returns how many forms of the key the memory of a module contains: its bytes, and its digits in either case. */
function copies(memory, key) {
  const all = Buffer.from(memory.buffer);
  const forms = [Buffer.from(key, "hex"), Buffer.from(key.toUpperCase()), Buffer.from(key.toLowerCase())];
  return forms.filter((form) => all.includes(form)).length;
}

test("free wipes the keys in the memory of the module", async () => {
  const tap = cases.taps.find((tap) => tap.code === "fresh" && tap.scheme === "aes" && tap.fileReadKey && !/^0+$/.test(tap.fileReadKey));
  const count = (key) => copies(initVerifier().memory, key);
  for (const key of [tap.fileReadKey, Uint8Array.from(Buffer.from(tap.fileReadKey, "hex"))]) {
    assert.equal(count(tap.fileReadKey), 0, "before");
    const verifier = new Verifier(tap.template, { ...tap, fileReadKey: key });
    assert.equal(count(tap.fileReadKey), 1, "while the verifier holds its key");
    await verifier.admit(tap.url, new MemoryStore());
    // An admission that waits also holds the keys.
    const waiting = verifier.admit(tap.url, { advance: () => new Promise(() => {}) });
    verifier.verify(tap.url);
    verifier.free();
    assert.equal(count(tap.fileReadKey), 0, "after free");
    void waiting;
  }
  const master = "00112233445566778899AABBCCDDEEFF";
  assert.throws(() => new Verifier(template, { masterKey: master, fileReadKey: master }), fails("invalid_argument"));
  assert.throws(() => new Verifier("https://x/?c={mac}", { masterKey: master, metaReadKey: master }), SunTapError);
  const derived = new Verifier(template, { masterKey: master, metaReadKey: master });
  assert.throws(() => derived.verify(url), fails("not_authentic"));
  assert.equal(count(master), 0, "only the prepared master key is kept");
  derived.free();
});

test("the copies of a key on the way to the module are wiped, and the key of the caller is not", () => {
  const [copies, encode, from] = [[], TextEncoder.prototype.encode, Uint8Array.from];
  const record = (copy) => (copies.push(copy), copy);
  TextEncoder.prototype.encode = function (text) {
    return record(encode.call(this, text));
  };
  Uint8Array.from = (bytes) => record(from.call(Uint8Array, bytes));
  try {
    const key = new Uint8Array(16).fill(7);
    new Verifier(template, { metaReadKey: "7".repeat(32), fileReadKey: key }).free();
    diagnose({ url, template, keys: [{ name: "a", key }, { name: "b", key: "7".repeat(32) }] });
    assert.deepEqual(key, new Uint8Array(16).fill(7));
  } finally {
    TextEncoder.prototype.encode = encode;
    Uint8Array.from = from;
  }
  const keys = copies.filter(({ length }) => length === 16 || length === 32);
  assert(keys.length >= 4 && keys.every((copy) => copy.every((byte) => byte === 0)));
});

test("errors show no key", () => {
  const key = "00112233445566778899AABBCCDDEEFF";
  for (const value of [`${key}0`, key.replace("F", "G")]) {
    assert.throws(() => new Verifier(template, { ...keys, fileReadKey: value }), (error) => !`${error.stack}`.includes("445566"));
  }
});

test("the store in memory keeps the laws of a store", async () => {
  assert.equal(await checkStore(() => new MemoryStore()), 6);
});

test("the laws find faults of a store", async () => {
  const faulty = (change) => () => {
    const store = new MemoryStore();
    return { advance: (id, ctr, at) => change(store, id, ctr, at) };
  };
  const faults = {
    "same counter for all": (store, _, ctr, at) => store.advance("", ctr, at),
    "no order": (_, __, ctr, at) => decide(null, ctr, at),
    "no time": (store, id, ctr) => store.advance(id, ctr, null),
    "low counters only": (store, id, ctr, at) => store.advance(id, Math.min(ctr, 0xffff), at),
  };
  for (const [name, change] of Object.entries(faults)) await assert.rejects(checkStore(faulty(change)), undefined, name);
});

test("the doctor explains a tap of a new chip", () => {
  const tap = "https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3";
  const diagnosis = diagnose({ url: tap });
  assert.equal(diagnosis.conclusion, "explained");
  assert.equal(diagnosis.findings[0].code, "new-chip");
  assert.equal(diagnosis.explanation.template, "https://example.com/?uid=[[{uid}&ctr={ctr}&mac={mac}");
  assert.deepEqual([diagnosis.uid, diagnosis.ctr], ["04494ACAFD1990", 30]);
});

test("the doctor finds swapped keys, and names them", () => {
  const tap = cases.taps.find(
    (tap) => tap.code === "fresh" && tap.scheme === "aes" && tap.metaReadKey && tap.fileReadKey && tap.metaReadKey !== tap.fileReadKey,
  );
  const given = (meta, file) => [
    { name: "first", key: meta, role: "meta" },
    { name: "second", key: Uint8Array.from(Buffer.from(file, "hex")), role: "file" },
  ];
  const { url, template, metaReadKey: meta, fileReadKey: file } = tap;
  assert.equal(diagnose({ url, template, keys: given(meta, file) }).conclusion, "healthy");
  const swapped = diagnose({ url, template, keys: given(file, meta) });
  assert.deepEqual(swapped.findings.map(({ code }) => code), ["keys-swapped"]);
  assert.match(swapped.explanation.metaReadKey, /"second"/);
  assert.equal(JSON.stringify(swapped).toLowerCase().includes(file.toLowerCase()), false);
  assert.equal(JSON.stringify(swapped).toLowerCase().includes(meta.toLowerCase()), false);
});

test("the doctor uses everything that is given", () => {
  const stored = diagnose({ url, template, keys: [{ name: "zero", key: zero }], storedCtr: 61 });
  assert(stored.findings.some(({ code }) => code === "counter-behind"), JSON.stringify(stored.findings));
  const other = diagnose({ url, template, uid: "04000000000000" });
  assert(other.findings.some(({ code }) => code === "other-tag"), JSON.stringify(other.findings));
  const second = diagnose({ url, template, second: url });
  assert(second.findings.some(({ code }) => code === "counter-stuck"), JSON.stringify(second.findings));
});

test("invalid arguments of the doctor are errors", () => {
  const invalid = fails("invalid_argument");
  for (const value of [undefined, null, {}, { url: 1 }, { url, uid: "04" }, { url, aid: new Uint8Array(2) }, { url, keys: {} }]) {
    assert.throws(() => diagnose(value), invalid, JSON.stringify(value));
  }
  assert.throws(() => diagnose({ url, keys: [{ name: "a", key: zero, role: "x" }] }), invalid);
  assert.throws(() => diagnose({ url, storedCtr: 2 ** 24 }), invalid);
  assert.throws(() => diagnose({ url, template, scheme: "des" }), invalid);
  assert.throws(() => diagnose({ url, suffixes: ["NXP"] }), invalid);
  assert.throws(() => diagnose({ url, keys: [{ name: "a", key: "00" }] }), fails("invalid_key"));
  assert.throws(() => diagnose({ url, template: "{" }), fails("invalid_template"));
  // An exchanged name is not repeated, even with a missing digit.
  const secret = "91a2b3c4d5e6f708192a3b4c5d6e7f0";
  assert.throws(() => diagnose({ url, keys: [null] }), invalid);
  assert.throws(() => diagnose({ url, keys: [{ name: secret, key: zero }] }), fails("invalid_argument", ({ message }) => !message.includes(secret)));
});

test("the doctor wipes the keys in the memory of its module", () => {
  const tap = cases.taps.find((tap) => tap.code === "fresh" && tap.scheme === "aes" && tap.fileReadKey && !/^0+$/.test(tap.fileReadKey));
  const others = ["00112233445566778899AABBCCDDEEFF", "FEDCBA98765432100123456789ABCDEF", tap.fileReadKey];
  const keys = others.map((key, index) => ({ name: `${index}`, key, role: "any" }));
  // The tap is found, or the search tries everything.
  for (const last of [tap.metaReadKey ?? zero, "11111111111111111111111111111111"]) {
    diagnose({ url: tap.url, template: tap.template, keys: [...keys, { name: "last", key: last }] });
    assert.throws(() => diagnose({ url, keys: [...keys, { name: "invalid", key: last.replace("1", "X") }], uid: "0" }), SunTapError);
    for (const key of [...others, last]) assert(/^0+$/.test(key) || copies(initDoctor().memory, key) === 0, "wiped");
  }
});

test("no input stops the module", async () => {
  let state = 1;
  const random = (limit) => (state = (state * 48271) % 2147483647) % limit;
  const pieces = ["{picc}", "{picc:uid,ctr}", "{uid}", "{ctr}", "{mac}", "{enc}", "{tt}", "[[", "{:a}", "{", "}", "/", "?", "=", "&", "é", "0"];
  const counts = {};
  const count = (error) => {
    assert(error instanceof SunTapError, `${error.stack}`);
    counts[error.code] = (counts[error.code] ?? 0) + 1;
  };
  for (let round = 0; round < 3000; round += 1) {
    const tap = cases.taps[random(cases.taps.length)];
    const given = { ...tap, suffix: tap.suffix === null ? undefined : Uint8Array.from(Buffer.from(tap.suffix, "hex")) };
    const change = (text, by) => {
      const at = random(text.length + 1);
      return text.slice(0, at) + by + text.slice(at + random(3));
    };
    const isTemplate = round % 2 === 0;
    try {
      const template = isTemplate ? change(tap.template, pieces[random(pieces.length)]) : tap.template;
      const verifier = new Verifier(template, given);
      try {
        const changed = isTemplate ? tap.url : change(tap.url, String.fromCharCode(random(0x180)));
        const fresh = await verifier.admit(changed, new MemoryStore());
        assert(tap.code === "fresh" && fresh.ctr === tap.ctr && fresh.uid === tap.uid, `${changed} with ${template}`);
      } finally {
        verifier.free();
      }
    } catch (error) {
      count(error);
    }
  }
  for (const code of ["malformed", "not_authentic", "invalid_template"]) assert(counts[code] > 10, JSON.stringify(counts));
});

test("the version is that of the package", () => {
  assert.equal(version, JSON.parse(readFileSync(new URL("../node_modules/suntap/package.json", import.meta.url), "utf8")).version);
});
