import assert from "node:assert/strict";
import { Histograms } from "../../src/telemetry/histograms.ts";
import { accepted, dispatched, settled } from "../../src/payment/fact.ts";
import type { Store } from "../../src/store/store.ts";
import type { TimingName, Timings } from "../../src/telemetry/timings.ts";
import { timedRecord, timedStore } from "../../src/telemetry/timed.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const taken = accepted(ID, 1990, 1_000, "a");
const bound = dispatched(taken, "a", "default", 1_007, "default-up");

/** Timings whose clock the test moves. */
function fake() {
  const records: [TimingName, number][] = [];
  const time = { ms: 0 };
  const timings: Timings = {
    now: () => 1_000 + time.ms,
    monotonic: () => time.ms,
    record: (name, value) => records.push([name, value]),
    recordFact: () => {},
    recordCall: () => {},
  };
  return { records, time, timings };
}

Deno.test("timedRecord() is the very function where nothing is timed", () => {
  const record = () => Promise.resolve(true);
  assert.equal(timedRecord(undefined, record), record);
});

Deno.test("timedRecord() tells a binding's wait for a route, its own time and when it was safe", async () => {
  const { records, time, timings } = fake();
  const safe = Promise.withResolvers<boolean>();
  const record = timedRecord(timings, () => {
    time.ms += 2;
    return safe.promise;
  });
  const recording = record(bound);
  time.ms += 3;
  safe.resolve(false);
  assert.equal(await recording, false);
  assert.deepEqual(records, [["record", 2], ["route-wait", 7], ["bind", 5]]);
});

Deno.test("timedRecord() tells only its own time of another fact", async () => {
  const { records, timings } = fake();
  const done = settled(bound, "default", 1_007, 1990, "default-up");
  assert.equal(await timedRecord(timings, () => Promise.resolve(true))(done), true);
  assert.deepEqual(records, [["record", 0]]);
});

Deno.test("timedStore() tells a batch's time, facts and oldest age, and nothing of an empty one", async () => {
  const { records, time, timings } = fake();
  const store = timedStore(timings, {
    write: () => {
      time.ms += 10;
      return Promise.resolve();
    },
  } as unknown as Store);
  await store.write(0, []);
  assert.deepEqual(records, []);
  await store.write(0, [bound, taken]);
  assert.deepEqual(records, [["store-write", 10], ["store-rows", 2], ["store-age", 20]]);
});

Deno.test("a handler that is served with timings tells them at /timings, and forgets them on DELETE", async () => {
  const histograms = new Histograms();
  const served = histograms.served("b", () => new Response(null, { status: 202 }));
  const ask = async (method: string, path: string) => await served(new Request(`http://x${path}`, { method }));
  assert.equal((await ask("POST", "/payments")).status, 202);
  assert.equal((await ask("GET", "/payments-summary")).status, 202);
  const { replica, timings } = await (await ask("GET", "/timings")).json();
  assert.equal(replica, "b");
  assert.deepEqual(Object.keys(timings), ["post"]);
  assert.equal(timings.post.count, 1);
  assert.deepEqual((await (await ask("DELETE", "/timings")).json()).timings, {});
});

Deno.test("a histogram's figures are those that were recorded, to three digits", () => {
  const histograms = new Histograms();
  for (const ms of [1, 1, 1, 400]) histograms.record("post", ms);
  const { histogram: _, ...figures } = histograms.summaries().post!;
  assert.deepEqual(figures, { count: 4, mean: 100.75, median: 1, p99: 400, max: 400 });
});
