/**
 * Facts as rows of the table `payment`: one array a column on the way in, so that a batch of any size is the same statement;
 * one text a row on the way out, since `pg` takes its time for every value.
 * @module
 */
import { compareFacts, type Fact, PROCESSORS, REASONS, REPLICAS, STAGES } from "../payment/fact.ts";
import { StoreError } from "./store.ts";

const SETTLED = STAGES.indexOf("settled");

/** The columns beside the epoch: the type in SQL, and the value in text. */
const COLUMNS: Readonly<Record<string, { readonly type: string; readonly of: (fact: Fact) => string | number }>> = {
  id: { type: "uuid", of: (fact) => fact.id },
  cents: { type: "int8", of: (fact) => fact.cents },
  accepted_at_ms: { type: "int8", of: (fact) => fact.acceptedAt },
  owner: { type: "int2", of: (fact) => REPLICAS.indexOf(fact.owner) },
  stage: { type: "int2", of: (fact) => STAGES.indexOf(fact.stage) },
  attempt: { type: "int8", of: (fact) => fact.attempt },
  processor: { type: "int2", of: (fact) => fact.processor === null ? "null" : PROCESSORS.indexOf(fact.processor) },
  requested_at_ms: { type: "int8", of: (fact) => fact.requestedAt },
  doubt: { type: "int2", of: (fact) => fact.doubt },
  doubt_until_ms: { type: "int8", of: (fact) => fact.doubtUntil },
  reason: { type: "int2", of: (fact) => REASONS.indexOf(fact.reason) },
};
const NAMES = Object.keys(COLUMNS);

/** What {@link compareFacts} compares, in its order, with the epoch above all. */
function order(row: string): string {
  const of = (column: string) => `${row}.${column}`;
  return `(${of("epoch")}, ${of("stage")} = ${SETTLED}, ${of("attempt")}, ${of("stage")}, ${of("doubt")},
    ${of("doubt_until_ms")}, ${of("owner")}, coalesce(${of("processor")}, -1), ${of("requested_at_ms")}, ${of("cents")},
    ${of("accepted_at_ms")}, ${of("reason")})`;
}

/** Stores a batch: `$1` is the epoch, the others are what {@link columns} makes of the facts. */
export const WRITE = `with stored as (insert into payment as known (epoch, ${NAMES.join(", ")}, story)
  select $1::int8, * from unnest(${NAMES.map((name, i) => `$${i + 2}::${COLUMNS[name]!.type}[]`).join(", ")},
    $${NAMES.length + 2}::text[])
  where $1 >= (select epoch from store_state)
  on conflict (id) do update set ${["epoch", ...NAMES.slice(1)].map((name) => `${name} = excluded.${name}`).join(", ")},
    story = coalesce(excluded.story, known.story)
  where ${order("excluded")} > ${order("known")})
  select epoch from store_state`;

/**
 * Facts as array literals, one a column.
 *
 * @param story of a settled payment, where it is known: without quotes and backslashes
 */
export function columns(facts: readonly Fact[], story: (id: string) => string | undefined): string[] {
  const told = ({ id, stage }: Fact) => {
    const text = stage === "settled" ? story(id) : undefined;
    return text === undefined ? "null" : `"${text}"`;
  };
  return [...NAMES.map((name) => `{${facts.map(COLUMNS[name]!.of).join(",")}}`), `{${facts.map(told).join(",")}}`];
}

/** The story of a settled payment of the stored epoch; `$1` is its id. */
export const STORY = "select story from payment join store_state using (epoch) where id = $1";

/** One fact a payment, the greatest, in the order of ids: so that two who write the same ones never wait for each other. */
export function distinct(facts: readonly Fact[]): Fact[] {
  const greatest = new Map<string, Fact>();
  for (const fact of facts) {
    const known = greatest.get(fact.id);
    if (!known || compareFacts(fact, known) > 0) greatest.set(fact.id, fact);
  }
  return [...greatest.values()].sort((a, b) => a.id < b.id ? -1 : 1);
}

const PACKED = `concat_ws(',', ${
  NAMES.map((name) => name === "processor" ? "coalesce(processor, -1)" : name).join(", ")
})`;

/** Pending payments of the stored epoch, packed. */
export const PENDING = `select ${PACKED} from payment join store_state using (epoch) where stage <> ${SETTLED}`;

/** Settled payments of the stored epoch, packed, oldest first: each processor's are in the index, in order. */
export const SETTLED_IN_ORDER = `${
  PROCESSORS.map((_, code) =>
    `(select ${PACKED}, requested_at_ms from payment
      where stage = ${SETTLED} and processor = ${code} and epoch = (select epoch from store_state)
      order by requested_at_ms)`
  ).join(" union all ")
} order by requested_at_ms`;

/**
 * Reads a packed row: `4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3,1990,…`, in the order of the columns.
 *
 * @throws StoreError where a code means nothing to this version of the program
 */
export function unpack(row: string): Fact {
  const text = row.split(",");
  return {
    id: text[0]!,
    cents: Number(text[1]),
    acceptedAt: Number(text[2]),
    owner: named(REPLICAS, text[3]!),
    stage: named(STAGES, text[4]!),
    attempt: Number(text[5]),
    processor: text[6] === "-1" ? null : named(PROCESSORS, text[6]!),
    requestedAt: Number(text[7]),
    doubt: Number(text[8]),
    doubtUntil: Number(text[9]),
    reason: named(REASONS, text[10]!),
  };
}

function named<T>(all: readonly T[], code: string): T {
  const name = all[Number(code)];
  if (name !== undefined) return name;
  throw new StoreError("refused", `the store holds the code ${code}, of a newer version: run the newer Galo`);
}
