import assert from "node:assert/strict";
import { Latency } from "../../bench/graded/latency.ts";

Deno.test("Latency says median, p90, p99 and max within a thousandth, and nothing above the max", () => {
  const latency = new Latency();
  for (let count = 1; count <= 1_000; count++) latency.record(count / 100);
  const { count, medianMs, p90Ms, p99Ms, maxMs } = latency.summary();
  assert.equal(count, 1_000);
  assert.ok(Math.abs(medianMs - 5) <= 0.005, `${medianMs}`);
  assert.ok(Math.abs(p90Ms - 9) <= 0.009, `${p90Ms}`);
  assert.ok(Math.abs(p99Ms - 9.9) <= 0.0099, `${p99Ms}`);
  assert.ok(Math.abs(maxMs - 10) <= 0.01, `${maxMs}`);
  const one = new Latency();
  one.record(5.664);
  assert.deepEqual(one.summary(), {
    count: 1,
    medianMs: one.summary().maxMs,
    p90Ms: one.summary().maxMs,
    p99Ms: one.summary().maxMs,
    maxMs: one.summary().maxMs,
  });
});

Deno.test("Latency is 0 where nothing was recorded, and again after reset()", () => {
  const nothing = { count: 0, medianMs: 0, p90Ms: 0, p99Ms: 0, maxMs: 0 };
  const latency = new Latency();
  assert.deepEqual(latency.summary(), nothing);
  latency.record(3);
  latency.reset();
  assert.deepEqual(latency.summary(), nothing);
});

Deno.test("Latency adds what another process encoded", () => {
  const [here, there] = [new Latency(), new Latency()];
  here.record(1);
  there.record(2);
  there.record(1_500);
  here.addEncoded(there.encode());
  const { count, maxMs } = here.summary();
  assert.equal(count, 3);
  assert.ok(Math.abs(maxMs - 1_500) <= 1.5, `${maxMs}`);
});
