import assert from "node:assert/strict";
import fc from "fast-check";
import { amountOf, assertCents, CENTS_MAX, centsOf, TOTAL_CENTS_MAX } from "../../src/payment/money.ts";

/** Cents as a person would write them: `1990` is `"19.90"`. */
function text(cents: number): string {
  const digits = String(cents).padStart(3, "0");
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** Amounts of every length, and the last ones there are. */
const cents = (max: number) =>
  fc.oneof(fc.integer({ min: 1, max }), fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: max - 1_000, max }));

Deno.test("an amount with two decimals is exactly its cents", () => {
  for (let all = 1; all <= 200_000; all++) assert.equal(centsOf(JSON.parse(text(all))), all);
  fc.assert(fc.property(cents(CENTS_MAX), (value) => assert.equal(centsOf(JSON.parse(text(value))), value)), {
    numRuns: 20_000,
  });
});

Deno.test("cents become an amount and come back", () => {
  fc.assert(fc.property(cents(CENTS_MAX), (value) => assert.equal(centsOf(amountOf(value)), value)), {
    numRuns: 20_000,
  });
});

Deno.test("a total prints as its exact decimals, up to what two replicas can reach together", () => {
  fc.assert(
    fc.property(cents(2 * TOTAL_CENTS_MAX), (value) => {
      const [whole, decimals = ""] = JSON.stringify(amountOf(value)).split(".");
      assert.equal(`${whole}.${decimals.padEnd(2, "0")}`, text(value));
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("an amount with more than two decimals is none", () => {
  for (const amount of [0.001, 0.005, 0.009, 19.901, 19.999, 1.005, 100_000_000.001, 0.1 + 0.2]) {
    assert.equal(centsOf(amount), undefined, String(amount));
  }
  fc.assert(fc.property(cents(1_000_000_000_000), fc.integer({ min: 1, max: 9 }), (value, thousandths) => {
    assert.equal(centsOf(JSON.parse(`${text(value)}${thousandths}`)), undefined);
  }));
});

Deno.test("an amount that is not positive, not finite or too large is none", () => {
  for (const amount of [0, -0, -1, -0.01, NaN, Infinity, -Infinity, 1e300, 5e-324, 0.004]) {
    assert.equal(centsOf(amount), undefined, String(amount));
  }
  assert.equal(centsOf(CENTS_MAX / 100), CENTS_MAX);
  assert.equal(centsOf((CENTS_MAX + 1) / 100), undefined);
});

Deno.test("the smallest and oddest doubles are their own cents or no amount, never other cents", () => {
  fc.assert(
    fc.property(fc.double(), (amount) => {
      const value = centsOf(amount);
      if (value !== undefined) assert.equal(value / 100, amount);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("cents that are no whole number stop everything", () => {
  for (const wrong of [0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => assertCents(wrong), /invariant/, String(wrong));
  }
  for (const right of [0, -5, 2 ** 53 - 1]) assert.equal(assertCents(right), right);
});
