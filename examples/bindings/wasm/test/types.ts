// Compiled with `tsc --strict` and without any other types, but never run: what TypeScript accepts and refuses.
import {
  MemoryStore,
  SunTapError,
  Verifier,
  type Advance,
  type CounterStore,
  type ErrorCode,
  type FreshTap,
  type Mark,
  type VerifiedTap,
} from "suntap";
import { diagnose, type Diagnosis } from "suntap/doctor";

/** `true` if the types are the same. `any` is the same as no other type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => undefined;

const bytes = new Uint8Array(16);
const verifier = new Verifier("https://tag.example/?e={picc}&c={mac}", { metaReadKey: "00", fileReadKey: bytes });
new Verifier("", { scheme: "lrp", masterKey: bytes, suffix: bytes, epoch: 1 });

// @ts-expect-error: no key
new Verifier("", {});
// @ts-expect-error: two sources of the file-read key
new Verifier("", { fileReadKey: bytes, masterKey: bytes });
// @ts-expect-error: the suffix is for derived keys only
new Verifier("", { fileReadKey: bytes, suffix: bytes });
// @ts-expect-error: the suffix is bytes
new Verifier("", { masterKey: bytes, suffix: "NXP Abu" });
// @ts-expect-error: an unknown scheme
new Verifier("", { fileReadKey: bytes, scheme: "des" });
// @ts-expect-error: a misspelled option
new Verifier("", { fileReadKey: bytes, metaKey: bytes });

const store: CounterStore = new MemoryStore();
const fresh: FreshTap = await verifier.admit("", store, { at: 1 });
const verified: VerifiedTap = verifier.verify("");
const committed: FreshTap = await verified.commit(store);
// @ts-expect-error: a verified tap is not a fresh one
const wrong: FreshTap = verifier.verify("");
// @ts-expect-error: only a verifier makes verified taps
const made: VerifiedTap = { uid: null, ctr: 1, counterId: "", seal: null, fileData: null, commit: () => verifier.admit("", store) };
// @ts-expect-error: the store is required
await verifier.admit("");
// @ts-expect-error: a tap cannot be changed
fresh.ctr = 1;

same<typeof fresh.uid, string | null>(true);
same<typeof fresh.ctr, number>(true);
same<typeof fresh.seal, "closed" | "open" | "openedBefore" | "unknown" | null>(true);
same<typeof fresh.previous, Mark | null>(true);
same<typeof fresh.fileData, Uint8Array | null>(true);
same<ReturnType<typeof diagnose>, Diagnosis>(true);

// A store may answer at once or later.
const now = { ctr: 1, at: null, taps: 1 };
const stores: CounterStore[] = [
  { advance: () => ({ advanced: true, previous: null, now }) },
  { advance: async (): Promise<Advance> => ({ advanced: false, stored: now }) },
];
// @ts-expect-error: the answer needs the mark before the tap
const incomplete: CounterStore = { advance: () => ({ advanced: true, now }) };
// @ts-expect-error: a boolean is no answer
const boolean: CounterStore = { advance: async () => true };

/** A switch over the codes is complete. */
function text(error: SunTapError): string {
  const code: ErrorCode = error.code;
  switch (code) {
    case "malformed":
    case "not_authentic":
    case "no_counter":
    case "replayed":
      return "refused";
    case "store_failed":
      return `try again: ${error.stored?.ctr ?? ""}`;
    case "invalid_template":
    case "invalid_key":
    case "invalid_settings":
    case "invalid_argument":
      return "wrong settings";
  }
}

{
  using disposable = new Verifier("", { fileReadKey: bytes });
  disposable.verify("");
}

export { boolean, committed, incomplete, made, stores, text, wrong };
