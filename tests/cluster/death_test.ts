import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { behindCaddy, Cluster, load, payment, statusOf } from "./harness.ts";
import { until } from "../support/until.ts";

const real = needs("net", "run", "read", "write", "env");
const withCaddy = behindCaddy(real);

Deno.test(
  "SIGKILL of a replica behind Caddy is seen by no caller, and every 202 is booked once",
  withCaddy,
  async () => {
    await using cluster = await Cluster.start({ caddy: true });
    cluster.processors.default.setDelay(20);
    let sent = 0;
    const killed = Promise.withResolvers<void>();
    const loading = load((id) => {
      if (++sent === 1_000) cluster.b.end("SIGKILL").then(() => killed.resolve());
      return statusOf(fetch(`${cluster.url}/payments`, payment(id)));
    }, { count: 4_000, senders: 24 });
    await killed.promise;
    const { accepted, failed } = await loading;
    assert.deepEqual(failed, []);
    await cluster.untilSettled(cluster.a);
    assert.equal(accepted.length, 4_000);
    cluster.assertBookedOnce(accepted);
    assert.deepEqual(await cluster.a.summary(), cluster.books());

    await cluster.b.start();
    assert.deepEqual(await cluster.b.summary(), cluster.books());
    await cluster.untilLinked();
    const again = await load((id) => statusOf(fetch(`${cluster.url}/payments`, payment(id))), { count: 200 });
    await cluster.untilSettled(cluster.a);
    cluster.assertBookedOnce([...accepted, ...again.accepted]);
    assert.deepEqual(await cluster.b.summary(), cluster.books());
  },
);

Deno.test("a replica that stands still for 10 s is not taken over, and nothing is charged twice", real, async () => {
  await using cluster = await Cluster.start({ env: { REQUEST_TIMEOUT_MS: "2000" } });
  cluster.processors.default.setDelay(50);
  const before = await load((id) => (Math.random() < 0.5 ? cluster.a : cluster.b).pay(id), { count: 300 });
  const loading = load((id) => cluster.b.pay(id), { count: 20, senders: 20 });
  cluster.b.signal("SIGSTOP");
  const stoppedMs = performance.now();
  await until(async () => (await cluster.a.readyz()).peers.b === "unreachable");
  const during = await load((id) => cluster.a.pay(id), {
    stop: () => performance.now() - stoppedMs > 10_000,
    senders: 2,
    count: 1_500,
  });
  // a replica that stands still keeps its lock: its payments wait for it
  await until(() => performance.now() - stoppedMs > 10_000);
  const { notes } = await cluster.a.readyz();
  assert.deepEqual(notes, ["replica b does not answer"]);
  cluster.b.signal("SIGCONT");
  const stopped = await loading;
  await cluster.untilLinked();
  await cluster.untilSettled(cluster.a);
  await cluster.untilSettled(cluster.b);
  cluster.assertBookedOnce([...before.accepted, ...during.accepted, ...stopped.accepted]);
  assert.deepEqual(await cluster.a.summary(), cluster.books());
  assert.deepEqual(await cluster.b.summary(), cluster.books());
});

Deno.test(
  "a payment bound to a processor that never answered stays bound to it through the death of its replica",
  real,
  async () => {
    await using cluster = await Cluster.start({ env: { PATIENCE_MS: "0", REQUEST_TIMEOUT_MS: "1500" } });
    const { default: first, fallback: second } = cluster.processors;
    // booked, but only long after the replica that sent it is dead
    first.setDelay(3_000);
    const { accepted } = await load((id) => cluster.b.pay(id), { count: 10, senders: 10 });
    await until(async () => (await cluster.a.readyz()).pending === 10 && first.books.deliveries >= 10);
    await cluster.b.end("SIGKILL");
    first.setDelay(0);
    await cluster.untilSettled(cluster.a);
    assert.equal(second.books.booked.size, 0);
    cluster.assertBookedOnce(accepted);
    assert.deepEqual(await cluster.a.summary(), cluster.books());
  },
);

Deno.test(
  "a replica that is stopped hands over: the other settles what it had accepted",
  real,
  async () => {
    await using cluster = await Cluster.start();
    cluster.processors.default.setFailing(true);
    const { accepted } = await load((id) => cluster.b.pay(id), { count: 100 });
    const { code } = await cluster.b.end("SIGTERM");
    assert.equal(code, 0);
    cluster.processors.default.setFailing(false);
    await cluster.untilSettled(cluster.a);
    cluster.assertBookedOnce(accepted);
    assert.equal(cluster.processors.fallback.books.booked.size, 0);
  },
);
