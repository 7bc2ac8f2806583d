// Runs all cases of ../../cases.json. It uses nothing but the package, so it runs in Node, in a browser and in workerd.

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));

/** Returns the keys of a case. Every second case passes its keys as bytes. */
function keysOf(given, asBytes) {
  const key = (hex) => (asBytes && /^[0-9a-f]{32}$/i.test(hex ?? "") ? bytes(hex) : hex);
  const common = { scheme: given.scheme, metaReadKey: key(given.metaReadKey) };
  if (given.fileReadKey !== null) return { ...common, fileReadKey: key(given.fileReadKey) };
  return { ...common, masterKey: key(given.masterKey), suffix: given.suffix === null ? undefined : bytes(given.suffix) };
}

/** Returns the code of the error that `action` throws, or `fresh`. */
async function codeOf(SunTapError, action) {
  try {
    await action();
    return "fresh";
  } catch (error) {
    return error instanceof SunTapError ? error.code : `${error}`;
  }
}

/** Returns the counts and the differences. `store()` returns a store without counters. */
export async function runCases({ Verifier, SunTapError, codes, version }, cases, store) {
  const wrong = [];
  const expect = (id, what, actual, expected) => {
    if (actual !== expected) wrong.push(`${id}: ${what} is ${actual}, expected ${expected}`);
    return actual === expected;
  };
  expect("package", "version", version, cases.version);
  const texts = Object.fromEntries(Object.entries(codes).map(([name, { number, text }]) => [name, [number, text]]));
  const sorted = (object) => JSON.stringify(Object.entries(object).sort());
  expect("package", "codes", sorted(texts), sorted(cases.codes));

  let right = 0;
  const counts = {};
  for (const [index, given] of cases.settings.entries()) {
    const code = await codeOf(SunTapError, () => new Verifier(given.template, keysOf(given, index % 2 === 1)).free());
    if (expect(`settings ${index}`, "code", code, given.code)) right += 1;
  }
  for (const [index, tap] of cases.taps.entries()) {
    const verifier = new Verifier(tap.template, keysOf(tap, index % 2 === 1));
    const counters = store();
    let fresh = null;
    const code = await codeOf(SunTapError, async () => {
      fresh = await verifier.admit(tap.url, counters);
    });
    let same = expect(tap.id, "code", code, tap.code);
    counts[code] = (counts[code] ?? 0) + 1;
    if (fresh !== null) {
      same = expect(tap.id, "uid", fresh.uid, tap.uid) && same;
      same = expect(tap.id, "ctr", fresh.ctr, tap.ctr) && same;
      same = expect(tap.id, "seal", fresh.seal, tap.seal) && same;
      same = expect(tap.id, "taps", fresh.taps, 1) && same;
      same = expect(tap.id, "again", await codeOf(SunTapError, () => verifier.admit(tap.url, counters)), "replayed") && same;
      same = expect(tap.id, "verify", verifier.verify(tap.url).counterId, fresh.counterId) && same;
    } else if (tap.code === "fresh") same = false;
    verifier.free();
    if (same) right += 1;
  }
  return { right, all: cases.settings.length + cases.taps.length, counts, wrong };
}
