/** What people may see of a real cluster: stories, the stream behind Caddy, and the log lines of a process. @module */
import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { behindCaddy, Cluster, type ReplicaProcess, statusOf, TestPostgres } from "./harness.ts";
import { until } from "../support/until.ts";

const real = needs("net", "run", "read", "write", "env", "sys");

interface Payment {
  readonly source: string;
  readonly complete: boolean;
  readonly facts: readonly { readonly at: string; readonly state: string; readonly replica: string; reason: string }[];
}

async function story(replica: ReplicaProcess, id: string): Promise<Payment> {
  return await (await replica.request(`/payments/${id}`)).json();
}

Deno.test("either replica shows a payment's story, and after a restart Postgres does", real, async () => {
  await using postgres = await TestPostgres.start();
  await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
  const { a, b } = cluster;
  const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1";
  assert.equal(await b.pay(id), 202);
  for (const replica of [a, b]) await cluster.untilSettled(replica);
  const [one, other] = [await story(a, id), await story(b, id)];
  const steps = ({ facts }: Payment) => facts.map(({ state, replica, reason }) => `${replica} ${state} ${reason}`);
  assert.deepEqual(steps(one), ["b accepted accepted", "b dispatched default-up", "b settled default-up"]);
  assert.deepEqual(steps(other), steps(one));
  assert.deepEqual([one.source, other.source], ["memory", "memory"]);
  assert.deepEqual([one.complete, other.complete], [true, true]);
  // at both replicas an attempt's time is the `requestedAt` that the processor got
  assert.equal(one.facts[1]!.at, other.facts[1]!.at);
  assert.deepEqual(one.facts.map(({ at }) => at), one.facts.map(({ at }) => at).toSorted());

  await Promise.all([a.end("SIGTERM"), b.end("SIGTERM")]);
  await Promise.all([a.start(), b.start()]);
  await cluster.untilLinked();
  for (const replica of [a, b]) {
    const kept = await story(replica, id);
    assert.deepEqual([kept.source, kept.complete], ["postgres", true]);
    // as the replica that settled it shows it
    assert.deepEqual(kept.facts, other.facts);
  }
  await postgres.stop();
  const left = await story(a, id);
  assert.deepEqual([left.source, left.complete], ["snapshot", false]);
  assert.deepEqual(steps(left), ["b accepted accepted", "b settled default-up"]);
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

/** One replica of its own on a socket, and what it logs. */
class Alone {
  readonly log: Promise<string>;
  readonly #process: Deno.ChildProcess;
  readonly #client: Deno.HttpClient;

  constructor(readonly socket: string, env: Record<string, string>) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", new URL("../../main.ts", import.meta.url).pathname, "replica"],
      env: { REPLICAS: "a", LISTEN: socket, LOG_LEVEL: "debug", ...env },
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.log = new Response(this.#process.stderr).text();
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  }

  ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://localhost${path}`, { ...init, client: this.#client });
  }

  async untilAlive(): Promise<void> {
    await until(() => statusOf(this.ask("/livez")).then((status) => status === 200, () => false));
  }

  async stop(): Promise<number> {
    this.#client.close();
    this.#process.kill("SIGTERM");
    return (await this.#process.status).code;
  }
}

interface Line {
  readonly level: string;
  readonly message: string;
  readonly properties: Record<string, unknown>;
}

/** The lines about a process's start and end. */
async function milestones({ log }: Alone): Promise<Line[]> {
  const lines: Line[] = (await log).trim().split("\n").map((line) => JSON.parse(line));
  return lines.filter(({ message }) => /^(?:starting|payments are taken|stopp)/.test(message));
}

Deno.test("a process logs its start and its stop, in lines for machines, and no secret", real, async () => {
  await using cluster = await Cluster.start();
  const secrets = ["hunter2-database", "hunter2-admin", "hunter2-processor"];
  const { default: first, fallback } = cluster.processors;
  const env = {
    DATA_DIR: `${cluster.folder}/alone`,
    ...{ PROCESSOR_DEFAULT_URL: first.url, PROCESSOR_FALLBACK_URL: fallback.url },
    ...{ ADMIN_TOKEN: "hunter2-admin", PROCESSOR_TOKEN: "hunter2-processor" },
  };
  const before = new Alone(`${cluster.folder}/alone.sock`, env);
  await before.untilAlive();
  assert.equal(await before.stop(), 0);
  const begun = ["starting", "payments are taken", "stopping"];
  const [starting, taken, , stopped] = await milestones(before);
  assert.deepEqual((await milestones(before)).map(({ message }) => message), [...begun, stopped!.message]);
  assert.deepEqual({ ...starting!.properties, version: "" }, {
    version: "",
    log: "file",
    ack: "log",
    replicas: "a",
    store: false,
  });
  const nothing = { where: before.socket, afterMs: 0, pending: 0, settled: 0 };
  assert.deepEqual({ ...taken!.properties, afterMs: 0 }, nothing);
  assert.deepEqual([stopped!.level, stopped!.message], ["INFO", "stopped; the next start finds everything"]);

  // it goes on with its log, and nothing listens at DATABASE_URL
  const replica = new Alone(before.socket, {
    ...env,
    DATABASE_URL: "postgres://galo:hunter2-database@127.0.0.1:1/galo",
  });
  await replica.untilAlive();
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
  for (const [path, init] of requests) told.push(await (await replica.ask(path, init)).text());
  assert.notEqual(await replica.stop(), 0);
  const last = (await milestones(replica)).at(-1)!;
  const unclean = "stopped before everything had ended; the next start continues from the log";
  assert.deepEqual([last.level, last.message], ["WARN", unclean]);
  for (const secret of [...secrets, "hunter2-wrong"]) {
    assert.ok(!(await replica.log).includes(secret), `the log shows ${secret}`);
    assert.ok(!told.join().includes(secret), `an answer shows ${secret}`);
  }
});
