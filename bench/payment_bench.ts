/**
 * What the book costs, each part beside the plain thing it replaces. A window must grow with the logarithm of what is
 * settled, the scan beside it grows with the number.
 * @module
 */
import { Book } from "../src/payment/book.ts";
import { type Accepted, dispatched, type Fact, settled } from "../src/payment/fact.ts";
import { parseId } from "../src/payment/id.ts";
import { accept, follow, type Payment } from "../src/payment/payment.ts";
import { SettledIndex } from "../src/payment/settled.ts";
import { Totals } from "../src/payment/totals.ts";

/** A day, in milliseconds: every payment of a bench lies within it, and most milliseconds have one or none. */
const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);
const SETTLED = [1_000, 100_000, 1_000_000];

/** Windows over random parts of the day, used in turn. */
const windows = Array.from({ length: 1_024 }, () => {
  const [a, b] = [START + Math.floor(Math.random() * DAY), START + Math.floor(Math.random() * DAY)];
  return { from: Math.min(a, b), to: Math.max(a, b) };
});
let turn = 0;
const next = () => windows[turn++ & 1_023]!;

for (const count of SETTLED) {
  const rows = Array.from({ length: count }, () => ({ at: START + Math.floor(Math.random() * DAY), cents: 1_990 }));
  rows.sort((a, b) => a.at - b.at);
  const totals = new Totals();
  for (const { at, cents } of rows) totals.add(at, cents);
  const group = `window over ${count.toLocaleString("en")} settled payments`;
  Deno.bench("Totals.window()", { group, baseline: true }, () => {
    const { from, to } = next();
    totals.window(from, to);
  });
  Deno.bench("scan of an array", { group }, () => {
    const { from, to } = next();
    let [number, cents] = [0, 0];
    for (const row of rows) {
      if (row.at < from || row.at > to) continue;
      number++;
      cents += row.cents;
    }
    if (number * 1_990 !== cents) throw new Error("unreachable");
  });
}

const RECORDED = 100_000;
const inOrder = Array.from({ length: RECORDED }, (_, i) => START + i * 3);
const nearlyInOrder = inOrder.map((at) => at - Math.floor(Math.random() * 1_500));
const recording = (times: readonly number[]) => () => {
  const totals = new Totals();
  for (const at of times) totals.add(at, 1_990);
};

{
  const group = `recording ${RECORDED.toLocaleString("en")} payments`;
  Deno.bench("Totals.add(), in order", { group, baseline: true }, recording(inOrder));
  Deno.bench("Totals.add(), up to 1.5 s late", { group }, recording(nearlyInOrder));
  Deno.bench("push to an array", { group }, () => {
    const rows: { at: number; cents: number }[] = [];
    for (const at of inOrder) rows.push({ at, cents: 1_990 });
  });
}

const accepted = (id: string, at: number): Accepted => ({
  kind: "accepted",
  by: "a",
  id,
  cents: 1_990,
  at,
  doubt: false,
});
const BOOKED = { processor: "default", requestedAt: START, cents: 1_990 } as const;

/** The three facts of payments that go well, in the order of a log whose places begin at 1. */
const log = Array.from({ length: 10_000 }, (_, i): Fact[] => {
  const first = accepted(crypto.randomUUID(), START + i);
  const payment = accept(first, 3 * i + 1, null);
  const bound = dispatched(payment, "a", "default", START + i, "default-up");
  return [first, bound, settled(follow(payment, bound, 3 * i + 2)!, "a", START + i, BOOKED, "booked")];
}).flat();

{
  const group = "10,000 payments, three facts each";
  Deno.bench("Book.fold()", { group, baseline: true }, () => {
    const book = new Book();
    for (let i = 0; i < log.length; i++) book.fold(log[i]!, i + 1);
    if (book.settled.size !== 10_000) throw new Error("unreachable");
  });
  Deno.bench("Map.set()", { group }, () => {
    const map = new Map<string, Fact>();
    for (const fact of log) if ("id" in fact) map.set(fact.id, fact);
  });
}

const KEPT = 200_000;
const ids = Array.from({ length: KEPT }, () => crypto.randomUUID() as string);

/** A settled payment. */
function paymentOf(id: string): Payment {
  const payment = accept(accepted(id, START), 1, null);
  return follow(payment, settled(payment, "a", START, BOOKED, "booked"), 2)!;
}

/** What keeping every id takes, in bytes each: on the heap and beside it. */
function measured(name: string, keep: () => unknown): unknown {
  // `deno bench --v8-flags=--expose-gc` measures exactly; without it garbage blurs the figure
  const collect = (globalThis as { gc?: () => void }).gc;
  const used = () => {
    collect?.();
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  const kept = keep();
  const each = (used() - before) / KEPT;
  if (collect) {
    console.log(`${name}: ${each.toFixed(0)} bytes for each of ${KEPT.toLocaleString("en")} settled payments`);
  }
  return kept;
}

const index = measured("SettledIndex", () => {
  const index = new SettledIndex();
  for (const id of ids) index.add(paymentOf(id));
  return index;
}) as SettledIndex;
const map = measured("Map of payments", () => {
  const map = new Map<string, Payment>();
  // a copy of the id, as it would come in a request
  for (const id of ids) map.set(id, paymentOf(id.split("").join("")));
  return map;
}) as Map<string, Payment>;

{
  const group = `finding one of ${KEPT.toLocaleString("en")} ids`;
  const spelled = ids.map((id) => id.toUpperCase());
  let at = 0;
  // a string of its own each time, as a request brings it: a Map has to hash it first
  const one = () => parseId(spelled[at++ % KEPT]!)!;
  Deno.bench("parseId(), SettledIndex.find()", { group, baseline: true }, () => {
    index.find(one());
  });
  Deno.bench("parseId(), Map.get()", { group }, () => {
    map.get(one());
  });
}
