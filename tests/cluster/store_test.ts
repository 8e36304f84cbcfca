import assert from "node:assert/strict";
import { startStandIn } from "../../src/local/standin.ts";
import { needs } from "../support/permissions.ts";
import { Cluster, load, payment, ReplicaProcess, statusOf, TestPostgres } from "./harness.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";
import { together } from "../support/together.ts";

const real = needs("net", "run", "read", "write", "env");

/** What Postgres has of all payments. */
async function stored(postgres: TestPostgres): Promise<{ count: number; cents: number }> {
  const [row] = await postgres.query<{ count: number; cents: number }>(
    "select count(*)::int as count, coalesce(sum(cents), 0)::int as cents from payment",
  );
  return row!;
}

Deno.test("a new cluster waits for Postgres, which may hold more than its log, and says so", real, async () => {
  await using postgres = await TestPostgres.start();
  await postgres.stop();
  const port = freePort();
  const starting = Cluster.start({ env: { DATABASE_URL: postgres.url, OPS_LISTEN: `${port}` } });
  const why = "the store does not answer, and the log does not reach back to its beginning: Postgres at ";
  await until(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    const { notes } = await answer?.json() ?? {};
    return answer?.status === 503 && notes[0]?.startsWith(why);
  });
  await postgres.start();
  await using cluster = await starting;
  const { accepted } = await load((id) => cluster.a.pay(id), { count: 10 });
  await cluster.untilSettled();
  cluster.assertBookedOnce(accepted);
  for (const replica of cluster.replicas) await replica.end("SIGTERM");
});

