import assert from "node:assert/strict";
import { growth } from "../../bench/report/metrics.ts";
import { Meters } from "../../src/telemetry/meters.ts";
import { FakePayments } from "../api/fake_payments.ts";

/** A histogram's lines, as a replica writes them. */
function told(replica: string, counts: readonly number[], sum: number, name = "some_seconds"): string {
  const label = `replica="${replica}"`;
  let below = 0;
  const buckets = counts.map((count, at) =>
    `${name}_bucket{le="${["0.01", "0.02", "0.04", "+Inf"][at]}",${label}} ${below += count}\n`
  );
  return `# HELP ${name} -\n${buckets.join("")}${name}_sum{${label}} ${sum}\n${name}_count{${label}} ${below}\n`;
}

/** Rounded, without what floating point adds. */
const exact = (value: number) => Number(value.toFixed(6));

/** The growth at a replica that had counted nothing before. */
const grown = (...counts: number[]) => growth("some_seconds", [], [[], [told("a", counts, 0)]], 1_000);

Deno.test("growth() spreads a bucket evenly, and knows nothing beyond the last bound", () => {
  assert.equal(grown(10, 10, 0, 0).median, 10);
  assert.equal(exact(grown(0, 100, 0, 0).p99), 19.9);
  assert.equal(grown(0, 0, 4, 0).median, 30);
  assert.equal(grown(1, 0, 0, 99).p99, 40);
  assert.deepEqual(grown(0, 0, 0, 0), { count: 0, mean: 0, median: 0, p99: 0 });
});

Deno.test("growth() adds up all replicas since the earlier scrape, for that name alone", () => {
  const before = [told("a", [5, 0, 0, 0], 0.25), told("b", [0, 0, 0, 2], 100) + told("b", [9, 9, 9, 9], 9, "others")];
  const after = [told("a", [5, 2, 0, 0], 0.28125), told("b", [0, 2, 0, 2], 100.03125) + told("b", [9, 9, 9, 9], 9)];
  after[1] = after[1]!.replaceAll(/some_seconds(.*) (9|18|27|36)$/gm, "others$1 $2");
  assert.deepEqual(growth("some_seconds", [], [before, after], 1_024), {
    count: 4,
    mean: 16,
    median: 15.36,
    p99: 20.3776,
  });
});

Deno.test("growth() reads a replica's metrics, of the series with these labels", async () => {
  const meters = new Meters("a", "1.2.3");
  const payments = new FakePayments();
  meters.answered("POST /payments", 202, 250);
  const before = [await meters.scrape(payments)];
  for (const [method, seconds] of [["POST", 0.0625], ["POST", 0.0625], ["GET", 5]] as const) {
    meters.answered(`${method} /payments`, 202, seconds * 1_000);
  }
  meters.committed(3, 8);
  const scrapes = [before, [await meters.scrape(payments)]] as const;
  const { count, mean, median } = growth(
    "galo_http_request_duration_seconds",
    [`method="POST"`, `route="/payments"`],
    scrapes,
    1_000,
  );
  // the bucket from 50 to 100 ms
  assert.deepEqual([count, mean, exact(median)], [2, 62.5, 75]);
  assert.equal(growth("galo_store_batch_payments", [], scrapes, 1).mean, 3);
  assert.equal(growth("galo_store_write_duration_seconds", [], scrapes, 1_000).mean, 8);
});
