/** The log's folder in a real cluster: its limit, and when segments are deleted or kept. @module */
import assert from "node:assert/strict";
import { needs, needsOf, program } from "../support/permissions.ts";
import { rotate } from "./damage.ts";
import { Cluster, load, payment, TestPostgres } from "./harness.ts";
import { until } from "../support/until.ts";

const real = needs("net", "run", "read", "write", "env", "sys");

/** The names of the segments, in order. */
function segments(cluster: Cluster): string[] {
  return Array.from(Deno.readDirSync(`${cluster.folder}/log`), ({ name }) => name).toSorted();
}

/** Ends the segment, and has a payment begin to fill the next. */
async function grow(cluster: Cluster): Promise<string> {
  rotate(`${cluster.folder}/log`);
  const id = crypto.randomUUID();
  assert.equal(await cluster.a.pay(id), 202);
  return id;
}

Deno.test(
  "a log at its limit answers 503 and says why, accepted payments go on, and Postgres makes room",
  real,
  async () => {
    await using postgres = await TestPostgres.start();
    await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url, LOG_MAX_MB: "8" } });
    cluster.processors.default.setFailing(true);
    const { accepted } = await load((id) => cluster.b.pay(id), { count: 50 });
    await postgres.kill();
    rotate(`${cluster.folder}/log`);
    rotate(`${cluster.folder}/log`);
    for (const replica of cluster.replicas) {
      await replica.summary();
      const answer = await replica.request("/payments", payment(crypto.randomUUID()));
      const { type } = await answer.json();
      assert.deepEqual([answer.status, type, answer.headers.has("retry-after")], [503, "/problems/log-full", true]);
      const { notes } = await replica.readyz();
      assert.ok((notes as string[]).includes("the log has reached LOG_MAX_MB"), `${notes}`);
    }
    cluster.processors.default.setFailing(false);
    await cluster.untilSettled(cluster.b);
    cluster.assertBookedOnce(accepted);
    await postgres.start();
    for (const replica of cluster.replicas) await until(async () => await replica.pay(crypto.randomUUID()) === 202);
    assert.equal(segments(cluster).length, 1);
  },
);

Deno.test(
  "a log at its size limit (ulimit -f) answers 503, ends no replica, and continues once it may grow",
  needsOf(real, () => program("prlimit") !== undefined, "no prlimit on the PATH: Debian's package util-linux"),
  async () => {
    await using cluster = await Cluster.start({ env: { REPLICAS: "a" } });
    const limit = (bytes: number | "unlimited") => {
      const args = ["--pid", `${cluster.a.pid}`, `--fsize=${bytes}:`];
      assert.ok(new Deno.Command("prlimit", { args }).outputSync().success);
    };
    limit(4_096);
    const { accepted, failed } = await load((id) => cluster.a.pay(id), { count: 200 });
    assert.deepEqual([...new Set(failed.map(({ why }) => why))], ["status 503"]);
    limit("unlimited");
    assert.equal(await cluster.a.pay(crypto.randomUUID()), 202);
    await cluster.untilSettled();
    cluster.assertBookedOnce(accepted);
    assert.deepEqual([await cluster.a.summary(), cluster.a.restarts], [cluster.books(), 0]);
  },
);

Deno.test("segments are kept for a replica that stands still, and deleted once it is dead", real, async () => {
  await using postgres = await TestPostgres.start();
  await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
  const [first] = segments(cluster);
  cluster.b.signal("SIGSTOP");
  for (let i = 0; i < 3; i++) await grow(cluster);
  await until(async () => (await cluster.a.readyz()).peers.b === "unreachable");
  await cluster.untilSettled();
  assert.deepEqual([segments(cluster).length, segments(cluster)[0]], [4, first]);
  await cluster.b.end("SIGKILL");
  await until(() => segments(cluster).length === 1);
});

Deno.test(
  "a replica that lacks a segment starts again by itself, and knows everything from Postgres",
  real,
  async () => {
    await using postgres = await TestPostgres.start();
    await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
    await load((id) => cluster.a.pay(id), { count: 50 });
    for (const replica of cluster.replicas) await cluster.untilSettled(replica);
    cluster.b.signal("SIGSTOP");
    for (let i = 0; i < 3; i++) await grow(cluster);
    await cluster.untilSettled();
    await until(async () => {
      const [row] = await postgres.query<{ count: number }>("select count(*)::int from payment where stage = 3");
      return row!.count === 53;
    });
    const deleted = segments(cluster).slice(0, -1);
    for (const name of deleted) await Deno.remove(`${cluster.folder}/log/${name}`);
    cluster.b.signal("SIGCONT");
    await until(() => cluster.b.restarts === 1);
    await until(() => cluster.b.summary().then(() => true, () => false));
    assert.deepEqual(await cluster.b.summary(), cluster.books());
    await cluster.untilLinked();
  },
);