for (const replicas of ["a", "a,b"]) {
  Deno.test(
    `at ACK=store and REPLICAS=${replicas} a port of a new cluster answers 503 until Postgres is there, and then takes payments`,
    real,
    async () => {
      await using postgres = await TestPostgres.start();
      await postgres.stop();
      const first = await startStandIn({ port: 0, feeRate: 0.05 });
      const second = await startStandIn({ port: 0, feeRate: 0.15 });
      const folder = await Deno.makeTempDir({ prefix: "galo-" });
      const port = freePort();
      const url = `http://127.0.0.1:${port}`;
      const env = { DATABASE_URL: postgres.url, ACK: "store", REPLICAS: replicas, DATA_DIR: folder };
      const processors = { PROCESSOR_DEFAULT_URL: first.url, PROCESSOR_FALLBACK_URL: second.url };
      const all = replicas.split(",").map((id) =>
        new ReplicaProcess(id, "", { ...env, ...processors, REPLICA: id, LISTEN: `127.0.0.1:${port}` })
      );
      const serving = Promise.all(all.map((replica) => replica.start()));
      try {
        const asked = async (path: string, init?: RequestInit) => {
          const answer = await fetch(url + path, init);
          const { type, notes = [""] } = await answer.json();
          return [answer.status, type ?? notes[0], answer.headers.get("retry-after")];
        };
        await until(() => statusOf(fetch(`${url}/livez`)).then((status) => status === 200, () => false));
        const why = "the store does not answer, and the log does not reach back to its beginning: " +
          `Postgres at ${postgres.folder}, database postgres: nothing listens there`;
        for (let i = 0; i < 20; i++) {
          const post = payment(crypto.randomUUID());
          assert.deepEqual(await asked("/payments", post), [503, "/problems/not-serving", "1"]);
          assert.deepEqual(await asked("/payments-summary"), [503, "/problems/not-serving", "1"]);
        }
        // at other moments one of the two replicas waits for the other
        await until(async () => (await asked("/readyz")).join() === [503, why, null].join());
        await postgres.start();
        await serving;
        const { accepted, failed } = await load((id) => statusOf(fetch(`${url}/payments`, payment(id))), { count: 50 });
        assert.deepEqual([accepted.length, failed], [50, []]);
        for (const replica of all) assert.equal((await replica.end("SIGTERM")).code, 0);
      } finally {
        const ended = Promise.allSettled([serving]);
        for (const replica of all) {
          await replica.end("SIGKILL");
          replica.close();
        }
        await ended;
        await Promise.all([first.close(), second.close()]);
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

Deno.test("without Postgres a restart serves from the log, says so, and catches up when it comes", real, async () => {
  await using postgres = await TestPostgres.start();
  await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
  const before = await load((id) => cluster.a.pay(id), { count: 50 });
  await cluster.untilSettled();
  for (const replica of cluster.replicas) assert.equal((await replica.end("SIGTERM")).code, 0);
  await postgres.stop();
  await Promise.all(cluster.replicas.map((replica) => replica.start()));
  assert.equal((await cluster.a.readyz()).store, "unavailable");
  assert.deepEqual(await cluster.a.summary(), cluster.books());
  const during = await load((id) => cluster.a.pay(id), { count: 300 });
  assert.deepEqual([...before.failed, ...during.failed], []);
  await cluster.untilSettled();
  await postgres.start();
  for (const replica of cluster.replicas) await until(async () => (await replica.readyz()).store === "ready");
  await until(async () => (await stored(postgres)).count === 350);
  assert.deepEqual(await stored(postgres), { count: 350, cents: 350 * 1990 });
  cluster.assertBookedOnce([...before.accepted, ...during.accepted]);
  assert.deepEqual(await cluster.b.summary(), cluster.books());
  for (const replica of cluster.replicas) await replica.end("SIGTERM");
});

Deno.test(
  "at ACK=store nothing is acknowledged while Postgres is away, and POST answers again when it is back",
  real,
  async () => {
    await using postgres = await TestPostgres.start();
    await using cluster = await Cluster.start({
      env: { DATABASE_URL: postgres.url, ACK: "store" },
    });
    const before = await load((id) => cluster.a.pay(id), { count: 50 });
    assert.deepEqual(before.failed, []);
    await postgres.kill();
    const during = await load((id) => cluster.a.pay(id), { count: 200, senders: 200 });
    assert.deepEqual(during.accepted, []);
    assert.deepEqual([...new Set(during.failed.map(({ why }) => why))], ["status 503"]);
    await postgres.start();
    for (const replica of cluster.replicas) await until(async () => (await replica.readyz()).store === "ready");
    // the same ids again: taken once
    await until(async () => await cluster.a.pay(during.failed[0]!.id) === 202);
    for (const { id } of during.failed) assert.equal(await cluster.b.pay(id), 202);
    await cluster.untilSettled();
    cluster.assertBookedOnce([...before.accepted, ...during.failed.map(({ id }) => id)]);
    assert.deepEqual(await cluster.a.summary(), cluster.books());
    for (const replica of cluster.replicas) await replica.end("SIGTERM");
  },
);

Deno.test(
  "at ACK=store a caller that ends its side of a connection to a port is answered like any other",
  real,
  async () => {
    await using postgres = await TestPostgres.start();
    const port = freePort();
    const env = { DATABASE_URL: postgres.url, ACK: "store", OPS_LISTEN: `${port}` };
    await using cluster = await Cluster.start({ env });
    const half = async (...parts: string[]) => {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      for (const part of parts) await connection.write(new TextEncoder().encode(part));
      await connection.closeWrite();
      const answer = await new Response(connection.readable).text();
      return [answer.slice(9, 12), /\r\nretry-after: (.*)\r\n/i.exec(answer)?.[1]];
    };
    const head = "POST /payments HTTP/1.1\r\nHost: galo\r\n";
    const ids = Array.from({ length: 20 }, () => crypto.randomUUID());
    const texts = ids.map((correlationId) => JSON.stringify({ correlationId, amount: 19.9 }));
    const sized = (text: string) => [`${head}Content-Length: ${text.length}\r\n\r\n${text}`];
    const chunks = (text: string) => [
      `${head}Transfer-Encoding: chunked\r\n\r\n`,
      `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`,
    ];
    const get = (path: string) => half(`GET ${path} HTTP/1.1\r\nHost: galo\r\n\r\n`);
    for (const text of texts) {
      for (const parts of [sized(text), chunks(text)]) assert.deepEqual(await half(...parts), ["202", undefined]);
    }
    await cluster.untilSettled();
    cluster.assertBookedOnce(ids);
    await postgres.stop();
    const uncovered = JSON.stringify({ correlationId: crypto.randomUUID(), amount: 19.9 });
    assert.deepEqual(await half(...sized(uncovered)), ["503", "1"]);
    await postgres.start();
    for (const replica of cluster.replicas) await until(async () => (await replica.readyz()).store === "ready");
    // its story is in Postgres by now, and in no replica's memory
    for (const replica of cluster.replicas) await replica.end("SIGTERM");
    await Promise.all(cluster.replicas.map((replica) => replica.start()));
    assert.deepEqual(await get(`/payments/${ids[0]}`), ["200", undefined]);
    assert.deepEqual(await get("/payments-summary?from=2020-01-01T00:00:00Z"), ["200", undefined]);
    assert.deepEqual(await half("POST /purge-payments HTTP/1.1\r\nHost: galo\r\nContent-Length: 0\r\n\r\n"), [
      "200",
      undefined,
    ]);
    for (const replica of cluster.replicas) await replica.end("SIGTERM");
  },
);

/** What POST is answered: status, kind of problem, and whether it says when to come again. */
async function posted(replica: ReplicaProcess, id: string): Promise<unknown[]> {
  const answer = await replica.request("/payments", payment(id));
  const text = await answer.text();
  return [answer.status, text && JSON.parse(text).type, answer.headers.get("retry-after")];
}

/** What /readyz says of taking payments. */
async function readiness(replica: ReplicaProcess): Promise<unknown[]> {
  const answer = await replica.request("/readyz");
  const { ready, store, notes } = await answer.json();
  return [answer.status, ready, store, notes.includes(NO_202)];
}

const NO_202 = "POST is answered 503: a 202 says that Postgres holds the payment (ACK=store)";
const UNCOVERED = [503, "/problems/uncovered", "1"];
const UNREADY = [503, false, "unavailable", true];
const READY = [200, true, "ready", false];

together(
  ["a", "a,b"],
  real,
  (replicas) =>
    `at ACK=store and REPLICAS=${replicas} POST is answered 503 and /readyz says why while Postgres is stopped or read-only`,
  async (replicas) => {
    await using postgres = await TestPostgres.start();
    const env = { DATABASE_URL: postgres.url, ACK: "store", REPLICAS: replicas };
    await using cluster = await Cluster.start({ env });
    const readOnly = async (is: boolean) => {
      await postgres.query(`alter system set default_transaction_read_only = ${is ? "on" : "off"}`);
      await postgres.query("select pg_reload_conf()");
    };
    const { a } = cluster;
    const until503 = () => until(async () => (await readiness(a))[0] === 503);
    const untilReady = () => until(async () => (await readiness(a))[2] === "ready");
    const ids: string[] = [];
    const refused = async () => {
      ids.push(crypto.randomUUID());
      assert.deepEqual(await posted(a, ids.at(-1)!), UNCOVERED);
      await until503();
      assert.deepEqual(await readiness(a), UNREADY);
    };
    await untilReady();
    assert.deepEqual(await readiness(a), READY);
    for (
      const [away, back] of [
        [() => postgres.stop(), () => postgres.start()],
        [() => readOnly(true), () => readOnly(false)],
      ]
    ) {
      await away!();
      // also without any request
      await until503();
      await refused();
      await back!();
      await untilReady();
      assert.deepEqual(await readiness(a), READY);
      assert.deepEqual(await posted(a, ids.at(-1)!), [202, "", null]);
    }
    // a start without the store serves what it knows, and answers
    await a.end("SIGTERM");
    await readOnly(true);
    await a.start();
    await refused();
    await a.end("SIGTERM");
    await postgres.stop();
    await a.start();
    await refused();
    await postgres.start();
    await readOnly(false);
    await untilReady();
    for (const id of ids) assert.deepEqual(await posted(a, id), [202, "", null]);
    await cluster.untilSettled();
    cluster.assertBookedOnce(ids);
    await until(async () => (await stored(postgres)).count === ids.length);
    for (const replica of cluster.running) await replica.end("SIGTERM");
  },
);

Deno.test("after SIGTERM of both the next start knows everything and asks no processor", real, async () => {
  await using postgres = await TestPostgres.start();
  // a payment in doubt would wait for that long
  const env = { DATABASE_URL: postgres.url, HORIZON_MS: "600000" };
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
});

Deno.test(
  "a Postgres that dies under an idle cluster shows in readyz and metrics, and so does its return",
  real,
  async () => {
    await using postgres = await TestPostgres.start();
    await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
    const up = async (is: boolean) => {
      for (const replica of cluster.replicas) {
        await until(async () => (await replica.readyz()).store === (is ? "ready" : "unavailable"));
        const metrics = await (await replica.request("/metrics")).text();
        assert.equal(/^galo_store_up\S* (.*)$/m.exec(metrics)?.[1], is ? "1" : "0");
      }
    };
    await up(true);
    await postgres.kill();
    await up(false);
    await postgres.start();
    await up(true);
    for (const replica of cluster.replicas) await replica.end("SIGTERM");
  },
);
