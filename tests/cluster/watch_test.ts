/** What people may see of a real cluster: stories, the stream behind Caddy, and the log of a life. @module */
import assert from "node:assert/strict";
import { startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { needs } from "../support/permissions.ts";
import { behindCaddy, Cluster, type ReplicaProcess, statusOf, until } from "./harness.ts";

const real = needs("net", "run", "read", "write", "env", "sys");

interface Payment {
  readonly source: string;
  readonly complete: boolean;
  readonly facts: readonly { readonly at: string; readonly state: string; readonly replica: string; reason: string }[];
}

async function story(replica: ReplicaProcess, id: string): Promise<Payment> {
  return await (await replica.request(`/payments/${id}`)).json();
}

Deno.test("either replica tells a payment's story, and after a restart Postgres does", real, async () => {
  const folder = await Deno.makeTempDir({ prefix: "galo-pg-" });
  const postgres = await startEmbeddedPostgres(folder);
  await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
  const { a, b } = cluster;
  const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1";
  // the last digit makes b its home
  assert.equal(await a.pay(id), 202);
  for (const replica of [a, b]) await cluster.untilSettled(replica);
  const [one, other] = [await story(a, id), await story(b, id)];
  const steps = ({ facts }: Payment) => facts.map(({ state, replica, reason }) => `${replica} ${state} ${reason}`);
  assert.deepEqual(steps(one), ["b accepted accepted", "b dispatched default-up", "b settled default-up"]);
  assert.deepEqual(steps(other), steps(one));
  assert.deepEqual([one.source, other.source], ["memory", "memory"]);
  assert.deepEqual([one.complete, other.complete], [true, true]);
  // attempts begin when the processor is told that they do, at both replicas
  assert.equal(one.facts[1]!.at, other.facts[1]!.at);
  assert.deepEqual(one.facts.map(({ at }) => at), one.facts.map(({ at }) => at).toSorted());

  await Promise.all([a.end("SIGTERM"), b.end("SIGTERM")]);
  await Promise.all([a.start(), b.start()]);
  await cluster.untilLinked();
  for (const replica of [a, b]) {
    const kept = await story(replica, id);
    assert.deepEqual([kept.source, kept.complete], ["postgres", true]);
    // as the replica that settled it told it
    assert.deepEqual(kept.facts, other.facts);
  }
  await postgres.stop();
  const left = await story(a, id);
  assert.deepEqual([left.source, left.complete], ["snapshot", false]);
  assert.deepEqual(steps(left), ["b accepted accepted", "b settled default-up"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the stream comes through Caddy every second, with both replicas in it", behindCaddy(real), async () => {
  await using cluster = await Cluster.start({ caddy: true });
  const answer = await fetch(`${cluster.url}/live`);
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  let text = "";
  const times = new Set<number>();
  for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const events = text.split("\n\n");
    text = events.pop()!;
    for (const event of events) {
      const [, data] = /^event: live\ndata: (.*)$/.exec(event) ?? [];
      if (data === undefined) continue;
      const { replicas } = JSON.parse(data);
      if (replicas.a && replicas.b) times.add(Math.max(replicas.a.at, replicas.b.at));
    }
    if (times.size === 3) break;
  }
  assert.equal(times.size, 3);
});

Deno.test("a life's log tells its beginning and its end, in lines for machines, and no secret", real, async () => {
  await using cluster = await Cluster.start();
  const secrets = ["hunter2-database", "hunter2-admin", "hunter2-processor"];
  const socket = `${cluster.folder}/alone.sock`;
  const { default: first, fallback } = cluster.processors;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", new URL("../../main.ts", import.meta.url).pathname, "replica"],
    env: {
      ...{ REPLICAS: "1", DATA_DIR: `${cluster.folder}/alone`, LISTEN: socket, LOG_LEVEL: "debug" },
      ...{ PROCESSOR_DEFAULT_URL: first.url, PROCESSOR_FALLBACK_URL: fallback.url },
      // nobody listens there
      ...{ DATABASE_URL: "postgres://galo:hunter2-database@127.0.0.1:1/galo", ADMIN_TOKEN: "hunter2-admin" },
      PROCESSOR_TOKEN: "hunter2-processor",
    },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = new Response(process.stderr).text();
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const ask = (path: string, init: RequestInit = {}) => fetch(`http://localhost${path}`, { ...init, client });
  await until(() => statusOf(ask("/livez")).then((status) => status === 200, () => false));
  const told: string[] = [];
  const requests: readonly (readonly [path: string, init?: RequestInit])[] = [
    ["/purge-payments", { method: "POST", headers: { authorization: "Bearer hunter2-wrong" } }],
    ["/purge-payments", { method: "POST", headers: { authorization: "Bearer hunter2-admin" } }],
    ["/payments", { method: "POST", body: "{", headers: { "content-type": "application/json" } }],
    ["/payments/nothing"],
    ["/payments-summary?from=nothing"],
    ["/readyz"],
    ["/metrics"],
  ];
  for (const [path, init] of requests) told.push(await (await ask(path, init)).text());
  client.close();
  process.kill("SIGTERM");
  await process.status;
  const lines = (await log).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ message }) => message).filter((message) => /^(?:starting|ready|stopping|stopped)$/.test(message)),
    ["starting", "ready", "stopping", "stopped"],
  );
  const starting = lines.find(({ message }) => message === "starting");
  assert.deepEqual({ ...starting.properties, version: "" }, { version: "", ack: "peer", replicas: 1, store: true });
  const ready = lines.find(({ message }) => message === "ready");
  assert.deepEqual({ ...ready.properties, afterMs: 0 }, { where: socket, afterMs: 0, pending: 0, settled: 0 });
  for (const secret of [...secrets, "hunter2-wrong"]) {
    assert.ok(!(await log).includes(secret), `the log tells ${secret}`);
    assert.ok(!told.join().includes(secret), `an answer tells ${secret}`);
  }
});
