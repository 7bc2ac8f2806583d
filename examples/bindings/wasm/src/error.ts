import { codes, type Code } from "./generated/codes.js";
import type { Mark } from "./store.js";

/** The code of a call that failed. */
export type ErrorCode = Exclude<Code, "fresh">;

/**
 * Why a call failed.
 *
 * Answer every untrusted client with the same refusal. `message`, `code` and `stored` are for your log: the difference between two
 * refusals can help an attacker. The text contains no key.
 */
export class SunTapError extends Error {
  override readonly name: string = "SunTapError";
  /** The code, which is the same in all bindings and versions. */
  readonly code: ErrorCode;
  /** The number of the code, as in the C binding. */
  readonly number: number;
  /** What the store holds for the tag, if the tap is a replay. Otherwise `null`. */
  readonly stored: Mark | null;

  /** Creates an error. A store can throw any error: it becomes the `cause` of an error with the code `store_failed`. */
  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown; readonly stored?: Mark | null } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.number = codes[code].number;
    this.stored = options.stored ?? null;
  }
}

/** An error of a WebAssembly module. */
interface Failure {
  readonly code: string;
  readonly message: string;
  readonly stored?: { readonly ctr: number; readonly at: bigint | undefined; readonly taps: number; free(): void } | undefined;
  free(): void;
}

function isErrorCode(code: string): code is ErrorCode {
  return code !== "fresh" && Object.hasOwn(codes, code);
}

function isFailure(error: unknown, type: Function): error is Failure {
  return error instanceof type;
}

/** Calls a WebAssembly module, and changes its error, an instance of `type`, to a `SunTapError`. */
export function call<T>(type: Function, action: () => T, options: { cause?: unknown } = {}): T {
  try {
    return action();
  } catch (error) {
    if (!isFailure(error, type)) throw error;
    const { code, message, stored } = error;
    const mark = stored ? { ctr: stored.ctr, at: stored.at === undefined ? null : Number(stored.at), taps: stored.taps } : null;
    stored?.free();
    error.free();
    throw new SunTapError(isErrorCode(code) ? code : "invalid_argument", message, { ...options, stored: mark });
  }
}

/** Returns the error for an invalid argument. */
export function invalid(message: string): SunTapError {
  return new SunTapError("invalid_argument", message);
}
