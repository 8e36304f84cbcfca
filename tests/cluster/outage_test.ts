import assert from "node:assert/strict";
import { seeded } from "../../src/local/seeded.ts";
import { needs } from "../support/permissions.ts";
import { Cluster, load } from "./harness.ts";
import { until } from "../support/until.ts";

const real = needs("net", "run", "read", "write", "env");

/** The preview's outages (CONTRACT.md), a tenth as long: from when, then delay and failing of default and fallback. */
const PREVIEW = [
  { atMs: 100, default: [0, false], fallback: [0, false] },
  { atMs: 1_000, default: [10, false], fallback: [0, false] },
  { atMs: 2_000, default: [10, true], fallback: [0, false] },
  { atMs: 3_000, default: [200, true], fallback: [100, true] },
  { atMs: 4_000, default: [2, false], fallback: [2, false] },
  { atMs: 5_000, default: [0, false], fallback: [500, false] },
] as const;

/** Calls are given up soon, and what is not booked by then is not booked at all: stand-ins take no longer here. */
const SOON_SURE = { REQUEST_TIMEOUT_MS: "500", HORIZON_MS: "1500" };

Deno.test(
  "5,000 payments through the outages of the preview are each booked once, and the summary agrees",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "1200", SLOW_MS: "150" } });
    const { processors } = cluster;
    const timers = PREVIEW.map(({ atMs, ...states }) =>
      setTimeout(() => {
        for (const processor of ["default", "fallback"] as const) {
          processors[processor].setDelay(states[processor][0]);
          processors[processor].setFailing(states[processor][1]);
        }
      }, atMs)
    );
    const startMs = performance.now();
    const accepted: string[] = [];
    // evenly over the six seconds: a batch whenever its time has come
    for (let batch = 0; batch < 50; batch++) {
      await until(() => performance.now() - startMs >= batch * 120);
      const done = await load((id) => cluster.replicas[batch % 2]!.pay(id), { count: 100, senders: 20 });
      assert.deepEqual(done.failed, []);
      accepted.push(...done.accepted);
    }
    await until(() => performance.now() - startMs >= 5_000);
    for (const replica of cluster.replicas) await cluster.untilSettled(replica);
    timers.forEach(clearTimeout);
    assert.equal(accepted.length, 5_000);
    cluster.assertBookedOnce(accepted);
    assert.equal(cluster.books().default.totalRequests + cluster.books().fallback.totalRequests, 5_000);
    for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
  },
);

Deno.test(
  "5,000 payments through faults in random order are each booked once, and the summary agrees",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "200", ...SOON_SURE } });
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    console.log(`faults from seed ${seed}`);
    const random = seeded(seed);
    const faults = ["book-then-drop", "book-then-500", "never-answer", "refuse"] as const;
    const accepted: string[] = [];
    for (let batch = 0; batch < 25; batch++) {
      for (const processor of Object.values(cluster.processors)) {
        const fault = faults[Math.floor(random() * faults.length)]!;
        const probability = 0.2 + 0.8 * random();
        await processor.setFault({ fault, probability, seed: Math.floor(random() * 2 ** 31), forMs: 150 });
      }
      const done = await load((id) => cluster.replicas[batch % 2]!.pay(id), { count: 200, senders: 20 });
      assert.deepEqual(done.failed, []);
      accepted.push(...done.accepted);
    }
    for (const processor of Object.values(cluster.processors)) await processor.setFault({ fault: "none" });
    for (const replica of cluster.replicas) await cluster.untilSettled(replica);
    assert.equal(accepted.length, 5_000);
    cluster.assertBookedOnce(accepted);
    for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
  },
);

Deno.test(
  "5,000 payments over both replicas, with faults and a restart, agree with the processors' books",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "2000", ...SOON_SURE } });
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
    await until(async () => (await cluster.a.readyz()).peers.b === "unreachable");
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

Deno.test("nothing goes to the fallback while the default refuses for less than the patience", real, async () => {
  await using cluster = await Cluster.start({ env: { PATIENCE_MS: "20000" } });
  const { default: first, fallback: second } = cluster.processors;
  first.setFailing(true);
  const { accepted } = await load((id) => cluster.a.pay(id), { count: 200 });
  // it refused some, so that the router knows
  await until(() => first.books.deliveries >= 3);
  first.setFailing(false);
  await cluster.untilSettled();
  assert.equal(second.books.deliveries, 0);
  cluster.assertBookedOnce(accepted);
});

Deno.test("only what is older than the patience goes to the fallback while the default refuses", real, async () => {
  await using cluster = await Cluster.start({ env: { PATIENCE_MS: "1000" } });
  const { default: first, fallback: second } = cluster.processors;
  first.setFailing(true);
  const old = await load((id) => cluster.a.pay(id), { count: 100 });
  await until(() => second.books.booked.size === 100);
  const young = await load((id) => cluster.a.pay(id), { count: 100 });
  first.setFailing(false);
  await cluster.untilSettled();
  for (const id of [...old.accepted, ...young.accepted]) {
    const payment = await (await cluster.a.request(`/payments/${id}`)).json();
    const waitedMs = Date.parse(payment.requestedAt) - Date.parse(payment.acceptedAt);
    if (payment.processor === "fallback") {
      assert.ok(waitedMs >= 1_000, `${id} went to the fallback after ${waitedMs} ms`);
    } else assert.ok(young.accepted.includes(id));
  }
  cluster.assertBookedOnce([...old.accepted, ...young.accepted]);
});

Deno.test(
  "a request that times out while its booking is under way is never sent to the other processor, and settles",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "0", REQUEST_TIMEOUT_MS: "200" } });
    const { default: first, fallback: second } = cluster.processors;
    first.setDelay(1_000);
    const { accepted } = await load((id) => cluster.a.pay(id), { count: 5, senders: 5 });
    await until(() => first.books.booked.size === 5);
    await cluster.untilSettled();
    assert.equal(second.books.deliveries, 0);
    cluster.assertBookedOnce(accepted);
    assert.deepEqual(await cluster.a.summary(), cluster.books());
  },
);
