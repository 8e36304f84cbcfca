/**
 * The score of a run, as the grader counts it. Pure, and exact: money is integer cents, rates are basis points, and what
 * is finer than a cent (fees, bonus, fine) is integer millionths of the currency.
 *
 * CONTRACT.md gives the formulas. One thing it does not say, and the published files show, is how they round: p99 to
 * two decimals of a millisecond, the bonus to a whole percent (2.55 ms is 17 %, not 16.9 %). So does this.
 * @module
 */
import type { Cents } from "../../src/payment/money.ts";

/** A millionth of the currency, so 10,000 to the cent. */
export type Millionths = number;

const PER_CENT: Millionths = 10_000;
const FINE_PERCENT = 35;
const BONUS_FREE_MS = 11;

/** What one processor, or the router for it, says was booked. */
export interface Books {
  readonly count: number;
  readonly cents: Cents;
}

/** What both say. */
export interface BothBooks {
  readonly default: Books;
  readonly fallback: Books;
}

/** Everything that a score depends on. */
export interface Measured {
  /** the totals that the scenario takes the profit from */
  readonly books: BothBooks;
  /** fees in basis points of the amount */
  readonly feeBp: { readonly default: number; readonly fallback: number };
  /** payments answered with 200, 201, 202 or 204 */
  readonly accepted: number;
  /** over every successful HTTP request of the run, in milliseconds */
  readonly p99Ms: number;
  /** the sum of all differences that audits found, in payments */
  readonly inconsistencies: number;
}

/** The verdict; money in millionths of the currency. */
export interface Score {
  readonly gross: Millionths;
  readonly fees: { readonly default: Millionths; readonly fallback: Millionths; readonly total: Millionths };
  /** gross less fees */
  readonly profit: Millionths;
  /** rounded to two decimals */
  readonly p99Ms: number;
  /** 0 to 22, whole */
  readonly bonusPercent: number;
  readonly bonus: Millionths;
  /** 35 or 0 */
  readonly finePercent: number;
  readonly fine: Millionths;
  /** profit, bonus, less fine; a disqualified run keeps the figure that it does not get */
  readonly total: Millionths;
  readonly booked: number;
  /** accepted and not booked: still queued, or lost; negative where more is booked than was asked for */
  readonly lag: number;
  readonly disqualified: boolean;
}

/**
 * Counts the score.
 *
 * @throws where a count or an amount is no safe integer: the harness is broken, not the router
 */
export function score(measured: Measured): Score {
  const { books, feeBp, accepted, inconsistencies } = measured;
  const numbers = [books.default, books.fallback].flatMap(({ count, cents }) => [count, cents]);
  for (const number of [...numbers, feeBp.default, feeBp.fallback, accepted, inconsistencies]) {
    if (!Number.isSafeInteger(number)) throw new Error(`invariant: ${number} is no whole number`);
  }
  const gross = (books.default.cents + books.fallback.cents) * PER_CENT;
  // cents by basis points are millionths already: 0.01 x 0.0001
  const fees = { default: books.default.cents * feeBp.default, fallback: books.fallback.cents * feeBp.fallback };
  const profit = gross - fees.default - fees.fallback;
  const p99Ms = Math.round(measured.p99Ms * 100) / 100;
  const bonusPercent = Math.max(0, Math.round((BONUS_FREE_MS * 100 - Math.round(p99Ms * 100)) * 0.02));
  const finePercent = inconsistencies > 0 ? FINE_PERCENT : 0;
  const bonus = percent(profit, bonusPercent);
  const fine = percent(profit, finePercent);
  const booked = books.default.count + books.fallback.count;
  return {
    gross,
    fees: { ...fees, total: fees.default + fees.fallback },
    profit,
    p99Ms,
    bonusPercent,
    bonus,
    finePercent,
    fine,
    total: profit + bonus - fine,
    booked,
    lag: accepted - booked,
    disqualified: booked > accepted,
  };
}

function percent(amount: Millionths, percents: number): Millionths {
  // the product of a final's profit and a percentage is far below 2^53
  return Math.round(amount * percents / 100);
}
