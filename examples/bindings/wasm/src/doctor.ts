import { bytes, integer, keyBytes, text, type Key } from "./bytes.js";
import { call, invalid } from "./error.js";
import * as raw from "./generated/doctor.js";
import type { Scheme } from "./verifier.js";

export type { Key } from "./bytes.js";
export { SunTapError, type ErrorCode } from "./error.js";
export type { Scheme } from "./verifier.js";

/** A key that may belong to the tag. */
export interface GivenKey {
  /** The name that the findings use for this key. A name with 24 or more hexadecimal digits is refused, because it may be a key. */
  readonly name: string;
  readonly key: Key;
  /** What the key is for. `any`, the default: it may be either key, or a key from which the keys are derived. */
  readonly role?: "meta" | "file" | "any" | undefined;
}

/** What you know or assume about a tap. Only the URL is required. */
export interface Assumptions {
  /** The URL as it was received. */
  readonly url: string;
  /** The URL as you think that the tag writes it. */
  readonly template?: string | undefined;
  /** How you think that the tag computes its MAC. Used only with `template`. The default is `aes`. */
  readonly scheme?: Scheme | undefined;
  /** Keys that may belong to the tag. The key of a new chip is always tried. */
  readonly keys?: readonly GivenKey[] | undefined;
  /** System identifiers: the bytes at the end of the AN10922 input. */
  readonly suffixes?: readonly Uint8Array[] | undefined;
  /** The application identifier in the AN10922 input, 3 bytes. */
  readonly aid?: Uint8Array | undefined;
  /** The UID of the tag, 14 hexadecimal digits. */
  readonly uid?: string | undefined;
  /** The URL of a later tap of the same tag. */
  readonly second?: string | undefined;
  /** The counter that your store holds for the tag. */
  readonly storedCtr?: number | undefined;
}

/** A fault of the tap or of the assumptions, or a remark. */
export interface Finding {
  /** The short name, which does not change between versions. */
  readonly code: string;
  /** `true` for a fault, `false` for a remark. */
  readonly fault: boolean;
  /** What is wrong, and what to do. */
  readonly text: string;
}

/** How the tap was made. It contains no key. */
export interface Explanation {
  /** A template that verifies the tap, or `null` if no layout can describe it. */
  readonly template: string | null;
  /** How the tag computes its MAC. */
  readonly scheme: string;
  /** Where the SDMMetaReadKey comes from, or `null` if the tap has no PICCData. */
  readonly metaReadKey: string | null;
  /** Where the SDMFileReadKey comes from. */
  readonly fileReadKey: string | null;
}

/** The result of a diagnosis. */
export interface Diagnosis {
  /** `healthy`: no fault. `explained`: something is wrong, and the findings say what. `unexplained`: nothing that was tried matches. */
  readonly conclusion: "healthy" | "explained" | "unexplained";
  /** The findings. Faults come before remarks. */
  readonly findings: readonly Finding[];
  /** How the tap was made, or `null` if that is not known. */
  readonly explanation: Explanation | null;
  /** `true` if only the tag can have made `uid` and `ctr`. Otherwise, they may be forged. */
  readonly proven: boolean;
  readonly uid: string | null;
  readonly ctr: number | null;
  /** The amount of work: about the number of MACs that were computed. */
  readonly tried: number;
  /** `false` if the search left something out to limit its work. */
  readonly complete: boolean;
}

/** Longer texts cannot be taps, but a pasted text may contain one. */
const MAX_TEXT = 4096;

/** Only a list of this length is searched in a useful time. */
const MAX_LIST = 64;

function list<T>(value: readonly T[] | undefined, name: string): readonly T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_LIST) throw invalid(`${name} must be an array of at most ${MAX_LIST} elements`);
  return value;
}

function readFinding(finding: raw.Finding): Finding {
  const { code, fault, text } = finding;
  finding.free();
  return { code, fault, text };
}

function readExplanation(explanation: raw.Explanation): Explanation {
  const { template, scheme, metaReadKey, fileReadKey } = explanation;
  explanation.free();
  return { template: template ?? null, scheme, metaReadKey: metaReadKey ?? null, fileReadKey: fileReadKey ?? null };
}

function readConclusion(conclusion: string): Diagnosis["conclusion"] {
  return conclusion === "healthy" || conclusion === "explained" ? conclusion : "unexplained";
}

/**
 * Says why a tap does not verify, and what to do.
 *
 * **Show the result only to the owner of the tag**: it helps an attacker. The call blocks, and a search that finds nothing takes
 * seconds. It is for setting up tags, not for the path of a request.
 *
 * @throws SunTapError with the code `invalid_template`, `invalid_key` or `invalid_argument`
 */
export function diagnose(assumptions: Assumptions): Diagnosis {
  if (typeof assumptions !== "object" || assumptions === null) throw invalid("the assumptions must be an object");
  const { template, scheme, keys, suffixes, aid, uid, second, storedCtr } = assumptions;
  const doctor = new raw.Doctor(text(assumptions.url, "url", MAX_TEXT));
  try {
    return call(raw.Failure, () => {
      if (template !== undefined) doctor.layout(text(scheme ?? "aes", "scheme"), text(template, "template"));
      for (const given of list(keys, "keys")) {
        if (typeof given !== "object" || given === null) throw invalid("a key must be an object");
        const { name, key, role } = given;
        const copy = keyBytes(key);
        try {
          doctor.key(text(name, "the name of a key"), copy, text(role ?? "any", "role"));
        } finally {
          copy.fill(0);
        }
      }
      for (const suffix of list(suffixes, "suffixes")) doctor.suffix(bytes(suffix, "a suffix"));
      if (aid !== undefined) doctor.aid(bytes(aid, "aid"));
      if (uid !== undefined) doctor.uid(text(uid, "uid"));
      if (second !== undefined) doctor.second(text(second, "second", MAX_TEXT));
      if (storedCtr !== undefined) doctor.stored(integer(storedCtr, "storedCtr", 0xff_ffff));
      const diagnosis = doctor.diagnose();
      const explanation = diagnosis.explanation;
      const result: Diagnosis = {
        conclusion: readConclusion(diagnosis.conclusion),
        findings: diagnosis.findings.map(readFinding),
        explanation: explanation ? readExplanation(explanation) : null,
        proven: diagnosis.proven,
        uid: diagnosis.uid ?? null,
        ctr: diagnosis.ctr ?? null,
        tried: diagnosis.tried,
        complete: diagnosis.complete,
      };
      diagnosis.free();
      return result;
    });
  } finally {
    doctor.free();
  }
}
