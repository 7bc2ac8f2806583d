import { DurableObject } from "cloudflare:workers";
import type { Advance, CounterStore, Mark } from "suntap";

const TABLE = `CREATE TABLE IF NOT EXISTS mark (id INTEGER PRIMARY KEY CHECK (id = 0), ctr INTEGER NOT NULL, at INTEGER,
  taps INTEGER NOT NULL, previous_ctr INTEGER, previous_at INTEGER)`;

// The comparison and the write are one statement.
const ADVANCE = `INSERT INTO mark (id, ctr, at, taps) VALUES (0, ?1, ?2, 1)
  ON CONFLICT (id) DO UPDATE SET previous_ctr = mark.ctr, previous_at = mark.at, ctr = excluded.ctr, at = excluded.at,
    taps = mark.taps + 1
  WHERE excluded.ctr > mark.ctr
  RETURNING ctr, at, taps, previous_ctr, previous_at`;

interface Row extends Record<string, SqlStorageValue> {
  ctr: number;
  at: number | null;
  taps: number;
  previous_ctr: number | null;
  previous_at: number | null;
}

/**
 * The counter of one tag. All requests for this tag reach the same object. The runtime sends the answer only after the write is durable.
 */
export class TagCounter extends DurableObject<unknown> {
  constructor(state: DurableObjectState, env: unknown) {
    super(state, env);
    state.storage.sql.exec(TABLE);
  }

  advance(ctr: number, at: number | null): Advance {
    const { sql } = this.ctx.storage;
    const [row] = sql.exec<Row>(ADVANCE, ctr, at).toArray();
    if (row === undefined) {
      const { ctr, at, taps } = sql.exec<Row>("SELECT * FROM mark").one();
      return { advanced: false, stored: { ctr, at, taps } };
    }
    const previous: Mark | null =
      row.previous_ctr === null ? null : { ctr: row.previous_ctr, at: row.previous_at, taps: row.taps - 1 };
    return { advanced: true, previous, now: { ctr: row.ctr, at: row.at, taps: row.taps } };
  }
}

/** The methods of `TagCounter` that a worker can call. */
export interface TagCounters {
  getByName(name: string): { advance(ctr: number, at: number | null): PromiseLike<Advance> };
}

/** A counter store with one Durable Object for each tag. */
export class DurableStore implements CounterStore {
  readonly #counters: TagCounters;

  constructor(counters: TagCounters) {
    this.#counters = counters;
  }

  advance(counterId: string, ctr: number, at: number | null): PromiseLike<Advance> {
    return this.#counters.getByName(counterId).advance(ctr, at);
  }
}
