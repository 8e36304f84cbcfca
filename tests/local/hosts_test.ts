import assert from "node:assert/strict";
import { behindCaddy, payment, statusOf, type Totals } from "../cluster/harness.ts";
import { needsNats } from "../support/nats_servers.ts";
import { bothStandIns } from "../support/standins.ts";
import { until } from "../support/until.ts";
import { newFolder, Started, usersOf } from "./start.ts";

const real = behindCaddy(needsNats);

const NAMES = ["h1", "h2", "h3"];
/** What may take an election, on a machine that is busy, in milliseconds. */
const LONG_MS = 90_000;
/** Callers that pay at the same time, each one payment after the other. */
const CALLERS = 8;

/** A JSON answer of one replica, asked at its own socket. */
async function ask<T>(folder: string, name: string, path: string): Promise<T> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: `${folder}/${name}.sock` } });
  return await (await fetch(`http://localhost${path}`, { client })).json();
}

const summaries = (folder: string) =>
  Promise.all(NAMES.map((name) => ask<Totals>(folder, name, "/payments-summary").catch(() => undefined)));

/** The process of a replica. */
function replica(folder: string, name: string): number {
  const [pid] = usersOf(folder).filter((pid) => {
    const command = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
    return command.includes("replica") && Deno.readTextFileSync(`/proc/${pid}/environ`).includes(`\0REPLICA=${name}\0`);
  });
  return Number(pid);
}

/** Pays until it is told to end, each payment again and again until it is acknowledged. */
class Payers {
  readonly acknowledged: string[] = [];
  readonly #ended: Promise<unknown>;
  #ends = false;

  constructor(private readonly url: string) {
    this.#ended = Promise.all(Array.from({ length: CALLERS }, () => this.#pay()));
  }

  /** Waits until so many more are acknowledged. */
  async more(count: number): Promise<void> {
    const before = this.acknowledged.length;
    await until(() => this.acknowledged.length >= before + count, LONG_MS);
  }

  async end(): Promise<void> {
    this.#ends = true;
    await this.#ended;
  }

  async #pay(): Promise<void> {
    while (!this.#ends) {
      const id = crypto.randomUUID();
      await until(
        async () => await statusOf(fetch(`${this.url}/payments`, payment(id))).catch(() => 0) === 202,
        LONG_MS,
      );
      this.acknowledged.push(id);
    }
  }
}

Deno.test("of three hosts a NATS server and a replica die, and each payment is booked once", real, async () => {
  const processors = await bothStandIns();
  await using first = processors.default;
  await using second = processors.fallback;
  const env = { HOSTS: "3", PROCESSOR_DEFAULT_URL: first.url, PROCESSOR_FALLBACK_URL: second.url };
  const folder = await newFolder();
  await using started = await Started.start(folder, env);
  assert.match(started.said, /^NATS: 3 servers on 127\.0\.0\.1, ports \d+, \d+, \d+, in \S+\/nats$/m);
  assert.match(started.said, /^3 replicas behind Caddy on http:/m);
  const payers = new Payers(started.url);
  await payers.more(100);
  Deno.kill(parseInt(await Deno.readTextFile(`${folder}/nats/h1/pid`)), "SIGKILL");
  await payers.more(100);
  const died = replica(folder, "h2");
  Deno.kill(died, "SIGKILL");
  await payers.more(100);
  await until(() => ![NaN, died].includes(replica(folder, "h2")));
  await payers.end();
  assert.deepEqual(started.lines.filter((line) => line.startsWith("ERROR")), [
    "ERROR: NATS server h1 ended with SIGKILL: starting it again",
    "ERROR: replica h2 ended with SIGKILL: starting it again",
  ]);

  const count = payers.acknowledged.length;
  await until(() => first.books.booked.size + second.books.booked.size === count, LONG_MS);
  for (const id of payers.acknowledged) {
    assert.equal(Number(first.books.booked.has(id)) + Number(second.books.booked.has(id)), 1, id);
  }
  const books = [first, second].map(({ books }) => ({
    totalRequests: books.booked.size,
    totalAmount: books.totals.all.cents / 100,
  }));
  const all = NAMES.map(() => ({ default: books[0], fallback: books[1] }));
  await until(async () => JSON.stringify(await summaries(folder)) === JSON.stringify(all), LONG_MS);
  assert.equal((await started.end("SIGTERM")).code, 0);
  assert.deepEqual(usersOf(folder), []);

  // what is in the streams is there again, without Postgres too
  await Deno.remove(`${folder}/postgres`, { recursive: true });
  const again = await Started.start(folder, env);
  assert.deepEqual(await summaries(folder), all);
  assert.equal((await again.end("SIGTERM")).code, 0);
});
