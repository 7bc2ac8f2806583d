import { integer } from "./bytes.js";
import * as raw from "./generated/verifier.js";
import type { Advance, Mark } from "./store.js";

/** The highest counter of a tag. */
export const MAX_CTR = 0xff_ffff;
const MAX_TAPS = 0xffff_ffff;

/** Returns a mark if the value is one. */
export function readMark(value: unknown, name: string): Mark {
  if (typeof value !== "object" || value === null) throw new TypeError(`${name} must be a mark`);
  const { ctr, at, taps } = value as Partial<Record<keyof Mark, unknown>>;
  return {
    ctr: integer(ctr, `${name}.ctr`, MAX_CTR),
    at: at === null || at === undefined ? null : integer(at, `${name}.at`, Number.MAX_SAFE_INTEGER),
    taps: integer(taps, `${name}.taps`, MAX_TAPS),
  };
}

/** Returns the raw form of a mark. */
export function toRaw({ ctr, at, taps }: Mark): raw.Mark {
  return new raw.Mark(ctr, at === null ? undefined : BigInt(at), taps);
}

/** Returns the mark of a raw form, and frees it. */
export function fromRaw(mark: raw.Mark): Mark {
  const { ctr, at, taps } = mark;
  mark.free();
  return { ctr, at: at === undefined ? null : Number(at), taps };
}

/** Returns the answer of a store to a tap with this counter, or throws if it is no answer. */
export function readAdvance(value: unknown, ctr: number): Advance {
  const answer = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (answer["advanced"] === true) {
    const previous = answer["previous"] === null ? null : readMark(answer["previous"], "previous");
    const now = readMark(answer["now"], "now");
    if (now.ctr !== ctr) throw new TypeError("now.ctr must be the counter of the tap");
    return { advanced: true, previous, now };
  }
  if (answer["advanced"] === false) {
    const stored = readMark(answer["stored"], "stored");
    if (stored.ctr < ctr) throw new TypeError("the stored counter is lower, so it must advance");
    return { advanced: false, stored };
  }
  throw new TypeError("a store must answer { advanced: true, previous, now } or { advanced: false, stored }");
}
