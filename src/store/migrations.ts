/**
 * The tables, version by version. A released version never changes, unless a later one removes what it makes; every
 * change is a new version.
 * @module
 */
import type pg from "pg";
import { PROCESSORS, REASONS } from "../payment/fact.ts";
import { STAGES } from "../payment/payment.ts";
import { isSameOrder, type Roster } from "../payment/roster.ts";
import { StoreError } from "./store.ts";

/** The advisory lock of a migration: one at a time. "galo" in ASCII. */
const MIGRATION_LOCK = 0x67616c6f;
const SETTLED = STAGES.indexOf("settled");
/** Of version 2: the peer was not heard, so that an attempt was not made. Its code is that of `rejected` now. */
const PEER_LOST = 16;

/** The name of a code, as SQL, for people who read the view. */
function names(column: string, all: readonly string[]): string {
  return `(array[${all.map((name) => `'${name}'`).join(", ")}])[${column} + 1]`;
}

/** A time for people, to the millisecond; null if no calendar has it. */
function time(column: string): string {
  return `case when ${column} between 1 and 253402300799999 then to_timestamp(${column} / 1000.0) end`;
}

const audit = (owner: string) =>
  `create view payment_audit as
     select id, cents / 100.0 as amount, ${names("stage", STAGES)} as stage,
       ${names("processor", PROCESSORS)} as processor, ${time("requested_at_ms")} as requested_at,
       ${time("accepted_at_ms")} as accepted_at, attempt, ${owner} as owner,
       ${names("reason", REASONS)} as reason
     from payment;`;
const AUDIT = audit(names("owner", ["a", "b"]));

/**
 * Times are milliseconds since 1970 and amounts cents, as in a payment, so that nothing is rounded or out of range; the
 * view `payment_audit` shows both for people. Codes are positions in the arrays of fact.ts and payment.ts.
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
   create index payment_settled on payment (processor, requested_at_ms) where stage = ${SETTLED};
   create index payment_pending on payment (id) where stage <> ${SETTLED};`,
  `alter table payment add story text;
   comment on column payment.story is
     'of a settled payment, a line each: at (ms), replica, stage, attempt, processor (-1: none), reason; by their codes';`,
  // the rows become a projection of the log; an older version's pending ones may have been further than they say
  `drop view if exists payment_audit;
   drop table if exists replica;
   delete from payment where epoch < (select epoch from store_state);
   alter table payment drop epoch, drop doubt, drop doubt_until_ms,
     add last bigint not null default 0, add refused_by smallint, add doubted_ms double precision;
   update payment set doubted_ms = 0 where stage <> ${SETTLED};
   update payment set reason = ${REASONS.indexOf("unreachable")} where reason = ${PEER_LOST};
   update payment set story = regexp_replace(story, ',${PEER_LOST}(;|$)', ',${REASONS.indexOf("unreachable")}\\1', 'g')
     where story ~ ',${PEER_LOST}(;|$)';
   alter table store_state add log uuid, add position bigint not null default 0, add hash bigint not null default 0,
     add doubted_ms double precision;
   comment on column store_state.epoch is 'not used; older versions of Galo look for it before they look at the version';
   comment on column store_state.log is 'the identity of the log that the rows of payment are read from';
   comment on column store_state.position is 'the rows of payment hold the log up to this place';
   comment on column store_state.doubted_ms is 'when the log last may have lost something: uptime of the machine in ms';
   comment on column payment.last is 'the place of the newest fact in the log; 0 once it is settled';
   comment on column payment.doubted_ms is 'the newest facts may be lost, since this uptime of the machine in ms';
   ${AUDIT}`,
  // there are more reasons; later two of them have other names
  `drop view payment_audit; ${AUDIT}`,
  `drop view payment_audit; ${AUDIT}`,
  // the replicas were always a and b before
  `alter table store_state add replicas text[];
   update store_state set replicas = '{a,b}' where log is not null or exists (select from payment);
   comment on column store_state.replicas is 'the names of all replicas: payment.owner is a place in it, from 0';
   drop view payment_audit; ${audit("(select replicas[owner + 1] from store_state)")}`,
];

/** The version of the tables that this program needs. */
const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Migrates the tables to {@link SCHEMA_VERSION}, if they are older: every replica may call it at once.
 *
 * @throws StoreError if the tables are from a newer version of the program
 */
export async function migrate(client: pg.ClientBase): Promise<void> {
  if (await versionOf(client) === SCHEMA_VERSION) return;
  await client.query("begin");
  await client.query("select pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
  await client.query(
    `create table if not exists store_state (
       one_row boolean primary key default true check (one_row), schema_version int not null, epoch bigint not null)`,
  );
  await client.query("insert into store_state (schema_version, epoch) values (0, 0) on conflict do nothing");
  for (const migration of MIGRATIONS.slice(await versionOf(client))) await client.query(migration);
  await client.query("update store_state set schema_version = $1", [SCHEMA_VERSION]);
  await client.query("commit");
}

/**
 * Stores the names of the replicas, which the audit's view shows as owners.
 *
 * @throws StoreError if the rows are of other replicas, so that codes would get wrong names
 */
export async function enrol(client: pg.ClientBase, { names }: Roster): Promise<void> {
  const { rows: [row] } = await client.query<{ replicas: string[] | null }>("select replicas from store_state");
  const known = row?.replicas ?? [];
  if (!isSameOrder(names, known)) {
    throw new StoreError("refused", `its payments are of REPLICAS=${known}: names may be added at the end only`);
  }
  // rows may name owners that a shorter list does not have
  if (names.length <= known.length) return;
  await client.query("update store_state set replicas = $1 where replicas is not distinct from $2", [
    names,
    row?.replicas,
  ]);
}

/** The version of the tables; undefined if there are none yet. */
async function versionOf(client: pg.ClientBase): Promise<number | undefined> {
  const { rows: [there] } = await client.query("select to_regclass('store_state') is not null as is");
  if (!there.is) return undefined;
  const { rows: [row] } = await client.query("select schema_version as version from store_state");
  if (row?.version > SCHEMA_VERSION) {
    const line = `the tables are of version ${row.version}, this Galo knows up to ${SCHEMA_VERSION}`;
    throw new StoreError("refused", `${line}: run the newer Galo`);
  }
  return row?.version;
}
