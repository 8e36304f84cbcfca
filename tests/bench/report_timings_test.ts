import assert from "node:assert/strict";
import { Histograms } from "../../src/telemetry/histograms.ts";
import { NOTHING_STORED } from "../../src/ledger/opening.ts";
import type { Payment } from "../../src/payment/payment.ts";
import type { Move, Store, Stored } from "../../src/store/store.ts";
import type { TimingName, Timings } from "../../src/telemetry/timings.ts";
import { timedPayments, timedStore } from "../../src/telemetry/timed.ts";
import type { Acceptance, Payments } from "../../src/api/service.ts";
import { Facts } from "../support/facts.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const OTHER = "5b7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const LOG = "0f5b3c26-5d8a-4f6e-9b6f-0a4f2d6a1e11";

/** Timings whose clock the test moves. */
function fake() {
  const records: [TimingName, number][] = [];
  const time = { ms: 0 };
  const timings: Timings = {
    now: () => 1_000 + time.ms,
    monotonic: () => time.ms,
    record: (name, value) => records.push([name, value]),
    folded: () => {},
    recordCall: () => {},
  };
  return { records, time, timings };
}

Deno.test("timedPayments() tells what taking a payment took, and the wait for a commit where there is one", async () => {
  const { records, time, timings } = fake();
  const commit = Promise.withResolvers<Acceptance>();
  const answers: (Acceptance | Promise<Acceptance>)[] = ["accepted", commit.promise];
  const accept = () => {
    time.ms += 2;
    return answers.shift()!;
  };
  const payments = timedPayments(timings, { accept } as unknown as Payments);
  assert.equal(payments.accept(ID, 1990), "accepted");
  assert.deepEqual(records, [["accept", 2]]);
  const covered = payments.accept(ID, 1990);
  time.ms += 5;
  commit.resolve("uncovered");
  assert.equal(await covered, "uncovered");
  assert.deepEqual(records, [["accept", 2], ["accept", 2], ["acknowledge", 5]]);
});

/** A step of the projection that writes these payments. */
function moveOf(...payments: Payment[]): Move {
  const to = { ...NOTHING_STORED, log: LOG, position: 9 };
  return { from: { log: LOG, position: 4 }, to, purges: false, payments };
}

Deno.test("timedStore() tells a batch's time, payments and oldest age; nothing of one that is empty or came too late", async () => {
  const { records, time, timings } = fake();
  const found: { stored?: Stored } = {};
  const store = timedStore(timings, {
    write: ({ to, payments }: Move) => {
      time.ms += 10;
      for (const _ of payments);
      return Promise.resolve(found.stored ?? to);
    },
  } as unknown as Store);
  await store.write(moveOf());
  assert.deepEqual(records, []);
  const facts = new Facts();
  facts.accept(ID, 1990, 1_000);
  const batch = moveOf(facts.dispatch(ID, "default", "default-up", 1_007), facts.accept(OTHER, 1990, 1_000));
  assert.deepEqual(await store.write(batch), batch.to);
  assert.deepEqual(records, [["store-write", 10], ["store-rows", 2], ["store-age", 20]]);
  found.stored = { ...batch.to, position: 12 };
  assert.deepEqual(await store.write(batch), found.stored);
  assert.equal(records.length, 3);
});

Deno.test("Histograms keep a payment's wait for its first route, of facts that this replica made", () => {
  const histograms = new Histograms("a");
  const facts = new Facts(histograms);
  for (const [id, by] of [[ID, "a"], [OTHER, "b"]] as const) {
    facts.accept(id, 1990, 1_000, by);
    facts.dispatch(id, "default", "default-up", 1_007, by);
    facts.release(id, "processor-full", 1_020, by);
    facts.dispatch(id, "default", "default-up", 1_050, by);
  }
  const { count, median } = histograms.summaries()["route-wait"]!;
  assert.deepEqual([count, median], [1, 7]);
});

Deno.test("a handler that is served with timings tells them at /timings, and forgets them on DELETE", async () => {
  const histograms = new Histograms("b");
  const served = histograms.served(() => new Response(null, { status: 202 }));
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
  const histograms = new Histograms("a");
  for (const ms of [1, 1, 1, 400]) histograms.record("post", ms);
  const { histogram: _, ...figures } = histograms.summaries().post!;
  assert.deepEqual(figures, { count: 4, mean: 100.75, median: 1, p99: 400, max: 400 });
});
