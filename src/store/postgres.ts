/** The store on PostgreSQL, tried on 18. @module */
// @ts-types="@types/pg"
import pg from "pg";
import { type Fact, type ReplicaId, REPLICAS } from "../payment/fact.ts";
import type { Opened, Store } from "./store.ts";
import { migrate, OPENING_LOCK } from "./migrations.ts";
import { columns, distinct, PENDING, SETTLED_IN_ORDER, STORY, unpack, WRITE } from "./rows.ts";
import { serverOf, storeError } from "./trouble.ts";

/** Facts that {@link PostgresStore.load} hands over at once. */
export const PAGE = 512;
/** A session that holds this advisory lock, with a replica's code, belongs to a replica that lives. "live" in ASCII. */
const LIVE_LOCK = 0x6c697665;

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** connections at most: two let a start load while facts are written */
  readonly poolMax?: number;
  /** after so long a statement is given up, in milliseconds */
  readonly statementTimeoutMs?: number;
  /** after so long an attempt to connect is given up, in milliseconds */
  readonly connectTimeoutMs?: number;
  /** what is to be kept of a settled payment's story, where that is known */
  readonly story?: (id: string) => string | undefined;
}

/** One replica's way to the tables. */
export class PostgresStore implements Store {
  readonly #pool: pg.Pool;
  readonly #where: string;
  readonly #story: (id: string) => string | undefined;
  /** the tables are as they must be; asked again after every failure */
  #prepared: Promise<void> | undefined;
  #epoch = 0;
  #replica: ReplicaId | undefined;
  #found: Opened["state"] | undefined;
  #closed: Promise<void> | undefined;

