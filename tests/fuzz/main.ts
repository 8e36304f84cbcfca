/**
 * Sends a live cluster what its OpenAPI document allows and forbids, as schemathesis makes it up, and counts at the
 * processors' books afterwards. Half of it goes to a port of both replicas, half through Caddy to their sockets, where there is one.
 *
 *     deno task test:fuzz [--requests 20000] [--minutes 25] [--seed N] [--schemathesis PATH]
 */
import assert from "node:assert/strict";
import { centsOf } from "../../src/payment/money.ts";
import { Cluster, load, payment, statusOf, TestPostgres } from "../cluster/harness.ts";
import { parseOptions, runTask, whole } from "../support/command_line.ts";
import { freePort } from "../support/free_port.ts";
import { CADDY } from "../support/permissions.ts";
import { exchangesOf } from "./exchanges.ts";

const VERSION = "4.32.5";
const VENV = `${Deno.env.get("HOME")}/.cache/galo-schemathesis`;
const TOKEN = "fuzz";
/** Cases of one operation in one round: few enough that their amounts cannot fill the totals. */
const EXAMPLES = 250;
/** A round that takes longer than this is stuck, in milliseconds. */
const ROUND_MS = 300_000;
const NUMBER_MAX = 2 ** 31;
const CONFIG = new URL("schemathesis.toml", import.meta.url).pathname;

const HELP = `Sends a live cluster requests made up from its OpenAPI document, then compares the books.

Usage: deno task test:fuzz [--requests N] [--minutes N] [--seed N] [--schemathesis PATH]

  --requests N         how many requests at least [20000]
  --minutes N          fails if they are not sent by then [25]
  --seed N             of the first round; each later round has the next one [drawn, and printed]
  --schemathesis PATH  that program [${VENV}/bin/schemathesis, or the one on the PATH]
  --help`;

const parse = (args: string[]) => {
  const drawn = `${crypto.getRandomValues(new Uint16Array(1))[0]}`;
  const values = parseOptions(args, {
    requests: { type: "string", default: "20000" },
    minutes: { type: "string", default: "25" },
    seed: { type: "string", default: drawn },
    schemathesis: { type: "string" },
  });
  return {
    help: values.help,
    requests: whole("--requests", values.requests, 1, NUMBER_MAX),
    minutes: whole("--minutes", values.minutes, 1, NUMBER_MAX),
    seed: whole("--seed", values.seed, 0, NUMBER_MAX),
    path: values.schemathesis,
  };
};

class NoSchemathesis extends Error {}

async function findSchemathesis(named: string | undefined): Promise<string> {
  for (const path of named ? [named] : [`${VENV}/bin/schemathesis`, "schemathesis"]) {
    try {
      if ((await new Deno.Command(path, { args: ["--version"] }).output()).success) return path;
    } catch {
      // not there
    }
  }
  const install = `python3 -m venv ${VENV} && ${VENV}/bin/pip install schemathesis==${VERSION}`;
  throw new NoSchemathesis(`schemathesis is not there: ${install}`);
}

/** A cluster that is fuzzed in rounds, and what was found so far. */
class Fuzz {
  requests = 0;
  readonly statuses = new Map<string, number>();
  readonly findings: string[] = [];

  constructor(private schemathesis: string, private cluster: Cluster, private folder: string) {}

  /** One run of schemathesis against `url`; the books are compared after it, and everything is forgotten. */
  async round(url: string, seed: number, authorised: boolean): Promise<void> {
    const { cluster, folder } = this;
    await Deno.writeTextFile(`${folder}/openapi.json`, await (await fetch(`${url}/openapi.json`)).text());
    const report = `${folder}/report.ndjson`;
    const args = ["--config-file", CONFIG, "--no-color", "run", `${folder}/openapi.json`, "--url", url];
    args.push("--workers", "2", "--max-examples", `${EXAMPLES}`, "--seed", `${seed}`, "--continue-on-failure");
    args.push("--report", "ndjson", "--report-ndjson-path", report, "--generation-database", "none");
    args.push("--warnings", "off", "--request-timeout", "20");
    if (authorised) args.push("--header", `Authorization:Bearer ${TOKEN}`);
    const signal = AbortSignal.timeout(ROUND_MS);
    const run = await new Deno.Command(this.schemathesis, { args, cwd: folder, signal }).output();
    if (!run.success) {
      this.findings.push(`schemathesis, seed ${seed} at ${url}:\n${new TextDecoder().decode(run.stdout)}`);
    }

    const accepted = new Map<string, number>();
    for await (const { method, path, body, status, location } of exchangesOf(report)) {
      this.requests++;
      const name = `${method} ${status ?? "no answer"}`;
      this.statuses.set(name, (this.statuses.get(name) ?? 0) + 1);
      if (status === undefined || status >= 500) this.findings.push(`${method} ${path}: ${status}, for ${body}`);
      if (status !== 202) continue;
      const id = location!.replace("/payments/", "");
      const cents = centsOf(JSON.parse(body).amount)!;
      if (!authorised && (accepted.get(id) ?? cents) !== cents) {
        this.findings.push(`${id} was accepted with two amounts`);
      }
      accepted.set(id, cents);
    }
    // an id that was purged and came again with another amount waits for as long as the old booking stands
    if (authorised) await this.#purgeProcessors();
    await cluster.untilSettled(cluster.a);
    await cluster.untilSettled(cluster.b);
    if (!authorised) await this.#compare(accepted);
    await this.#purge();
    if (!authorised) return;
    const { accepted: paid } = await load((id) => statusOf(fetch(`${url}/payments`, payment(id))), { count: 100 });
    await cluster.untilSettled(cluster.a);
    await cluster.untilSettled(cluster.b);
    await this.#compare(new Map(paid.map((id) => [id, 1990])));
    await this.#purge();
  }

