/** What one replica has answered or settled the other one knows at once, whether they hear each other or not. @module */
import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { Cluster } from "./harness.ts";

const real = needs("net", "run", "read", "write", "env");

/** Payers at one time; each has an amount of its own, so that a total shows how often each of them has paid. */
const PAYERS = 4;
const CENTS_BASE = 1_000;
/** Payments of each payer. */
const SETTLED = 500;
const ANSWERED = 750;

/** How often a payer's amount is in a total. */
function timesIn(cents: number, payer: number): number {
  return Math.floor(cents / CENTS_BASE ** payer) % CENTS_BASE;
}

for (const link of [true, false]) {
  const how = link ? "" : ", where they never hear each other";

  Deno.test(
    `a replica contains what the other one has just settled, ${PAYERS * SETTLED} times of ${PAYERS * SETTLED}${how}`,
    real,
    async () => {
      await using cluster = await Cluster.start({ link });
      const pay = async (payer: number) => {
        const [to, other] = payer % 2 ? [cluster.a, cluster.b] : [cluster.b, cluster.a];
        for (let count = 1; count <= SETTLED; count++) {
          const id = crypto.randomUUID();
          assert.equal(await to.pay(id, CENTS_BASE ** payer / 100), 202);
          // nothing is waited for between the two: as soon as one says so, the other's summary has it
          while ((await to.find(id))?.state !== "settled");
          const { totalAmount } = (await other.summary()).default;
          assert.equal(timesIn(Math.round(100 * totalAmount), payer), count);
        }
      };
      await Promise.all(Array.from({ length: PAYERS }, (_, payer) => pay(payer)));
      for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
    },
  );

  Deno.test(
    `a replica knows what the other one has just acknowledged, ${PAYERS * ANSWERED} times of ${
      PAYERS * ANSWERED
    }${how}`,
    real,
    async () => {
      await using cluster = await Cluster.start({ link });
      const pay = async (payer: number) => {
        for (let count = 0; count < ANSWERED; count++) {
          const [to, other] = (payer + count) % 2 ? [cluster.a, cluster.b] : [cluster.b, cluster.a];
          const id = crypto.randomUUID();
          assert.equal(await to.pay(id), 202);
          const { amount, owner } = (await other.find(id))!;
          assert.deepEqual([amount, owner], [19.9, to.id]);
        }
      };
      await Promise.all(Array.from({ length: PAYERS }, (_, payer) => pay(payer)));
      for (const replica of cluster.replicas) await cluster.untilSettled(replica);
      for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
    },
  );
}

Deno.test("a purge at one replica is one at both before it answers", real, async () => {
  await using cluster = await Cluster.start();
  const ids = Array.from({ length: 50 }, () => crypto.randomUUID());
  for (const id of ids) assert.equal(await cluster.a.pay(id), 202);
  await cluster.untilSettled();
  const response = await cluster.a.request("/purge-payments", { method: "POST" });
  await response.body?.cancel();
  assert.equal(response.ok, true);
  const nothing = { totalRequests: 0, totalAmount: 0 };
  assert.deepEqual(await cluster.b.summary(), { default: nothing, fallback: nothing });
  assert.equal(await cluster.b.find(ids[0]!), undefined);
});
