/** What Postgres says: the summary by SQL, its plan, and the statistics of a run. @module */
// @ts-types="@types/pg"
import pg from "pg";
import { PROCESSORS } from "../../src/payment/fact.ts";
import { STAGES } from "../../src/payment/payment.ts";
import type { BothBooks } from "../graded/score.ts";
import { median } from "../graded/table.ts";

const SETTLED = STAGES.indexOf("settled");
/** The summary as a program without a book in memory would ask for it; `$1` and `$2` as `from` and `to`. */
const SUMMARY = `select processor, count(*)::int as count, coalesce(sum(cents), 0)::float8 as cents from payment
  where stage = ${SETTLED} and requested_at_ms between $1 and $2 and processor in (0, 1) group by processor`;
/** So often something is timed, for a median. */
const TRIES = 15;
const ALL_MS = [0, 9_007_199_254_740_991] as const;

/** Counters of Postgres; differences of two are a run's. */
export interface Counters {
  readonly commits: number;
  readonly rowsInserted: number;
  readonly rowsUpdated: number;
  readonly rowsHot: number;
  readonly seqScans: number;
  readonly indexScans: number;
}

/** The summary from Postgres. */
export interface SqlSummary {
  readonly medianMs: number;
  readonly maxMs: number;
  readonly books: BothBooks;
  readonly plan: readonly string[];
}

export class Database {
  readonly #pool: pg.Pool;

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 1, application_name: "galo-report" });
  }

  async counters(): Promise<Counters> {
    // what sessions counted reaches the statistics a second late, unless they idle
    const { rows: [row] } = await this.#pool.query(
      `select (select xact_commit from pg_stat_database where datname = current_database())::float8 as "commits",
         n_tup_ins::float8 as "rowsInserted", n_tup_upd::float8 as "rowsUpdated", n_tup_hot_upd::float8 as "rowsHot",
         seq_scan::float8 as "seqScans", coalesce(idx_scan, 0)::float8 as "indexScans"
       from pg_stat_user_tables where relname = 'payment'`,
    );
    return row;
  }

  /** Uses of each index of `payment` so far. */
  async indexes(): Promise<Record<string, number>> {
    const { rows } = await this.#pool.query<{ name: string; scans: number }>(
      `select indexrelname as name, idx_scan::float8 as scans from pg_stat_user_indexes where relname = 'payment'`,
    );
    return Object.fromEntries(rows.map(({ name, scans }) => [name, scans]));
  }

  /** Connections of the replicas, and how many of them work at this moment. */
  async connections(): Promise<{ open: number; active: number }> {
    const { rows: [row] } = await this.#pool.query(
      `select count(*)::int as open, (count(*) filter (where state <> 'idle'))::int as active
       from pg_stat_activity where application_name = 'galo'`,
    );
    return row;
  }

  /** Payments that are stored as settled. */
  async settled(): Promise<number> {
    const { rows: [{ count }] } = await this.#pool.query(
      `select count(*)::int as count from payment where stage = ${SETTLED}`,
    );
    return count;
  }

  async summary(): Promise<SqlSummary> {
    const times: number[] = [];
    const books = { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } };
    for (let tries = 0; tries < TRIES; tries++) {
      const startMs = performance.now();
      const { rows } = await this.#pool.query<{ processor: number; count: number; cents: number }>(SUMMARY, [
        ...ALL_MS,
      ]);
      times.push(performance.now() - startMs);
      for (const { processor, count, cents } of rows) books[PROCESSORS[processor]!] = { count, cents };
    }
    const { rows } = await this.#pool.query(`explain (analyze, buffers) ${SUMMARY}`, [...ALL_MS]);
    return {
      medianMs: median(times),
      maxMs: Math.max(...times),
      books,
      plan: rows.map((row) => row["QUERY PLAN"]),
    };
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
