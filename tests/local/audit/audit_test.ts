/** `galo audit` as a process, over a real cluster whose books are doctored. @module */
import assert from "node:assert/strict";
// @ts-types="@types/pg"
import pg from "pg";
import type { Report } from "../../../src/local/audit/audit.ts";
import { startEmbeddedPostgres } from "../../../src/local/embedded.ts";
import { Cluster, load } from "../../cluster/harness.ts";
import { needs } from "../../support/permissions.ts";
import { TempFolder } from "../../support/temp_folder.ts";
import { until } from "../../support/until.ts";

const real = needs("net", "run", "read", "write", "env");
const MAIN = new URL("../../../main.ts", import.meta.url).pathname;
const COUNT = 60;

Deno.test("galo audit finds what a doctored book has lost, doubled, moved and changed by a cent", real, async (t) => {
  using temp = new TempFolder();
  const folder = temp.path;
  const postgres = await startEmbeddedPostgres(folder);
  const database = new pg.Client({ connectionString: postgres.url });
  await database.connect();
  await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
  const router = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const { status, headers, body } = await cluster.b.request(`${pathname}${search}`);
    return new Response(body, { status, headers });
  });
  const { accepted } = await load((id) => cluster.a.pay(id), { count: COUNT });
  await cluster.untilSettled(cluster.a);
  const settled = async () =>
    Number((await database.query("select count(*) from payment where stage = 3")).rows[0].count) === COUNT;
  await until(settled);
  const to = new Date().toISOString();

  const galo = async (args: string[], env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", MAIN, "audit", "--url", `http://127.0.0.1:${router.addr.port}`, ...args],
      env: {
        NO_COLOR: "1",
        PROCESSOR_DEFAULT_URL: cluster.processors.default.url,
        PROCESSOR_FALLBACK_URL: cluster.processors.fallback.url,
        DATABASE_URL: postgres.url,
        PROCESSOR_TOKEN: "123",
        ...env,
      },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  const found = async (...args: string[]) => {
    const { code, stdout } = await galo(["--to", to, "--json", ...args]);
    const report = JSON.parse(stdout) as Report;
    return {
      code,
      differences: report.differences.map(({ id, what }) => [id, what]),
      gaps: report.gaps.map(({ who, at, count, cents }) => [who, at, count, cents]),
    };
  };
  const [id] = accepted as [string];
  const { rows: [row] } = await database.query("select * from payment where id = $1", [id]);
  const restore = async () => {
    await database.query("delete from payment where id = $1", [id]);
    const names = Object.keys(row);
    await database.query(
      `insert into payment (${names.join(", ")}) values (${names.map((_, n) => `$${n + 1}`).join(", ")})`,
      Object.values(row),
    );
  };

  await t.step("nothing where all agree, and the exit code is 0", async () => {
    assert.deepEqual(await found("--deep"), { code: 0, differences: [], gaps: [] });
    const { code, stdout } = await galo(["--to", to]);
    assert.equal(code, 0);
    assert.match(stdout, /\nrouter +60 \/ 1194\.00 +0 \/ 0\.00\nPostgres +60 .*\nprocessors +60 .*\n\nall agree\n$/);
  });
  await t.step("a payment that Postgres has moved to the other processor", async () => {
    await database.query("update payment set processor = 1 where id = $1", [id]);
    assert.deepEqual(await found(), {
      code: 1,
      differences: [[id, "moved: stored as booked at fallback, booked at default"]],
      gaps: [["router", "default", 1, 1990], ["router", "fallback", -1, -1990]],
    });
    await restore();
  });
  await t.step("a payment off by a cent", async () => {
    await database.query("update payment set cents = cents + 1 where id = $1", [id]);
    assert.deepEqual(await found(), {
      code: 1,
      differences: [[id, "off by -1 cents"]],
      gaps: [["router", "default", 0, -1]],
    });
    await restore();
  });
  await t.step("a payment that Postgres has lost, by its instant", async () => {
    await database.query("delete from payment where id = $1", [id]);
    const { code, stdout } = await galo(["--to", to]);
    const at = new Date(Number(row.requested_at_ms)).toISOString();
    assert.equal(code, 1);
    assert.ok(
      stdout.includes(`${at}  the default processor: +1 payments, +19.90 beyond the ids that are known`),
      stdout,
    );
    await restore();
  });
  await t.step("a payment that no processor has booked", async () => {
    const lost = crypto.randomUUID();
    await database.query(
      `insert into payment (id, cents, accepted_at_ms, owner, stage, attempt, processor, requested_at_ms, reason)
       select $1, cents, accepted_at_ms, owner, stage, attempt, processor, requested_at_ms, reason
       from payment where id = $2`,
      [lost, id],
    );
    assert.deepEqual(await found(), {
      code: 1,
      differences: [[lost, "lost: stored as booked, booked at neither"]],
      gaps: [["router", "default", -1, -1990]],
    });
    await database.query("delete from payment where id = $1", [lost]);
  });
  const book = async (url: string, correlationId: string) => {
    const body = JSON.stringify({ correlationId, amount: 19.9, requestedAt: new Date(Number(row.requested_at_ms)) });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/payments`, { method: "POST", headers, body });
    await answer.body?.cancel();
    assert.equal(answer.status, 200);
  };
  await t.step("a payment that is booked at both processors", async () => {
    await book(cluster.processors.fallback.url, id);
    assert.deepEqual(await found(), { code: 1, differences: [[id, "doubled: booked at both processors"]], gaps: [] });
  });
  await t.step("a booking that neither router nor Postgres knows, by its instant", async () => {
    await book(cluster.processors.default.url, crypto.randomUUID());
    assert.deepEqual((await found()).gaps, [["default", "default", 1, 1990]]);
  });
  await t.step("a wrong token and a missing database are one line and exit code 2, without the secret", async () => {
    const wrong = await galo(["--to", to], { PROCESSOR_TOKEN: "s3cret" });
    assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /^galo audit: the (default|fallback) processor rejects the token\n$/);
    const away = await galo(["--to", to], { DATABASE_URL: "postgres://u:s3cret@127.0.0.1:1/none" });
    assert.equal(away.code, 2);
    assert.match(away.stderr, /^galo audit: Postgres \(DATABASE_URL\) cannot be asked: [^\n]*\n$/);
    assert.ok(!`${wrong.stderr}${away.stderr}`.includes("s3cret"));
  });

  await router.shutdown();
  await database.end();
  for (const replica of cluster.replicas) await replica.end("SIGTERM");
  await postgres.stop();
});
