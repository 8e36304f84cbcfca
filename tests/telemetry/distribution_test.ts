import assert from "node:assert/strict";
import { Distribution } from "../../src/telemetry/distribution.ts";

Deno.test("a Distribution counts a value in the first bucket whose bound it does not exceed", () => {
  const distribution = new Distribution([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5, 5.1, 100]) distribution.observe(value);
  assert.deepEqual([...distribution.counts], [2, 2, 1, 2]);
  assert.equal(distribution.count, 7);
  assert.equal(distribution.sum, 114.6);
});
