import assert from "node:assert/strict";
// @ts-types="@types/pg"
import pg from "pg";
import { startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { needs } from "../support/permissions.ts";
import { Cluster, load, until } from "./harness.ts";

const real = needs("net", "run", "read", "write", "env");

async function rows(url: string): Promise<{ count: number; cents: number }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    "select count(*)::int as count, coalesce(sum(cents), 0)::int as cents from payment",
  );
  await client.end();
  return rows[0];
}

Deno.test("without Postgres at the start a cluster serves, says so, and catches up when it comes", real, async () => {
  const folder = await Deno.makeTempDir({ prefix: "galo-pg-" });
  // the address of a server that is not there yet
  const first = await startEmbeddedPostgres(folder);
  await first.stop();
  await using cluster = await Cluster.start({
    env: { DATABASE_URL: first.url, REQUEST_TIMEOUT_MS: "300", RECALL_MS: "0" },
  });
  assert.equal((await cluster.a.readyz()).store, "unavailable");
  const { accepted, failed } = await load((id) => cluster.a.pay(id), { count: 300 });
  assert.deepEqual(failed, []);
  await cluster.untilSettled();
  const postgres = await startEmbeddedPostgres(folder);
  for (const replica of cluster.replicas) await until(async () => (await replica.readyz()).store === "ready");
  await until(async () => (await rows(postgres.url)).count === 300);
  assert.deepEqual(await rows(postgres.url), { count: 300, cents: 300 * 1990 });
  cluster.assertBookedOnce(accepted);
  assert.deepEqual(await cluster.b.summary(), cluster.books());
  for (const replica of cluster.replicas) await replica.end("SIGTERM");
  await postgres.stop();
  await Deno.remove(folder, { recursive: true });
});

Deno.test(
  "at ACK=store nothing is acknowledged while Postgres is away, and POST answers again when it is back",
  real,
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "galo-pg-" });
    let postgres = await startEmbeddedPostgres(folder);
    await using cluster = await Cluster.start({
      env: { DATABASE_URL: postgres.url, ACK: "store", STORE_BACKLOG_MAX: "100" },
    });
    const before = await load((id) => cluster.a.pay(id), { count: 50 });
    assert.deepEqual(before.failed, []);
    Deno.kill(postgres.pid, "SIGKILL");
    await postgres.exited;
    // more than may wait for the store, so that those who wait are told
    const during = await load((id) => cluster.a.pay(id), { count: 200, senders: 200 });
    assert.deepEqual(during.accepted, []);
    assert.deepEqual([...new Set(during.failed.map(({ why }) => why))], ["status 503"]);
    postgres = await startEmbeddedPostgres(folder);
    for (const replica of cluster.replicas) await until(async () => (await replica.readyz()).store === "ready");
    // the same ids again: taken once
    await until(async () => await cluster.a.pay(during.failed[0]!.id) === 202);
    for (const { id } of during.failed) assert.equal(await cluster.b.pay(id), 202);
    await cluster.untilSettled();
    cluster.assertBookedOnce([...before.accepted, ...during.failed.map(({ id }) => id)]);
    assert.deepEqual(await cluster.a.summary(), cluster.books());
    for (const replica of cluster.replicas) await replica.end("SIGTERM");
    await postgres.stop();
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test("after SIGTERM of both the next start knows everything and asks nobody", real, async () => {
  const folder = await Deno.makeTempDir({ prefix: "galo-pg-" });
  const postgres = await startEmbeddedPostgres(folder);
  // a suspect would wait for as long
  const env = { DATABASE_URL: postgres.url, REQUEST_TIMEOUT_MS: "600000" };
  await using cluster = await Cluster.start({ env });
  const { default: first, fallback: second } = cluster.processors;
  const settled = await load((id) => cluster.a.pay(id), { count: 200 });
  await cluster.untilSettled();
  first.setFailing(true);
  const pending = await load((id) => cluster.b.pay(id), { count: 100 });
  for (const replica of cluster.replicas) assert.equal((await replica.end("SIGTERM")).code, 0);
  first.setFailing(false);
  await Promise.all(cluster.replicas.map((replica) => replica.start()));
  await cluster.untilLinked();
  await cluster.untilSettled();
  cluster.assertBookedOnce([...settled.accepted, ...pending.accepted]);
  assert.equal(second.books.deliveries, 0);
  for (const replica of cluster.replicas) assert.deepEqual(await replica.summary(), cluster.books());
  for (const replica of cluster.replicas) await replica.end("SIGTERM");
  await postgres.stop();
  await Deno.remove(folder, { recursive: true });
});
