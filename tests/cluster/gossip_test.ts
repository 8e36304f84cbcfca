import assert from "node:assert/strict";
import { homeOf, REPLICAS } from "../../src/payment/fact.ts";
import { needs } from "../support/permissions.ts";
import { Cluster, load, until } from "./harness.ts";
import { seeded } from "../../src/local/seeded.ts";

const real = needs("net", "run", "read", "write", "env");

Deno.test(
  "5,000 payments over both replicas, with faults and a restart, agree with the processors' books",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "2000", REQUEST_TIMEOUT_MS: "1000" } });
    const { default: first, fallback: second } = cluster.processors;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    console.log(`faults from seed ${seed}`);
    const random = seeded(seed);
    const accepted: string[] = [];
    const pay = async (count: number, to = cluster.replicas as readonly (typeof cluster.a)[]) => {
      let turn = 0;
      const done = await load((id) => to[turn++ % to.length]!.pay(id), { count, senders: 32 });
      assert.deepEqual(done.failed, []);
      accepted.push(...done.accepted);
    };

    await pay(1_000);
    for (const fault of ["book-then-drop", "book-then-500", "never-answer"] as const) {
      for (const processor of [first, second]) {
        processor.setFault({
          fault,
          probability: 0.05,
          seed: Math.floor(random() * 1e9),
        });
      }
      await pay(500);
    }
    for (const processor of [first, second]) processor.setFault({ fault: "none" });
    first.setFailing(true);
    await pay(500);
    first.setFailing(false);

    // the link is cut: one side stands still long enough to be taken for lost, and comes back
    cluster.b.signal("SIGSTOP");
    await until(async () => (await cluster.a.readyz()).peer === "unreachable");
    await pay(500, [cluster.a]);
    cluster.b.signal("SIGCONT");
    await cluster.untilLinked();
    await pay(500);

    await cluster.b.end("SIGTERM");
    await pay(500, [cluster.a]);
    await cluster.b.start();
    await cluster.untilLinked();
    await pay(500);

    await cluster.untilSettled(cluster.a);
    await cluster.untilSettled(cluster.b);
    assert.equal(accepted.length, 5_000);
    cluster.assertBookedOnce(accepted);
    const books = cluster.books();
    assert.equal(books.default.totalRequests + books.fallback.totalRequests, 5_000);
    assert.deepEqual(await cluster.a.summary(), books);
    assert.deepEqual(await cluster.b.summary(), books);
  },
);

Deno.test(
  "a summary asked of one replica right after the other settled a payment contains it, 1,000 times in a row",
  real,
  async () => {
    await using cluster = await Cluster.start();
    for (let count = 1; count <= 1_000; count++) {
      const [to, from] = count % 2 ? [cluster.a, cluster.b] : [cluster.b, cluster.a];
      const id = crypto.randomUUID();
      assert.equal(await to.pay(id), 202);
      // whichever of them settles it: as soon as one says so, the other's summary has it
      await until(async () => (await (await to.request(`/payments/${id}`)).json()).state === "settled");
      assert.equal((await from.summary()).default.totalRequests, count);
    }
  },
);

Deno.test(
  "the same id at both replicas at once is accepted by both and charged once, at one processor",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "0", SLOW_MS: "1200" } });
    const { default: first } = cluster.processors;
    const ids = Array.from({ length: 500 }, () => crypto.randomUUID() as string);
    for (const [index, id] of ids.entries()) {
      // the two replicas see different processors up, so that each would choose another one
      if (index % 50 === 0) first.setFailing(index % 100 === 0);
      assert.deepEqual(await Promise.all([cluster.a.pay(id), cluster.b.pay(id)]), [202, 202]);
    }
    first.setFailing(false);
    await cluster.untilSettled(cluster.a);
    await cluster.untilSettled(cluster.b);
    cluster.assertBookedOnce(ids);
    assert.deepEqual(await cluster.a.summary(), cluster.books());
  },
);

Deno.test(
  "the same id with different amounts at both replicas at once is one payment, and one of them hears 409",
  real,
  async () => {
    await using cluster = await Cluster.start();
    for (let round = 0; round < 100; round++) {
      const id = crypto.randomUUID();
      const statuses = await Promise.all([cluster.a.pay(id, 10), cluster.b.pay(id, 20)]);
      assert.deepEqual([...statuses].sort(), [202, 409]);
      await cluster.untilSettled(cluster.a);
      cluster.assertBookedOnce([id], statuses[0] === 202 ? 1000 : 2000);
    }
  },
);

Deno.test("a purge at one replica is a new epoch at both before it answers", real, async () => {
  await using cluster = await Cluster.start();
  await load((id) => cluster.a.pay(id), { count: 50 });
  await cluster.untilSettled();
  const response = await cluster.a.request("/purge-payments", { method: "POST" });
  await response.body?.cancel();
  assert.equal(response.ok, true);
  const nothing = { totalRequests: 0, totalAmount: 0 };
  assert.deepEqual(await cluster.b.summary(), { default: nothing, fallback: nothing });
});

Deno.test(
  "the same id at both replicas while they cannot hear each other is charged once",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "0", RECALL_MS: "0" } });
    const { default: first, fallback: second } = cluster.processors;
    const ids = Array.from({ length: 60 }, () => crypto.randomUUID() as string);
    const own = ids.filter((id) => homeOf(id, REPLICAS) === "a").length;
    // a sees the default refuse, and takes the fallback; b, when it goes on, sees it take payments again
    first.setFailing(true);
    cluster.b.signal("SIGSTOP");
    await until(async () => (await cluster.a.readyz()).peer === "unreachable");
    const late = Promise.all(ids.map((id) => cluster.b.pay(id)));
    assert.deepEqual([...new Set(await Promise.all(ids.map((id) => cluster.a.pay(id))))], [202]);
    await until(() => second.books.count >= own);
    first.setFailing(false);
    cluster.b.signal("SIGCONT");
    assert.deepEqual([...new Set(await late)], [202]);
    await cluster.untilLinked();
    for (const replica of cluster.replicas) await cluster.untilSettled(replica);
    cluster.assertBookedOnce(ids);
    assert.equal(second.books.count, own);
    for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
  },
);