  /** What is accepted is booked, once, and nothing else is; both replicas say so. */
  async #compare(accepted: ReadonlyMap<string, number>): Promise<void> {
    const { cluster, findings } = this;
    const books = cluster.books();
    for (const replica of cluster.replicas) {
      const summary = await replica.summary();
      try {
        assert.deepEqual(summary, books);
      } catch {
        findings.push(`${replica.id} says ${JSON.stringify(summary)}, the books ${JSON.stringify(books)}`);
      }
    }
    const booked = books.default.totalRequests + books.fallback.totalRequests;
    if (booked !== accepted.size) findings.push(`${accepted.size} payments were accepted and ${booked} booked`);
    for (const [id, cents] of accepted) {
      try {
        cluster.assertBookedOnce([id], cents);
      } catch (error) {
        findings.push((error as Error).message);
      }
    }
  }

  async #purge(): Promise<void> {
    const bearer = { method: "POST", headers: { authorization: `Bearer ${TOKEN}` } };
    assert.equal(await statusOf(this.cluster.a.request("/purge-payments", bearer)), 200);
    await this.#purgeProcessors();
  }

  async #purgeProcessors(): Promise<void> {
    const { default: first, fallback: second } = this.cluster.processors;
    for (const { url } of [first, second]) {
      const admin = { method: "POST", headers: { "x-rinha-token": "123" } };
      assert.equal(await statusOf(fetch(`${url}/admin/purge-payments`, admin)), 200);
    }
  }
}

/** @returns the exit code */
async function main({ requests, minutes, seed, path }: ReturnType<typeof parse>): Promise<number> {
  const schemathesis = await findSchemathesis(path);
  const until = performance.now() + minutes * 60_000;
  const folder = await Deno.makeTempDir({ prefix: "galo-fuzz-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const postgres = stack.use(await TestPostgres.start());
  const port = freePort();
  const env = { DATABASE_URL: postgres.url, ALLOW_PURGE: "false", ADMIN_TOKEN: TOKEN, OPS_LISTEN: `${port}` };
  const cluster = stack.use(await Cluster.start({ caddy: CADDY !== undefined, env }));
  const doors = [`http://127.0.0.1:${port}`, ...CADDY ? [cluster.url] : []];
  console.log(
    `seed ${seed}; ${CADDY ? "a port of both replicas and Caddy in turn" : "a port only: no Caddy is installed"}`,
  );

  const fuzz = new Fuzz(schemathesis, cluster, folder);
  for (let round = 0; fuzz.requests < requests && fuzz.findings.length === 0; round++) {
    if (performance.now() > until) fuzz.findings.push(`only ${fuzz.requests} requests in ${minutes} minutes`);
    else await fuzz.round(doors[round % doors.length]!, seed + round, round % 4 > 1);
    console.log(`round ${round}: ${fuzz.requests} of ${requests} requests`);
  }
  console.log([...fuzz.statuses].sort().map(([name, count]) => `${name}: ${count}`).join(", "));
  for (const finding of fuzz.findings) console.error(finding);
  console.log(
    fuzz.findings.length > 0
      ? `${fuzz.findings.length} findings`
      : `no 5xx, nothing outside the document, and the books agree after ${fuzz.requests} requests`,
  );
  return fuzz.findings.length > 0 ? 1 : 0;
}

await runTask({ name: "test:fuzz", help: HELP, parse, run: main, expected: [NoSchemathesis] });
