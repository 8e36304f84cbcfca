/** Compares the four sides over a window, and finds the ids and instants at which they differ. @module */
import type { Summary } from "../../payment/book.ts";
import { other, type Processor, PROCESSORS } from "../../payment/fact.ts";
import type { Total } from "../../payment/totals.ts";
import type { Booked, Sides, Window } from "./sides.ts";

/** How many ids are asked for at one time. */
const ASKING_MAX = 32;
/** How many instants are looked for, of one side at one processor. */
const GAPS_MAX = 100;

/** What the four sides have under one id. */
type Says = Readonly<Record<"store" | "router" | Processor, Booked | null>>;

/** An id on which the sides differ. */
export interface Difference {
  /** the payment's */
  readonly id: string;
  /** what is wrong, for people */
  readonly what: string;
  /** what each says; null if it does not have the id */
  readonly says: Says;
}

/** A span in which a side has more or less than the known ids account for, in milliseconds. */
export interface Gap {
  /** the side that differs */
  readonly who: Processor | "router";
  /** the processor at which its totals differ */
  readonly at: Processor;
  /** the first millisecond, since 1970, UTC */
  readonly from: number;
  /** the last millisecond, included */
  readonly to: number;
  /** positive: more than the known ids account for */
  readonly count: number;
  /** positive: more than the known ids account for */
  readonly cents: number;
}

/** What an audit found. */
export interface Report {
  /** what was compared */
  readonly window: Window;
  /** the totals of each side in the window */
  readonly totals: { readonly router: Summary; readonly store: Summary; readonly processors: Summary };
  /** ids on which the sides differ */
  readonly differences: readonly Difference[];
  /** differences beyond those ids */
  readonly gaps: readonly Gap[];
  /** ids that the router and both processors were asked for */
  readonly asked: number;
  /** whether nothing differs */
  readonly agree: boolean;
}

/**
 * Audits a window.
 *
 * @param deep asks for every id, even if all totals agree: two mistakes can hide each other
 * @param progress called with the progress: ids asked for, and ids in all
 * @throws AuditError if one of the four cannot be asked
 */
export async function audit(
  sides: Sides,
  window: Window,
  deep: boolean,
  progress: (asked: number, all: number) => void,
): Promise<Report> {
  const [router, rows, byDefault, byFallback] = await Promise.all([
    sides.router(window),
    sides.store(window),
    sides.processor("default", window),
    sides.processor("fallback", window),
  ]);
  const processors = { default: byDefault, fallback: byFallback };
  const store = { default: total(bookingsAt(rows, "default")), fallback: total(bookingsAt(rows, "fallback")) };
  const agree = PROCESSORS.every((at) => same(store[at], processors[at]) && same(router[at], store[at]));
  const report = { window, totals: { router, store, processors } };
  if (agree && !deep) return { ...report, differences: [], gaps: [], asked: 0, agree };

  const differences: Difference[] = [];
  const booked: Booked[] = [];
  let asked = 0;
  const left = rows.values();
  const askForIds = async () => {
    for (const row of left) {
      const [first, second, said] = await Promise.all([
        sides.lookup("default", row.id),
        sides.lookup("fallback", row.id),
        sides.routerHas(row.id),
      ]);
      const says = { store: row, default: first, fallback: second, router: said };
      booked.push(...[first, second].filter((booking) => booking && isIn(window, booking)) as Booked[]);
      const what = wrong(row, says);
      if (what) differences.push({ id: row.id, what, says });
      progress(++asked, rows.length);
    }
  };
  await Promise.all(Array.from({ length: ASKING_MAX }, askForIds));
  const gaps: Gap[] = [];
  for (const at of PROCESSORS) {
    const askProcessor = (part: Window) => sides.processor(at, part);
    const askRouter = async (part: Window) => (await sides.router(part))[at];
    gaps.push(...await narrow({ who: at, at, ...window }, processors[at], bookingsAt(booked, at), askProcessor));
    gaps.push(...await narrow({ who: "router", at, ...window }, router[at], bookingsAt(rows, at), askRouter));
  }
  return { ...report, differences, gaps, asked, agree: differences.length === 0 && gaps.length === 0 };
}

/** How the other sides differ on a stored payment; undefined if they do not. */
function wrong(row: Booked, says: Says): string | undefined {
  const there = says[row.processor];
  const elsewhere = says[other(row.processor)];
  if (there && elsewhere) return "doubled: booked at both processors";
  if (elsewhere) return `moved: stored as booked at ${row.processor}, booked at ${elsewhere.processor}`;
  if (!there) return "lost: stored as booked, booked at neither";
  if (there.cents !== row.cents) return `off by ${there.cents - row.cents} cents`;
  if (there.requestedAt !== row.requestedAt) return `off by ${there.requestedAt - row.requestedAt} ms`;
  if (!says.router) return "unknown to the router";
  const { processor, cents, requestedAt } = says.router;
  const same = processor === row.processor && cents === row.cents && requestedAt === row.requestedAt;
  return same ? undefined : "the router says otherwise";
}

/** Halves the window until only the milliseconds are left in which a side differs from the bookings. */
async function narrow(
  within: Omit<Gap, "count" | "cents">,
  said: Total,
  bookings: readonly Booked[],
  ask: (part: Window) => Promise<Total>,
  found: Gap[] = [],
): Promise<readonly Gap[]> {
  const known = total(bookings);
  const { from, to } = within;
  if (same(said, known) || found.length === GAPS_MAX) return found;
  if (from >= to) {
    found.push({ ...within, count: said.count - known.count, cents: said.cents - known.cents });
    return found;
  }
  const middle = Math.floor((from + to) / 2);
  for (const part of [{ ...within, to: middle }, { ...within, from: middle + 1 }]) {
    await narrow(part, await ask(part), bookings.filter((booking) => isIn(part, booking)), ask, found);
  }
  return found;
}

function bookingsAt(bookings: readonly Booked[], at: Processor): Booked[] {
  return bookings.filter(({ processor }) => processor === at);
}

function isIn({ from, to }: Window, { requestedAt }: Booked): boolean {
  return requestedAt >= from && requestedAt <= to;
}

function total(bookings: readonly Booked[]): Total {
  return { count: bookings.length, cents: bookings.reduce((sum, { cents }) => sum + cents, 0) };
}

function same(a: Total, b: Total): boolean {
  return a.count === b.count && a.cents === b.cents;
}
