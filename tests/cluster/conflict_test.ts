/**
 * The same id at both replicas at one instant: the first in the log is the payment, and every caller gets the same
 * answer.
 * @module
 */
import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { Cluster } from "./harness.ts";

const real = needs("net", "run", "read", "write", "env");
const COUNT = 1_000;
/** Ids that are sent at one time. */
const BATCH = 20;

for (const link of [true, false]) {
  const how = link ? "" : ", where they never hear each other";
  Deno.test(
    `of two amounts for one id at both replicas at once exactly one is taken, always, ${COUNT} times${how}`,
    real,
    async () => {
      await using cluster = await Cluster.start({ link });
      const { a, b } = cluster;
      const won = { 10: 0, 20: 0 };
      for (let sent = 0; sent < COUNT; sent += BATCH) {
        const ids = Array.from({ length: BATCH }, () => crypto.randomUUID());
        await Promise.all(ids.map(async (id, index) => {
          const both = [() => a.pay(id, 10), () => b.pay(id, 20)];
          const sending = (index % 2 ? both.toReversed() : both).map((send) => send());
          const [at10, at20] = index % 2 ? (await Promise.all(sending)).toReversed() : await Promise.all(sending);
          assert.deepEqual([at10, at20].toSorted(), [202, 409], id);
          const amount = at10 === 202 ? 10 : 20;
          won[amount]++;
          // and a caller that asks again gets the same answer
          for (const replica of [a, b]) {
            assert.deepEqual([await replica.pay(id, amount), await replica.pay(id, 30 - amount)], [202, 409], id);
            assert.equal((await replica.find(id))?.amount, amount);
          }
        }));
      }
      for (const replica of cluster.replicas) await cluster.untilSettled(replica);
      assert.equal(won[10] + won[20], COUNT);
      assert.deepEqual(cluster.books().default, { totalRequests: COUNT, totalAmount: 10 * won[10] + 20 * won[20] });
      for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
      console.log(`replica a was first ${won[10]} times of ${COUNT}`);
    },
  );

  Deno.test(
    `the same payment at both replicas at once is acknowledged by both and charged once, at one processor${how}`,
    real,
    async () => {
      await using cluster = await Cluster.start({ link, env: { PATIENCE_MS: "0", SLOW_MS: "1200" } });
      const { default: first } = cluster.processors;
      const ids = Array.from({ length: 500 }, () => crypto.randomUUID() as string);
      for (const [index, id] of ids.entries()) {
        // the two replicas see different processors up, so that each would choose another one
        if (index % 50 === 0) first.setFailing(index % 100 === 0);
        assert.deepEqual(await Promise.all([cluster.a.pay(id), cluster.b.pay(id)]), [202, 202]);
      }
      first.setFailing(false);
      for (const replica of cluster.replicas) await cluster.untilSettled(replica);
      cluster.assertBookedOnce(ids);
      for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
    },
  );
}
