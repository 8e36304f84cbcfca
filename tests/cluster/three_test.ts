/** Three real replicas on one machine. @module */
import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { until } from "../support/until.ts";
import { behindCaddy, Cluster, load, payment, statusOf, TestPostgres } from "./harness.ts";

const withCaddy = behindCaddy(needs("net", "run", "read", "write", "env"));

Deno.test(
  "of three replicas one is killed: the others take over what it had, and the summaries of all agree with the books",
  withCaddy,
  async () => {
    await using postgres = await TestPostgres.start();
    const env = { REPLICAS: "a,b,third", DATABASE_URL: postgres.url, PATIENCE_MS: "60000" };
    await using cluster = await Cluster.start({ env, caddy: true });
    const [a, b, third] = cluster.running;
    const living = [a!, b!];
    const send = (id: string) => statusOf(fetch(`${cluster.url}/payments`, payment(id)));
    const before = await load(send, { count: 300 });
    // what comes now waits at its replica
    cluster.processors.default.setFailing(true);
    cluster.processors.fallback.setFailing(true);
    const held = await load((id) => third!.pay(id), { count: 40 });
    assert.equal(held.accepted.length, 40);
    assert.equal((await a!.find(held.accepted[0]!))!.owner, "third");
    await third!.end("SIGKILL");
    for (const replica of living) await until(async () => (await replica.readyz()).peers.third === "dead");
    const owners = await Promise.all(held.accepted.map(async (id) => (await a!.find(id))!.owner));
    assert.equal(new Set(owners).size, 1);
    assert.ok(["a", "b"].includes(owners[0]!), owners[0]);
    cluster.processors.default.setFailing(false);
    cluster.processors.fallback.setFailing(false);
    const during = await load(send, { count: 300 });
    for (const replica of living) await cluster.untilSettled(replica);

    await third!.start();
    await cluster.untilLinked();
    const after = await load((id) => cluster.running[Math.floor(3 * Math.random())]!.pay(id), { count: 300 });
    for (const replica of cluster.running) await cluster.untilSettled(replica);
    assert.deepEqual([before, held, during, after].flatMap(({ failed }) => failed), []);
    cluster.assertBookedOnce([before, held, during, after].flatMap(({ accepted }) => accepted));
    for (const replica of cluster.running) assert.deepEqual(await replica.summary(), cluster.books());
    await until(async () => (await postgres.query("select from payment_audit where owner is not null")).length === 940);
    const named = await postgres.query("select distinct owner from payment_audit order by owner");
    assert.deepEqual(named, [{ owner: "a" }, { owner: "b" }, { owner: "third" }]);
  },
);
