/// <reference lib="esnext.disposable" preserve="true" />
import { bytes, integer, keyBytes, text, type Key } from "./bytes.js";
import { SunTapError, call, invalid } from "./error.js";
import * as raw from "./generated/verifier.js";
import { fromRaw, readAdvance, toRaw } from "./mark.js";
import type { CounterStore, Mark } from "./store.js";

/** How a tag computes its MAC: `aes` or `lrp` for an NTAG 424 DNA, `suncmac` for an NTAG 223 or 224 DNA. */
export type Scheme = "aes" | "lrp" | "suncmac";

interface CommonKeys {
  /** How a tag computes its MAC. The default is `aes`. */
  readonly scheme?: Scheme | undefined;
  /** The SDMMetaReadKey, which decrypts the PICCData. Required exactly if the template has `{picc}`. */
  readonly metaReadKey?: Key | null | undefined;
}

/** The keys, if all tags have the same SDMFileReadKey. */
export interface SameKey extends CommonKeys {
  /** The SDMFileReadKey of all tags. */
  readonly fileReadKey: Key;
  readonly masterKey?: null | undefined;
  readonly suffix?: null | undefined;
  readonly epoch?: null | undefined;
}

/** The keys, if the SDMFileReadKey of each tag is derived from a master key, as in NXP AN10922. */
export interface DerivedKeys extends CommonKeys {
  /** The key from which the SDMFileReadKey of each tag is derived. */
  readonly masterKey: Key;
  /** The AN10922 input is the UID, then these bytes (at most 24). For a text: `new TextEncoder().encode("…")`. */
  readonly suffix?: Uint8Array | null | undefined;
  /** The number of earlier setups of the tags: 0 (the default) after the first setup. It changes all keys. */
  readonly epoch?: number | null | undefined;
  readonly fileReadKey?: null | undefined;
}

/** The keys and the scheme of a verifier. */
export type VerifierKeys = SameKey | DerivedKeys;

/** The state of the seal of a tag with tamper detection. A state that the MAC does not cover is never `closed`. */
export type Seal = "closed" | "open" | "openedBefore" | "unknown";

/** The content of a genuine tap. */
interface Content {
  /** The UID as 14 upper-case hexadecimal digits, or `null` if the tag does not mirror it. */
  readonly uid: string | null;
  /** The counter of the tap, which is at least 1. */
  readonly ctr: number;
  /** The id under which the store keeps the counter: 32 hexadecimal digits. */
  readonly counterId: string;
  /** The state of the seal, or `null` if the template has no tamper status. */
  readonly seal: Seal | null;
  /** The decrypted SDMENCFileData, or `null` if the template has no `{enc}`. */
  readonly fileData: Uint8Array | null;
}

/** A genuine tap that is not a replay. */
export interface FreshTap extends Content {
  /** What the store held before this tap, or `null` for the first tap of the tag. */
  readonly previous: Mark | null;
  /** The number of accepted taps of the tag, including this one. */
  readonly taps: number;
}

/** The options of `admit` and `commit`. */
export interface AdmitOptions {
  /** The time to store with the counter, in milliseconds since 1970, for example `Date.now()`. By default, no time is stored. */
  readonly at?: number | null | undefined;
}

/**
 * A genuine tap that was **not checked for replay**: a copy of the URL verifies any number of times. Do not grant anything before
 * `commit` resolves.
 */
export class VerifiedTap implements Content {
  readonly uid: string | null;
  readonly ctr: number;
  readonly counterId: string;
  readonly seal: Seal | null;
  readonly fileData: Uint8Array | null;
  readonly #commit: VerifiedTap["commit"];

  /** @internal */
  constructor(content: Content, commit: VerifiedTap["commit"]) {
    ({ uid: this.uid, ctr: this.ctr, counterId: this.counterId, seal: this.seal, fileData: this.fileData } = content);
    this.#commit = commit;
  }

  /**
   * Advances the counter of the tag in the store. It resolves at most once for each tap. It verifies the tap again, so the verifier must
   * not be freed before.
   *
   * @throws SunTapError with the code `replayed` or `store_failed`, or with a code of `Verifier.admit`
   */
  commit(store: CounterStore, options?: AdmitOptions | null): Promise<FreshTap> {
    return this.#commit(store, options);
  }
}

/** Longer texts cannot be taps: the file of a tag has 256 bytes. */
const MAX_TAP = 2048;

const seals: readonly string[] = ["closed", "open", "openedBefore", "unknown"] satisfies Seal[];

function isSeal(seal: string): seal is Seal {
  return seals.includes(seal);
}

function readSeal(seal: string | undefined): Seal | null {
  if (seal === undefined) return null;
  return isSeal(seal) ? seal : "unknown";
}

/** Returns the content of a raw tap, and frees it. */
function readTap(tap: raw.Tap): FreshTap {
  const previous = tap.previous;
  const fresh: FreshTap = {
    uid: tap.uid ?? null,
    ctr: tap.ctr,
    counterId: tap.counterId,
    seal: readSeal(tap.seal),
    fileData: tap.fileData ?? null,
    previous: previous ? fromRaw(previous) : null,
    taps: tap.taps,
  };
  tap.free();
  return fresh;
}

