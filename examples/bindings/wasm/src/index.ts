export type { Key } from "./bytes.js";
export { SunTapError, type ErrorCode } from "./error.js";
export { codes, version, type Code } from "./generated/codes.js";
export { MemoryStore, decide, type Advance, type CounterStore, type Mark } from "./store.js";
export {
  Verifier,
  type AdmitOptions,
  type DerivedKeys,
  type FreshTap,
  type SameKey,
  type Scheme,
  type Seal,
  type VerifiedTap,
  type VerifierKeys,
} from "./verifier.js";
