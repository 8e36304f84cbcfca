import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { Cluster, load, TestPostgres } from "./harness.ts";
import { until } from "../support/until.ts";

const real = needs("net", "run", "read", "write", "env");
const COUNT = 1_000_000;

/** The memory a process has in use, in megabytes. */
function rssMb(pid: number): number {
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024);
}

Deno.test("a restart after 1,000,000 settled payments knows all of them exactly", real, async () => {
  await using postgres = await TestPostgres.start();
  const env = { DATABASE_URL: postgres.url };
  await using cluster = await Cluster.start({ env });
  const { accepted } = await load((id) => cluster.a.pay(id), { count: 100 });
  await cluster.untilSettled();
  for (const replica of cluster.replicas) await replica.end("SIGTERM");

  // one payment a millisecond, every tenth at the fallback, otherwise like those that the replicas stored
  const from = Date.UTC(2025, 0, 1);
  await postgres.query(
    `insert into payment
       (id, processor, requested_at_ms, cents, accepted_at_ms, owner, stage, attempt, reason, last, story)
     select gen_random_uuid(), case when n % 10 = 0 then 1 else 0 end, ${from} + n,
       cents, accepted_at_ms, owner, stage, attempt, reason, last, story
     from (select * from payment limit 1) settled, generate_series(1, ${COUNT}) n`,
  );

  const startMs = performance.now();
  await Promise.all(cluster.replicas.map((replica) => replica.start()));
  const readyMs = performance.now() - startMs;
  await cluster.untilLinked();
  for (const replica of cluster.replicas) {
    assert.deepEqual(await replica.summary(), {
      default: { totalRequests: 0.9 * COUNT + 100, totalAmount: (0.9 * COUNT + 100) * 1990 / 100 },
      fallback: { totalRequests: 0.1 * COUNT, totalAmount: 0.1 * COUNT * 1990 / 100 },
    });
    // both ends inclusive, of one payment a millisecond
    const window = `?from=${new Date(from + 1_001).toISOString()}&to=${new Date(from + 2_000).toISOString()}`;
    const { default: first, fallback: second } = await replica.summary(window);
    assert.deepEqual([first.totalRequests, second.totalRequests], [900, 100]);
  }
  // and an id from before is still known
  assert.equal(await cluster.b.pay(accepted[0]!), 202);
  assert.equal((await cluster.a.summary()).default.totalRequests, 0.9 * COUNT + 100);
  console.log(
    `ready in ${(readyMs / 1000).toFixed(1)} s, both at once; RSS ${
      cluster.replicas.map(({ pid }) => rssMb(pid)).join(" and ")
    } MB`,
  );
  await until(async () => (await cluster.a.readyz()).peers.b === "linked");
  for (const replica of cluster.replicas) await replica.end("SIGTERM");
});