function tapText(tap: unknown): string {
  const value = text(tap, "the tap", Number.MAX_SAFE_INTEGER);
  if (value.length > MAX_TAP) throw new SunTapError("malformed", `malformed tap: it has more than ${MAX_TAP} characters`);
  return value;
}

function freed(): SunTapError {
  return invalid("the verifier was freed");
}

/**
 * Verifies the taps of all tags that share one template and one source of keys.
 *
 * The verifier keeps its keys in the memory of the WebAssembly module until `free` is called. With `using verifier = new Verifier(…)`,
 * the end of the block calls it. If a verifier is never freed, the garbage collector frees it at some time, or never.
 */
export class Verifier {
  #raw: raw.Verifier | null;
  readonly #admissions = new Set<raw.Admission>();

  /**
   * Creates a verifier.
   *
   * A key that is a string stays in the memory of the JavaScript engine, which cannot be wiped. A key that is a `Uint8Array` is copied:
   * overwrite yours afterwards with `key.fill(0)`.
   *
   * @param template the URL as the tag writes it, with a placeholder for each part that changes:
   * `https://tag.example/?e={picc}&c={mac}`
   * @throws SunTapError with the code `invalid_template`, `invalid_key`, `invalid_settings` or `invalid_argument`
   */
  constructor(template: string, keys: VerifierKeys) {
    if (typeof keys !== "object" || keys === null) throw invalid("the keys must be an object");
    const scheme = text(keys.scheme ?? "aes", "scheme", 16);
    const suffix = bytes(keys.suffix ?? new Uint8Array(), "suffix");
    const epoch = integer(keys.epoch ?? 0, "epoch", 0xffff_ffff);
    text(template, "template");
    const copies: Uint8Array[] = [];
    const copy = (key: Key | null | undefined): Uint8Array | undefined => {
      if (key === null || key === undefined) return undefined;
      const bytes = keyBytes(key);
      copies.push(bytes);
      return bytes;
    };
    try {
      const [meta, file, master] = [copy(keys.metaReadKey), copy(keys.fileReadKey), copy(keys.masterKey)];
      this.#raw = call(raw.Failure, () => new raw.Verifier(template, scheme, meta, file, master, suffix, epoch));
    } finally {
      for (const bytes of copies) bytes.fill(0);
    }
  }

  /**
   * Verifies a tap **without a check for replay**. Use `admit`, unless you need to look at the tap before you commit it.
   *
   * @param tap the URL, or the path and the query of a request
   * @throws SunTapError with the code `malformed`, `not_authentic` or `no_counter`
   */
  verify(tap: string): VerifiedTap {
    const verifier = this.#open();
    const value = tapText(tap);
    const content = readTap(call(raw.Failure, () => verifier.verify(value)));
    return new VerifiedTap(content, (store, options) => this.admit(value, store, options));
  }

  /**
   * Verifies a tap and advances the counter of its tag in the store. If the promise resolves, the tap is genuine and not a replay.
   *
   * If `free` is called before the store answers, the promise rejects, and the counter may have advanced.
   *
   * @param tap the URL, or the path and the query of a request
   * @throws SunTapError with the code `malformed`, `not_authentic`, `no_counter`, `replayed` or `store_failed`; with `store_failed`,
   * `cause` is what the store threw
   */
  async admit(tap: string, store: CounterStore, options?: AdmitOptions | null): Promise<FreshTap> {
    const verifier = this.#open();
    const value = tapText(tap);
    const at = options?.at ?? null;
    const time = at === null ? null : integer(at, "at", Number.MAX_SAFE_INTEGER);
    if (typeof store?.advance !== "function") throw invalid("the store must have a method advance");
    const admission = call(raw.Failure, () => verifier.begin(value, time === null ? undefined : BigInt(time)));
    this.#admissions.add(admission);
    try {
      return readTap(await this.#ask(admission, store, time));
    } finally {
      if (this.#admissions.delete(admission)) admission.free();
    }
  }

  /** Asks the store, and gives its answer to the module. */
  async #ask(admission: raw.Admission, store: CounterStore, at: number | null): Promise<raw.Tap> {
    const { counterId, ctr } = admission;
    let end: () => raw.Tap;
    let options: { cause?: unknown } = {};
    try {
      const answer = readAdvance(await store.advance(counterId, ctr, at), ctr);
      end = answer.advanced
        ? () => admission.advanced(answer.previous === null ? undefined : toRaw(answer.previous), toRaw(answer.now))
        : () => admission.stale(toRaw(answer.stored));
    } catch (cause) {
      options = { cause };
      end = () => admission.failed();
    }
    if (!this.#admissions.has(admission)) throw freed();
    return call(raw.Failure, end, options);
  }

  /** Returns the raw verifier. */
  #open(): raw.Verifier {
    if (this.#raw === null) throw freed();
    return this.#raw;
  }

  /**
   * Wipes the keys. Each later call fails with the code `invalid_argument`, and so does each `admit` that still waits for its store.
   * Calling `free` again does nothing.
   */
  free(): void {
    for (const admission of this.#admissions) admission.free();
    this.#admissions.clear();
    this.#raw?.free();
    this.#raw = null;
  }

  /** Calls `free`. */
  [Symbol.dispose](): void {
    this.free();
  }
}
