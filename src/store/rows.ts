/**
 * Payments as rows of the table `payment`. They are written as one array for each column, so that one statement serves any
 * number of rows, and read as one text for each row, since `pg` is slow with many values.
 * @module
 */
import { PROCESSORS, REASONS } from "../payment/fact.ts";
import { type Payment, STAGES } from "../payment/payment.ts";
import type { Roster } from "../payment/roster.ts";
import { StoreError } from "./store.ts";

const SETTLED = STAGES.indexOf("settled");

/** A column: its type in SQL, and the value as text; `null` in words if it has none, as in SQL. */
interface Column {
  readonly type: string;
  readonly of: (payment: Payment, roster: Roster) => string | number;
}

const COLUMNS: Readonly<Record<string, Column>> = {
  id: { type: "uuid", of: ({ id }) => id },
  cents: { type: "int8", of: ({ cents }) => cents },
  accepted_at_ms: { type: "int8", of: ({ acceptedAt }) => acceptedAt },
  owner: { type: "int2", of: ({ owner }, roster) => roster.codeOf(owner) },
  stage: { type: "int2", of: ({ stage }) => STAGES.indexOf(stage) },
  attempt: { type: "int8", of: ({ attempt }) => attempt },
  processor: { type: "int2", of: ({ processor }) => processor === null ? "null" : PROCESSORS.indexOf(processor) },
  requested_at_ms: { type: "int8", of: ({ requestedAt }) => requestedAt },
  reason: { type: "int2", of: ({ reason }) => REASONS.indexOf(reason) },
  last: { type: "int8", of: ({ position }) => position },
  refused_by: { type: "int2", of: ({ askFirst }) => askFirst === null ? "null" : PROCESSORS.indexOf(askFirst) },
  // the machine's uptime is not a whole number
  doubted_ms: { type: "float8", of: ({ doubtedUptimeMs }) => doubtedUptimeMs ?? "null" },
};
const NAMES = Object.keys(COLUMNS);

/** Rows from the parameters `$first` and following, which {@link columns} makes; none if `where` is false. */
function upsert(first: number, where = "true"): string {
  const arrays = NAMES.map((name, i) => `$${first + i}::${COLUMNS[name]!.type}[]`);
  return `insert into payment as known (${NAMES.join(", ")}, story)
    select * from unnest(${arrays.join(", ")}, $${first + NAMES.length}::text[]) where ${where}
    on conflict (id) do update set ${NAMES.slice(1).map((name) => `${name} = excluded.${name}`).join(", ")},
      story = coalesce(excluded.story, known.story)`;
}

/** Writes payments; its parameters are {@link columns}. */
export const WRITE = upsert(1);

/**
 * Advances the store from log `$1` and position `$2` to log `$3`, position `$4`, hash `$5`, doubt `$6`, and writes payments,
 * {@link columns} from `$7` on. Returns one row, or none if the store is somewhere else: then nothing is done.
 */
export const ADVANCE = `with advanced as (
    update store_state set log = $3::uuid, position = $4::int8, hash = $5::int8, doubted_ms = $6::float8
    where log is not distinct from $1::uuid and position = $2::int8 returning true
  ), written as (${upsert(7, "exists (select from advanced)")})
  select from advanced`;

/** The position of the store, under the names of {@link Stored}, and whether it is read-only (`only`). */
export const STORED = `select log as "logId", position::float8, hash::float8, doubted_ms as "doubtedUptimeMs",
  current_setting('transaction_read_only') = 'on' as only from store_state`;

/** The story of a payment; `$1` is its id. */
export const STORY = "select story from payment where id = $1";

/**
 * Payments as array literals, one a column, and one of stories.
 *
 * @param story of a settled payment, if it is known: without quotes and backslashes
 */
export function columns(
  payments: readonly Payment[],
  story: (id: string) => string | undefined,
  roster: Roster,
): string[] {
  const storyOf = ({ id, stage }: Payment) => {
    const text = stage === "settled" ? story(id) : undefined;
    return text === undefined ? "null" : `"${text}"`;
  };
  return [
    ...NAMES.map((name) => `{${payments.map((payment) => COLUMNS[name]!.of(payment, roster)).join(",")}}`),
    `{${payments.map(storyOf).join(",")}}`,
  ];
}

const NULLABLE = ["processor", "refused_by", "doubted_ms"];

/** All columns with commas between them; null is empty. */
const PACKED = `concat_ws(',', ${
  NAMES.map((name) => NULLABLE.includes(name) ? `coalesce(${name}::text, '')` : name).join(", ")
})`;

/** Pending payments, packed. */
export const PENDING = `select ${PACKED} from payment where stage <> ${SETTLED}`;

/** Settled payments, packed, oldest first: each processor's are in the index, in order. */
export const SETTLED_IN_ORDER = `${
  PROCESSORS.map((_, code) =>
    `(select ${PACKED}, requested_at_ms from payment
      where stage = ${SETTLED} and processor = ${code} order by requested_at_ms)`
  ).join(" union all ")
} order by requested_at_ms`;

/**
 * Reads a packed row: `4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3,1990,…`, in the order of the columns.
 *
 * @throws StoreError if this version of the program does not know a code
 */
export function unpack(row: string, roster: Roster): Payment {
  const text = row.split(",");
  return {
    id: text[0]!,
    cents: Number(text[1]),
    acceptedAt: Number(text[2]),
    owner: known(roster.nameOf(Number(text[3])), text[3]!),
    stage: named(STAGES, text[4]!),
    attempt: Number(text[5]),
    processor: text[6] === "" ? null : named(PROCESSORS, text[6]!),
    requestedAt: Number(text[7]),
    reason: named(REASONS, text[8]!),
    position: Number(text[9]),
    askFirst: text[10] === "" ? null : named(PROCESSORS, text[10]!),
    doubtedUptimeMs: text[11] === "" ? null : Number(text[11]),
  };
}

function named<T>(all: readonly T[], code: string): T {
  return known(all[Number(code)], code);
}

function known<T>(name: T | undefined, code: string): T {
  if (name !== undefined) return name;
  throw new StoreError("refused", `the store holds the code ${code}, of a newer version: run the newer Galo`);
}
