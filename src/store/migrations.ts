/**
 * The tables, version by version. A version that was released is never changed: what comes later is a new one.
 * @module
 */
import type pg from "pg";
import { PROCESSORS, REASONS, REPLICAS, STAGES } from "../payment/fact.ts";
import { StoreError } from "./store.ts";

/** Who holds this advisory lock migrates, or opens: one at a time. "galo" in ASCII. */
export const OPENING_LOCK = 0x67616c6f;

/** What a code stands for, as SQL, for people who read the view. */
function names(column: string, all: readonly string[]): string {
  return `(array[${all.map((name) => `'${name}'`).join(", ")}])[${column} + 1]`;
}

/** A time for people to read; to the millisecond, and absent where no calendar has it. */
function time(column: string): string {
  return `case when ${column} between 1 and 253402300799999 then to_timestamp(${column} / 1000.0) end`;
}

/**
 * Times are milliseconds since 1970 and amounts cents, as in a fact, so that nothing is rounded or out of range; the view
 * `payment_audit` shows both for people. Codes are positions in the arrays of fact.ts.
 */
const MIGRATIONS: readonly string[] = [
  `create table payment (
     id uuid primary key,
     epoch bigint not null,
     cents bigint not null,
     accepted_at_ms bigint not null,
     owner smallint not null,
     stage smallint not null,
     attempt bigint not null,
     processor smallint,
     requested_at_ms bigint not null,
     doubt smallint not null,
     doubt_until_ms bigint not null,
     reason smallint not null
   );
   create index payment_settled on payment (processor, requested_at_ms) where stage = ${STAGES.indexOf("settled")};
   create index payment_pending on payment (id) where stage <> ${STAGES.indexOf("settled")};
   create table replica (
     id smallint primary key,
     started_at timestamptz not null default now(),
     running boolean not null,
     found text not null
   );
   comment on column replica.running is 'started, and did not say goodbye';
   comment on column replica.found is 'how the life before had ended: empty, clean or crashed';
   create view payment_audit as
     select payment.id, cents / 100.0 as amount, ${names("stage", STAGES)} as stage,
       ${names("processor", PROCESSORS)} as processor, ${time("requested_at_ms")} as requested_at,
       ${time("accepted_at_ms")} as accepted_at, attempt, ${names("owner", REPLICAS)} as owner,
       ${names("reason", REASONS)} as reason
     from payment join store_state using (epoch);`,
  `alter table payment add story text;
   comment on column payment.story is
     'of a settled payment, a line each: at (ms), replica, stage, attempt, processor (-1: none), reason; by their codes';`,
];

/** The version of the tables that this program works with. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the tables to {@link SCHEMA_VERSION}, unless somebody has: safe to be called by everyone at once.
 *
 * @returns the epoch that is stored
 * @throws StoreError where the tables are from a newer version of the program
 */
export async function migrate(client: pg.ClientBase): Promise<number> {
  const known = await stored(client);
  if (known?.version === SCHEMA_VERSION) return known.epoch;
  await client.query("begin");
  await client.query("select pg_advisory_xact_lock($1)", [OPENING_LOCK]);
  await client.query(
    `create table if not exists store_state (
       one_row boolean primary key default true check (one_row), schema_version int not null, epoch bigint not null)`,
  );
  await client.query("insert into store_state (schema_version, epoch) values (0, 0) on conflict do nothing");
  const { version, epoch } = (await stored(client))!;
  for (const migration of MIGRATIONS.slice(version)) await client.query(migration);
  await client.query("update store_state set schema_version = $1", [SCHEMA_VERSION]);
  await client.query("commit");
  return epoch;
}

/** What is there, or undefined where there is nothing yet. */
async function stored(client: pg.ClientBase): Promise<{ version: number; epoch: number } | undefined> {
  const { rows: [there] } = await client.query("select to_regclass('store_state') is not null as is");
  if (!there.is) return undefined;
  const { rows: [row] } = await client.query("select schema_version, epoch::float8 from store_state");
  if (!row) return undefined;
  if (row.schema_version > SCHEMA_VERSION) {
    const line = `the tables are of version ${row.schema_version}, this Galo knows up to ${SCHEMA_VERSION}`;
    throw new StoreError("refused", `${line}: run the newer Galo`);
  }
  return { version: row.schema_version, epoch: row.epoch };
}
