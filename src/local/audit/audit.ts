/** Compares what the four say of a window, and finds the ids and instants at which they differ. @module */
import { other, type Processor, PROCESSORS } from "../../payment/fact.ts";
import type { Booking, Sides, Total, Totals, Window } from "./sides.ts";

/** Ids that are asked for at one time. */
const ASKING_MAX = 32;
/** Instants that are looked for, of one side at one processor. */
const GAPS_MAX = 100;

/** An id of which not all say the same. */
export interface Difference {
  readonly id: string;
  /** what is wrong, for people */
  readonly what: string;
  /** what each says; null where it does not have the id */
  readonly says: Readonly<Record<"store" | Processor, Booking | null>> & { readonly router?: Booking | null };
}

/** Milliseconds in which somebody has more or less than the ids that are known account for. */
export interface Gap {
  readonly who: Processor | "router";
  readonly at: Processor;
  readonly from: number;
  readonly to: number;
  /** more than is known where positive */
  readonly count: number;
  readonly cents: number;
}

/** What an audit found. */
export interface Report {
  readonly window: Window;
  readonly totals: { readonly router: Totals; readonly store: Totals; readonly processors: Totals };
  readonly differences: readonly Difference[];
  readonly gaps: readonly Gap[];
  /** ids that were asked for at both processors */
  readonly asked: number;
  readonly agree: boolean;
}

/**
 * Audits a window.
 *
 * @param deep asks for every id, also where all totals agree: two mistakes can make up for one another
 * @param told how far it is: ids asked for, of so many
 * @throws AuditError where one of the four cannot be asked
 */
export async function audit(
  sides: Sides,
  window: Window,
  deep: boolean,
  told: (asked: number, all: number) => void,
): Promise<Report> {
  const [router, rows, first, second] = await Promise.all([
    sides.router(window),
    sides.store(window),
    sides.processor("default", window),
    sides.processor("fallback", window),
  ]);
  const processors = { default: first, fallback: second };
  const store = totals(rows);
  const agree = PROCESSORS.every((at) => same(store[at], processors[at]) && same(router[at], store[at]));
  const report = { window, totals: { router, store, processors } };
  if (agree && !deep) return { ...report, differences: [], gaps: [], asked: 0, agree };

  const differences: Difference[] = [];
  const booked: Booking[] = [];
  let asked = 0;
  await eachOf(rows, async (row) => {
    const [byDefault, byFallback] = await Promise.all(PROCESSORS.map((at) => sides.lookup(at, row.id)));
    const found = { default: byDefault ?? null, fallback: byFallback ?? null };
    for (const booking of Object.values(found)) {
      if (booking && booking.requestedAt >= window.from && booking.requestedAt <= window.to) booked.push(booking);
    }
    const what = wrong(row, found);
    if (what) differences.push({ id: row.id, what, says: { store: row, ...found } });
    told(++asked, rows.length);
  });
  const gaps: Gap[] = [];
  for (const at of PROCESSORS) {
    const says = (part: Window) => sides.processor(at, part);
    for (const gap of await narrow(window, processors[at], bookingsAt(booked, at), says)) {
      gaps.push({ who: at, at, ...gap });
    }
    const routerSays = async (part: Window) => (await sides.router(part))[at];
    for (const gap of await narrow(window, router[at], bookingsAt(rows, at), routerSays)) {
      gaps.push({ who: "router", at, ...gap });
    }
  }
  // what the router says of those that are stored where it differs
  const known = new Set(differences.map(({ id }) => id));
  const doubtful = rows.filter(({ id, requestedAt }) =>
    !known.has(id) && gaps.some(({ who, from, to }) => who === "router" && requestedAt >= from && requestedAt <= to)
  );
  await eachOf(doubtful, async (row) => {
    const said = await sides.routerHas(row.id) ?? null;
    if (said && equal(said, row)) return;
    const [byDefault, byFallback] = await Promise.all(PROCESSORS.map((at) => sides.lookup(at, row.id)));
    const says = { store: row, default: byDefault ?? null, fallback: byFallback ?? null, router: said };
    differences.push({ id: row.id, what: said ? "the router says otherwise" : "unknown to the router", says });
  });
  return { ...report, differences, gaps, asked, agree: differences.length === 0 && gaps.length === 0 };
}

/** What is wrong with what the processors have of a stored payment; undefined where nothing is. */
function wrong(row: Booking, found: Readonly<Record<Processor, Booking | null>>): string | undefined {
  const there = found[row.processor];
  const elsewhere = found[other(row.processor)];
  if (there && elsewhere) return "doubled: booked at both processors";
  if (elsewhere) return `moved: stored as booked at ${row.processor}, booked at ${elsewhere.processor}`;
  if (!there) return "lost: stored as booked, booked at neither";
  if (there.cents !== row.cents) return `off by ${there.cents - row.cents} cents`;
  if (there.requestedAt !== row.requestedAt) return `off by ${there.requestedAt - row.requestedAt} ms`;
  return undefined;
}

/** Halves the window until only the milliseconds are left in which somebody says otherwise than the bookings. */
async function narrow(
  window: Window,
  said: Total,
  bookings: readonly Booking[],
  ask: (part: Window) => Promise<Total>,
  found: Pick<Gap, "from" | "to" | "count" | "cents">[] = [],
): Promise<typeof found> {
  const known = total(bookings);
  const { from, to } = window;
  if (same(said, known) || found.length === GAPS_MAX) return found;
  if (from >= to) {
    found.push({ from, to, count: said.count - known.count, cents: said.cents - known.cents });
    return found;
  }
  const middle = Math.floor((from + to) / 2);
  for (const part of [{ from, to: middle }, { from: middle + 1, to }]) {
    const inside = bookings.filter(({ requestedAt }) => requestedAt >= part.from && requestedAt <= part.to);
    await narrow(part, await ask(part), inside, ask, found);
  }
  return found;
}

async function eachOf<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const left = all.values();
  await Promise.all(Array.from({ length: ASKING_MAX }, async () => {
    for (const one of left) await work(one);
  }));
}

function bookingsAt(bookings: readonly Booking[], at: Processor): Booking[] {
  return bookings.filter(({ processor }) => processor === at);
}

function totals(bookings: readonly Booking[]): Totals {
  return { default: total(bookingsAt(bookings, "default")), fallback: total(bookingsAt(bookings, "fallback")) };
}

function total(bookings: readonly Booking[]): Total {
  return { count: bookings.length, cents: bookings.reduce((sum, { cents }) => sum + cents, 0) };
}

function same(a: Total, b: Total): boolean {
  return a.count === b.count && a.cents === b.cents;
}

function equal(a: Booking, b: Booking): boolean {
  return a.processor === b.processor && a.cents === b.cents && a.requestedAt === b.requestedAt;
}
