import assert from "node:assert/strict";
import { Distribution, quantile } from "../../src/telemetry/distribution.ts";

Deno.test("a Distribution counts a value in the first bucket whose bound it does not exceed", () => {
  const distribution = new Distribution([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5, 5.1, 100]) distribution.observe(value);
  assert.deepEqual([...distribution.counts], [2, 2, 1, 2]);
  assert.equal(distribution.count, 7);
  assert.equal(distribution.sum, 114.6);
});

Deno.test("quantile() spreads a bucket evenly, and knows nothing beyond the last bound", () => {
  assert.equal(quantile([10, 20, 40], [10, 10, 0, 0], 0.5), 10);
  assert.equal(quantile([10, 20, 40], [10, 10, 0, 0], 0.95), 19);
  assert.equal(quantile([10, 20, 40], [0, 0, 4, 0], 0.25), 25);
  assert.equal(quantile([10, 20, 40], [1, 0, 0, 99], 0.99), 40);
  assert.ok(Number.isNaN(quantile([10, 20], [0, 0, 0], 0.5)));
});
