import { SunTapError, invalid } from "./error.js";
import { codes } from "./generated/codes.js";

/** A key: 32 hexadecimal digits, or 16 bytes. */
export type Key = string | Uint8Array;

/** Returns `true` for a `Uint8Array`, also for one of another realm, such as the one of a test runner. */
function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === "[object Uint8Array]" && ArrayBuffer.isView(value);
}

/**
 * Returns the bytes of a key in the form that the module expects: 16 bytes, or the bytes of 32 digits. They are a copy: the caller
 * overwrites them.
 */
export function keyBytes(key: Key): Uint8Array {
  const isText = typeof key === "string";
  if (!isText && !isBytes(key)) throw invalid("a key must be a string or a Uint8Array");
  if (key.length !== (isText ? 32 : 16)) throw new SunTapError("invalid_key", codes.invalid_key.text);
  return isText ? new TextEncoder().encode(key) : Uint8Array.from(key);
}

/** Returns a string argument. */
export function text(value: unknown, name: string, max = 4096): string {
  if (typeof value !== "string") throw invalid(`${name} must be a string`);
  if (value.length > max) throw invalid(`${name} must have at most ${max} characters`);
  return value;
}

/** Returns an integer argument. */
export function integer(value: unknown, name: string, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
    throw invalid(`${name} must be an integer from 0 to ${max}`);
  }
  return value;
}

/** Returns a byte string argument. */
export function bytes(value: unknown, name: string, max = 256): Uint8Array {
  if (!isBytes(value)) throw invalid(`${name} must be a Uint8Array`);
  if (value.length > max) throw invalid(`${name} must have at most ${max} bytes`);
  return value;
}
