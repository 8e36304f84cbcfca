import assert from "node:assert/strict";
import { difference } from "../../bench/graded/audit.ts";

const books = (byDefault: number, byFallback: number) => ({
  default: { count: byDefault, cents: byDefault * 1_990 },
  fallback: { count: byFallback, cents: byFallback * 1_990 },
});

Deno.test("difference() is 0 where both views agree", () => {
  assert.equal(difference(books(7, 3), books(7, 3), "each"), 0);
  assert.equal(difference(books(7, 3), books(7, 3), "sum"), 0);
});

Deno.test("difference() counts what is missing and what is too much alike", () => {
  assert.equal(difference(books(6, 3), books(7, 3), "sum"), 1);
  assert.equal(difference(books(9, 3), books(7, 3), "sum"), 2);
  assert.equal(difference(books(6, 5), books(7, 3), "each"), 3);
});

Deno.test("difference() of sums, as in the preview, does not see the wrong processor; of each, as in the final, it does", () => {
  assert.equal(difference(books(10, 0), books(0, 10), "sum"), 0);
  assert.equal(difference(books(10, 0), books(0, 10), "each"), 20);
});
