/**
 * Money is integer cents from the edge inwards: a `Cents` is a safe integer, never a fraction and never NaN.
 * @module
 */

/** An amount or a total in integer cents. */
export type Cents = number;

/** The largest amount of one payment: a hundred billion, so that hundreds of them fit into {@link TOTAL_CENTS_MAX}. */
export const CENTS_MAX: Cents = 10_000_000_000_000;

/**
 * The largest total that the book accepts. A few payments may exceed it, if several replicas take them at once: up to twice
 * as much is counted exactly, and different totals look different in JSON (above 2^46 units two may look alike).
 */
export const TOTAL_CENTS_MAX: Cents = 100 * 2 ** 45;

/**
 * Cents of a decimal amount as JSON gave it.
 *
 * @param amount in units of the currency, for example `19.9`
 * @returns the cents, or undefined if `amount` is not positive, has more than two decimals or exceeds {@link CENTS_MAX}
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(centsOf(19.9), 1990);
 * assert.equal(centsOf(0.001), undefined);
 * ```
 */
export function centsOf(amount: number): Cents | undefined {
  const cents = Math.round(amount * 100);
  if (!(cents > 0 && cents <= CENTS_MAX)) return undefined;
  // the product may be off by a rounding, the quotient is the double nearest to the decimal: the one JSON was read as
  return cents / 100 === amount ? cents : undefined;
}

/**
 * The decimal amount of some cents, as the number that prints with at most two decimals.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(JSON.stringify(amountOf(1990)), "19.9");
 * ```
 */
export function amountOf(cents: Cents): number {
  return assertCents(cents) / 100;
}

/** Throws if `cents` is no exact integer: a broken invariant, after which the process must not continue. */
export function assertCents(cents: Cents): Cents {
  if (!Number.isSafeInteger(cents)) throw new Error(`invariant: ${cents} is not a whole number of cents`);
  return cents;
}