  /**
   * Connects to nothing yet.
   *
   * @throws StoreError where the URL is none
   */
  constructor(options: PostgresOptions) {
    const { url, poolMax = 2, statementTimeoutMs = 10_000, connectTimeoutMs = 2_000, story = () => undefined } =
      options;
    this.#story = story;
    this.#where = serverOf(url);
    this.#pool = new pg.Pool({
      connectionString: url,
      max: poolMax,
      keepAlive: true,
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: statementTimeoutMs,
      idle_in_transaction_session_timeout: statementTimeoutMs,
      // for a server that is frozen or cut off, and cannot keep its own time
      query_timeout: statementTimeoutMs + 1_000,
      // connections stay: the lock in one of them says that this replica lives
      idleTimeoutMillis: 0,
      application_name: "galo",
      onConnect: (client) => this.#connected(client),
    });
    // an idle connection was lost: the next call takes another
    this.#pool.on("error", () => {});
  }

  async open(replica: ReplicaId): Promise<Opened> {
    return await this.#run(async (client) => {
      const { rows: [{ epoch }] } = await client.query("select epoch::float8 from store_state");
      this.#epoch = Math.max(this.#epoch, epoch);
      if (this.#found) return { epoch, state: this.#found };
      await client.query("begin");
      await client.query("select pg_advisory_xact_lock($1)", [OPENING_LOCK]);
      const state = await lastLife(client, replica);
      await client.query(
        `insert into replica (id, running, found) values ($1, true, $2)
         on conflict (id) do update set running = true, found = excluded.found, started_at = now()`,
        [REPLICAS.indexOf(replica), state],
      );
      await client.query("select pg_advisory_lock_shared($1, $2)", [LIVE_LOCK, REPLICAS.indexOf(replica)]);
      await client.query("commit");
      this.#replica = replica;
      this.#found = state;
      return { epoch, state };
    });
  }

  async load(visit: (facts: readonly Fact[]) => void): Promise<void> {
    let broken: { readonly error: unknown } | undefined;
    const hand = (facts: readonly Fact[]) => {
      try {
        visit(facts);
      } catch (error) {
        broken = { error };
        throw error;
      }
    };
    await this.#run(async (client) => {
      await client.query("begin isolation level repeatable read read only");
      for (const [name, rows] of Object.entries({ pending: PENDING, settled: SETTLED_IN_ORDER })) {
        await client.query(`declare ${name} no scroll cursor for ${rows}`);
        const fetch = () => client.query<[string]>({ text: `fetch ${PAGE} from ${name}`, rowMode: "array" });
        let size: number = PAGE;
        for (let coming = fetch(); size === PAGE;) {
          const { rows } = await coming;
          size = rows.length;
          // the server works on the next page while this one is read; where reading fails, nobody asks how that ended
          coming = fetch();
          coming.catch(() => {});
          if (size > 0) hand(rows.map(([row]) => unpack(row)));
        }
      }
      await client.query("commit");
    }).catch((error) => {
      // what the caller threw is no trouble of the store's
      throw broken ? broken.error : error;
    });
  }

  async write(epoch: number, facts: readonly Fact[]): Promise<number> {
    return await this.#run(async (client) => {
      if (epoch > this.#epoch) await this.#begin(client, epoch);
      const values = [epoch, ...columns(distinct(facts), this.#story)];
      const { rows: [state] } = await client.query<{ epoch: string }>({ name: "write", text: WRITE, values });
      return Number(state!.epoch);
    });
  }

  /** What was kept of a payment's story; undefined where nothing was. */
  async story(id: string): Promise<string | undefined> {
    return await this.#run(async (client) => {
      const { rows: [row] } = await client.query<{ story: string | null }>({
        name: "story",
        text: STORY,
        values: [id],
      });
      return row?.story ?? undefined;
    });
  }

  async purge(epoch: number): Promise<void> {
    await this.#run((client) => this.#begin(client, epoch));
  }

  async close(clean: boolean): Promise<void> {
    return await (this.#closed ??= this.#close(clean));
  }

  async #close(clean: boolean): Promise<void> {
    try {
      if (clean && this.#replica) await this.#run((client) => goodbye(client, REPLICAS.indexOf(this.#replica!)));
    } finally {
      await this.#pool.end();
    }
  }

  /** Rows are deleted all at once: none is of the new epoch, since nobody writes one before it has begun here. */
  async #begin(client: pg.ClientBase, epoch: number): Promise<void> {
    await client.query("begin");
    const { rowCount } = await client.query("update store_state set epoch = $1 where epoch < $1", [epoch]);
    if (rowCount) await client.query("truncate payment");
    await client.query("commit");
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /** Runs `work` on a connection of its own, which is thrown away where it failed: with it goes its transaction. */
  async #run<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined;
    let failed = true;
    try {
      client = await this.#pool.connect();
      await (this.#prepared ??= this.#prepare(client));
      const result = await work(client);
      failed = false;
      return result;
    } catch (error) {
      this.#prepared = undefined;
      throw storeError(error, this.#where);
    } finally {
      client?.release(failed);
    }
  }

  async #prepare(client: pg.ClientBase): Promise<void> {
    this.#epoch = await migrate(client);
  }

  async #connected(client: pg.ClientBase): Promise<void> {
    // a connection in use that is lost fails its query, and says it again in an event, which would end the process
    client.on("error", () => {});
    if (!this.#replica) return;
    const code = REPLICAS.indexOf(this.#replica);
    await client.query("select pg_advisory_lock_shared($1, $2)", [LIVE_LOCK, code]);
    // while it was cut off, its peer may have taken it for dead and stopped
    await client.query("update replica set running = true where id = $1 and not running", [code]);
  }
}

/** How the life of the cluster before this one ended, for a replica that is about to start. */
async function lastLife(client: pg.ClientBase, replica: ReplicaId): Promise<Opened["state"]> {
  const { rows } = await client.query<{ self: boolean; running: boolean; found: Opened["state"]; lives: boolean }>(
    `select id = $2 as self, running, found, id <> $2 and not pg_try_advisory_xact_lock($1, id) as lives from replica`,
    [LIVE_LOCK, REPLICAS.indexOf(replica)],
  );
  if (rows.some(({ running, lives }) => running && !lives)) return "crashed";
  // it began this life, and saw how the one before had ended
  const peer = rows.find(({ lives, running }) => running && lives);
  if (peer) return peer.found;
  if (rows.length > 0) return "clean";
  const { rows: [any] } = await client.query("select exists (select from payment) as is");
  return any.is ? "crashed" : "empty";
}

/** Everything is stored. A peer that does not live is spoken for: its payments were taken over. */
async function goodbye(client: pg.ClientBase, replica: number): Promise<void> {
  await client.query("begin");
  await client.query("select pg_advisory_xact_lock($1)", [OPENING_LOCK]);
  await client.query(
    "update replica set running = false where id = $2 or running and pg_try_advisory_xact_lock($1, id)",
    [LIVE_LOCK, replica],
  );
  await client.query("commit");
}
