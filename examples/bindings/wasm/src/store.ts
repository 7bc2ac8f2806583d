import { call } from "./error.js";
import { integer } from "./bytes.js";
import * as raw from "./generated/verifier.js";
import { MAX_CTR, fromRaw, readMark, toRaw } from "./mark.js";

/** The record that a store keeps for a tag. */
export interface Mark {
  /** The counter of the last accepted tap. */
  readonly ctr: number;
  /** The time of the last accepted tap, in milliseconds since 1970, or `null` if the caller gave none. */
  readonly at: number | null;
  /** The number of accepted taps, including the last one. */
  readonly taps: number;
}

/** The answer of a store. */
export type Advance =
  | {
      readonly advanced: true;
      /** The mark before this tap, or `null` for the first tap of a tag. */
      readonly previous: Mark | null;
      /** The mark that is stored now. */
      readonly now: Mark;
    }
  | {
      readonly advanced: false;
      /** The stored mark, which did not change. */
      readonly stored: Mark;
    };

/**
 * Where the last accepted counter of each tag is kept.
 *
 * **The security of your service depends on your store.** `advance` compares `ctr` with the stored counter of `counterId` and, if `ctr`
 * is greater or none is stored, stores `ctr`, in one atomic step. The new counter must be durable before the promise resolves, and it
 * must never decrease, not even after a restart. A read and a separate write are not atomic: two copies of a tap would both pass.
 * Use one conditional upsert, or a lock.
 *
 * If the outcome is unknown, throw or reject: the tap is then refused with the code `store_failed`.
 */
export interface CounterStore {
  /**
   * Advances the counter of a tag.
   *
   * @param counterId 32 hexadecimal digits: a pseudonym of the tag, computed with its key
   * @param ctr the counter of the tap, from 1 to 16777215
   * @param at the time to store with the counter, in milliseconds since 1970, or `null`
   */
  advance(counterId: string, ctr: number, at: number | null): Advance | PromiseLike<Advance>;
}

/**
 * Compares a counter with the stored mark, and returns the answer of a store. It stores nothing.
 *
 * Use it in a store that reads and writes under a lock of its own: if the answer is `advanced: true`, store `now` before you release
 * the lock.
 */
export function decide(stored: Mark | null, ctr: number, at: number | null): Advance {
  const previous = stored === null ? null : readMark(stored, "stored");
  const time = at === null ? undefined : BigInt(integer(at, "at", Number.MAX_SAFE_INTEGER));
  integer(ctr, "ctr", MAX_CTR);
  const decision = call(raw.Failure, () => raw.decide(previous === null ? undefined : toRaw(previous), ctr, time));
  const { advanced } = decision;
  const mark = fromRaw(decision.mark);
  decision.free();
  return advanced ? { advanced, previous, now: mark } : { advanced, stored: mark };
}

/** A store in memory, for tests. **It forgets all counters on restart: old taps are then accepted again.** */
export class MemoryStore implements CounterStore {
  readonly #marks = new Map<string, Mark>();

  advance(counterId: string, ctr: number, at: number | null): Advance {
    const answer = decide(this.#marks.get(counterId) ?? null, ctr, at);
    if (answer.advanced) this.#marks.set(counterId, answer.now);
    return answer;
  }
}
