/** The store on PostgreSQL, tried on 18. @module */
// @ts-types="@types/pg"
import pg from "pg";
import type { Payment } from "../payment/payment.ts";
import type { Roster } from "../payment/roster.ts";
import { connectionOf } from "./connection.ts";
import { enrol, migrate } from "./migrations.ts";
import { ADVANCE, columns, PENDING, SETTLED_IN_ORDER, STORED, STORY, unpack, WRITE } from "./rows.ts";
import type { Batch, Store, Stored } from "./store.ts";
import { serverOf, storeError } from "./trouble.ts";

/** How many payments {@link PostgresStore.load} reads at once. */
const PAGE = 512;
/** The most connections of a replica: with two it can read a story while it writes payments. */
export const POOL_MAX = 2;
/** SQLSTATE of a prepared statement that is missing, or exists already. */
const UNPREPARED = ["26000", "42P05"];
/** Payments in one statement at most. */
const CHUNK = 1_000;

interface PostgresOptions {
  /** see {@link connectionOf} */
  readonly url: string;
  /** the replicas, by whose codes rows name owners */
  readonly roster: Roster;
  /** the timeout of a statement, in milliseconds */
  readonly statementTimeoutMs?: number;
  /** the timeout of connecting, in milliseconds */
  readonly connectTimeoutMs?: number;
  /** the story of a settled payment to store, if it is known */
  readonly story?: (id: string) => string | undefined;
}

/** Wraps what the caller's own code threw while the store ran it: no trouble of the store's. */
class CallersError {
  constructor(readonly error: unknown) {}
}

/** One replica's access to the tables. */
export class PostgresStore implements Store {
  readonly #pool: pg.Pool;
  readonly #where: string;
  readonly #roster: Roster;
  readonly #story: (id: string) => string | undefined;
  /** whether statements are prepared under a name: not with a pooler that shares connections between clients */
  #usesNames = true;
  /** the tables were checked; checked again after every failure */
  #prepared: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /**
   * Connects to nothing yet.
   *
   * @throws StoreError if the URL is none, or has a parameter that is not supported
   */
  constructor(options: PostgresOptions) {
    const { url, roster, statementTimeoutMs = 10_000, connectTimeoutMs = 2_000 } = options;
    this.#roster = roster;
    this.#story = options.story ?? (() => undefined);
    this.#where = serverOf(url).where;
    this.#pool = new pg.Pool({
      ...connectionOf(url),
      max: POOL_MAX,
      keepAlive: true,
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: statementTimeoutMs,
      idle_in_transaction_session_timeout: statementTimeoutMs,
      // for a server that is frozen or cut off, and cannot keep its own time
      query_timeout: statementTimeoutMs + 1_000,
      // connections stay open: to open one costs more than to keep it
      idleTimeoutMillis: 0,
      application_name: "galo",
      // a connection that is lost in use fails its query, and also emits an event, which would end the process
      onConnect: (client) => void client.on("error", () => {}),
    });
    // an idle connection was lost: the next call takes another
    this.#pool.on("error", () => {});
  }

  async stored(toWrite = false): Promise<Stored> {
    return await this.#run((client) => stored(client, toWrite));
  }

  async load(visit: (payment: Payment) => void): Promise<Stored> {
    return await this.#run(async (client) => {
      await client.query("begin isolation level repeatable read read only");
      // before the snapshot: a purge in between would show in the rows and not in the position
      await client.query("lock table payment in access share mode");
      const where = await stored(client);
      for (const [name, rows] of Object.entries({ pending: PENDING, settled: SETTLED_IN_ORDER })) {
        await client.query(`declare ${name} no scroll cursor for ${rows}`);
        const fetch = () => client.query<[string]>({ text: `fetch ${PAGE} from ${name}`, rowMode: "array" });
        let size: number = PAGE;
        for (let coming = fetch(); size === PAGE;) {
          const { rows } = await coming;
          size = rows.length;
          // the server prepares the next page while this one is read; if reading fails, its result is ignored
          coming = fetch();
          coming.catch(() => {});
          // one at a time, and none stays in the driver's result: long-lived garbage is collected rarely
          for (const [row] of rows.splice(0)) callers(() => visit(unpack(row, this.#roster)));
        }
      }
      await client.query("commit");
      return where;
    });
  }

  async write({ from, to, replacesAll, payments }: Batch): Promise<Stored> {
    const chunks = chunked(payments, CHUNK);
    const next = () => callers(() => chunks.next().value);
    return await this.#run(async (client) => {
      const first = replacesAll ? [] : next() ?? [];
      let chunk = next();
      const alone = !replacesAll && !chunk;
      // a statement is a transaction of its own
      if (!alone) await client.query("begin");
      // in the order in which the other statements take their locks: the table, then the position
      if (replacesAll) await client.query("lock table payment in access exclusive mode");
      const state = [from.logId, from.position, to.logId, to.position, to.hash, to.doubtedUptimeMs];
      const values = [...state, ...columns(first, this.#story, this.#roster)];
      const { rowCount } = await client.query({ ...this.#named("advance"), text: ADVANCE, values });
      if (rowCount === 0) {
        if (!alone) await client.query("rollback");
        return await stored(client);
      }
      if (replacesAll) await client.query("truncate payment");
      for (; chunk; chunk = next()) {
        await client.query({ ...this.#named("write"), text: WRITE, values: columns(chunk, this.#story, this.#roster) });
      }
      if (!alone) await client.query("commit");
      return to;
    });
  }

  /** What was kept of a payment's story; undefined if nothing was. */
  async story(id: string): Promise<string | undefined> {
    return await this.#run(async (client) => {
      const query = { ...this.#named("story"), text: STORY, values: [id] };
      const { rows: [row] } = await client.query<{ story: string | null }>(query);
      return row?.story ?? undefined;
    });
  }

  /** Disconnects. */
  async close(): Promise<void> {
    return await (this.#closed ??= this.#pool.end());
  }

  #named(name: string): { readonly name?: string } {
    return this.#usesNames ? { name } : {};
  }

  /** Runs `work` on a connection of its own, which is closed if it fails, and its transaction with it. */
  async #run<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined;
    let failed = true;
    try {
      client = await this.#pool.connect();
      await (this.#prepared ??= migrate(client).then(() => enrol(client!, this.#roster)));
      const result = await work(client);
      failed = false;
      return result;
    } catch (error) {
      this.#prepared = undefined;
      if (error instanceof pg.DatabaseError && UNPREPARED.includes(error.code ?? "")) this.#usesNames = false;
      throw error instanceof CallersError ? error.error : storeError(error, this.#where);
    } finally {
      client?.release(failed);
    }
  }
}

async function stored(client: pg.ClientBase, toWrite = false): Promise<Stored> {
  const { rows: [row] } = await client.query<Stored & { only: boolean }>(STORED);
  if (!row) throw new Error("its table store_state is empty");
  const { only, ...where } = row;
  // SQLSTATE read_only_sql_transaction: the answer to a write
  if (toWrite && only) throw { code: "25006" };
  return where;
}

/** Runs the caller's code. */
function callers<T>(code: () => T): T {
  try {
    return code();
  } catch (error) {
    throw new CallersError(error);
  }
}

function* chunked<T>(all: Iterable<T>, size: number): Generator<T[], undefined> {
  let chunk: T[] = [];
  for (const one of all) {
    chunk.push(one);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
