/**
 * Three hosts under load, with processors in trouble. In each round the host of the stream's leader is cut off, a
 * replica stands still for 7 s, and a host dies and comes back, in an order and at moments from a printed seed; then it
 * is counted at the processors' books. Linux, as root, with `nats-server` and `ip` on the PATH.
 *
 *     deno task test:hosts --help
 */
import assert from "node:assert/strict";
import type { Random } from "../../src/clock.ts";
import { seeded } from "../../src/local/seeded.ts";
import { parseOptions, runTask, whole } from "../support/command_line.ts";
import { until } from "../support/until.ts";
import { type Found, payment, type Totals } from "./harness.ts";
import { type HostName, HOSTS, Hosts, HostsError } from "./hosts.ts";

/** A call to a processor is given up after this, in milliseconds. */
const REQUEST_TIMEOUT_MS = 600;
/** No stand-in takes longer, in milliseconds. */
const DELAY_MS_MAX = 1_000;
/**
 * By then what a call may have booked is booked, in milliseconds: the kernel of a host that is cut off sends for about a
 * second what was given up.
 */
const HORIZON_MS = 3_500;
/** How long a replica stands still, in milliseconds. */
const STILL_MS = 7_000;
/** How long a host is cut off, in milliseconds: longer than the others need to elect another leader. */
const CUT_MS_MIN = 7_000;
const CUT_MS_MAX = 10_000;
/** How long a host is dead at most, in milliseconds. */
const DEAD_MS_MAX = 6_000;
/** Between two faults, in milliseconds. */
const CALM_MS_MAX = 1_500;
/** When a caller gives a request up and asks another host, in milliseconds. */
const CALLER_MS = 2_000;
const CALLERS = 24;
/** How long a caller waits between two payments at most, in milliseconds. */
const THINK_MS_MAX = 200;
/** How often a caller asks for the same payment under load. */
const TRIES = 3;
/** How long everything may take to settle once all is well, in milliseconds. */
const SETTLE_MS = 60_000;
const CENTS = 1990;

/** What all rounds showed. */
export interface Tally {
  rounds: number;
  asked: number;
  /** answered 202 under load */
  accepted: number;
  /** answers by their status; 0: none in time */
  answers: Record<string, number>;
  /** replicas that asked to be started again */
  restarts: number;
  lost: number;
  chargedTwice: number;
}

/** What callers did. */
interface Sent {
  readonly asked: Set<string>;
  /** of these: answered 202 */
  readonly accepted: Set<string>;
}

/** Hosts on which one round after the other is run. */
export class HostsTest implements AsyncDisposable {
  readonly tally: Tally = {
    ...{ rounds: 0, asked: 0, accepted: 0, answers: {}, restarts: 0, lost: 0, chargedTwice: 0 },
  };
  #startedMs = performance.now();
  #dead: HostName | undefined;

  private constructor(readonly hosts: Hosts, private readonly say: (line: string) => void) {}

  /** @param say told what happens, a line each */
  static async start(say: (line: string) => void = console.log): Promise<HostsTest> {
    const env = {
      REQUEST_TIMEOUT_MS: `${REQUEST_TIMEOUT_MS}`,
      HORIZON_MS: `${HORIZON_MS}`,
      PATIENCE_MS: "300",
    };
    return new HostsTest(await Hosts.start({ env }), say);
  }

  /** One round; throws where a promise is broken. */
  async round(random: Random): Promise<void> {
    const { hosts, tally } = this;
    this.#startedMs = performance.now();
    tally.rounds++;
    const sent: Sent = { asked: new Set(), accepted: new Set() };
    let stop = false;
    const loading = Promise.all(Array.from({ length: CALLERS }, () => this.#call(sent, random, () => stop)));
    const troubling = this.#trouble(random, () => stop);
    for (const part of [loading, troubling]) awaitedLater(part);
    try {
      await this.#faults(random);
    } finally {
      stop = true;
      await Promise.all([loading, troubling]);
    }
    await this.#calm();
    const lacks = await hosts.untilWell();
    this.#told(`every host is ready${lacks ? `; not every server has the whole stream: ${lacks}` : ""}`);
    tally.asked += sent.asked.size;
    tally.accepted += sent.accepted.size;
    tally.restarts = HOSTS.reduce((sum, host) => sum + hosts.replica(host).restarts, 0);
    await this.check(sent);
    this.#told(`${sent.accepted.size} of ${sent.asked.size} were acknowledged under load; the books agree`);
    await this.#purge();
  }

  /** All faults, in any order; one may begin before the one before has ended. */
  async #faults(random: Random): Promise<void> {
    await sleep(500 + random() * CALM_MS_MAX);
    const faults = [() => this.#cutLeader(random), () => this.#kill(random), () => this.#pause(random)];
    const running: Promise<void>[] = [];
    while (faults.length > 0) {
      const [fault] = faults.splice(Math.floor(random() * faults.length), 1);
      running.push(fault!());
      awaitedLater(running.at(-1)!);
      if (random() < 0.7) await Promise.all(running);
      await sleep(random() * CALM_MS_MAX);
    }
    await Promise.all(running);
  }

  async #cutLeader(random: Random): Promise<void> {
    const { hosts } = this;
    const entirely = random() < 0.5;
    const ms = between(CUT_MS_MIN, CUT_MS_MAX, random);
    const leader = await hosts.leader();
    this.#told(`${leader}, the stream's leader, is cut off from ${entirely ? "everything" : "the other hosts"}`);
    await hosts.network.cut(leader, entirely);
    await sleep(ms);
    await hosts.network.heal(leader);
    this.#told(`${leader} is connected again`);
  }

  async #pause(random: Random): Promise<void> {
    const host = anyOf(HOSTS.filter((host) => host !== this.#dead), random);
    const replica = this.hosts.replica(host);
    this.#told(`replica ${host} stands still`);
    replica.signal("SIGSTOP");
    await sleep(STILL_MS);
    try {
      replica.signal("SIGCONT");
    } catch {
      // it was killed meanwhile
    }
    this.#told(`replica ${host} goes on`);
  }

  async #kill(random: Random): Promise<void> {
    const host = anyOf(HOSTS, random);
    const ms = random() * DEAD_MS_MAX;
    this.#told(`${host} dies`);
    this.#dead = host;
    await this.hosts.kill(host);
    await sleep(ms);
    await this.hosts.revive(host);
    this.#dead = undefined;
    this.#told(`${host} is back`);
  }

  /** One caller: fresh ids, each at one host after the other until it is taken; every fifth at all hosts at once. */
  async #call({ asked, accepted }: Sent, random: Random, stop: () => boolean): Promise<void> {
    while (!stop()) {
      const id = crypto.randomUUID();
      asked.add(id);
      const hosts = random() < 0.2 ? HOSTS : [anyOf(HOSTS, random)];
      await Promise.all(hosts.map(async (first) => {
        for (let host = first, tries = 0; tries < TRIES && !stop(); tries++, host = anyOf(HOSTS, random)) {
          if (await this.pay(host, id) !== 202) await sleep(random() * THINK_MS_MAX);
          else return void accepted.add(id);
        }
      }));
      await sleep(random() * THINK_MS_MAX);
    }
  }

  /** Hands a payment in. @returns the status; 0 without an answer in time */
  async pay(host: HostName, id: string): Promise<number> {
    let status = 0;
    try {
      const init = { ...payment(id, CENTS / 100), signal: AbortSignal.timeout(CALLER_MS) };
      const response = await this.hosts.replica(host).request("/payments", init);
      await response.body?.cancel();
      status = response.status;
    } catch {
      // dead, or too late
    }
    this.tally.answers[status] = (this.tally.answers[status] ?? 0) + 1;
    assert.ok([0, 202, 503].includes(status), `POST of ${id} at ${host} is answered ${status}`);
    return status;
  }

  /** The processors are slow, refuse, fail, and lose answers after they have booked. */
  async #trouble(random: Random, stop: () => boolean): Promise<void> {
    const faults = ["book-then-drop", "book-then-500", "never-answer"] as const;
    while (!stop()) {
      for (const [name, processor] of Object.entries(this.hosts.processors)) {
        processor.setDelay(Math.floor(random() * (random() < 0.3 ? DELAY_MS_MAX : 40)));
        processor.setFailing(random() < (name === "default" ? 0.3 : 0.1));
        const fault = random() < 0.5 ? anyOf(faults, random) : random() < 0.1 ? "refuse" : "none";
        const strikes = { probability: 0.2 * random(), seed: Math.floor(random() * 2 ** 31) };
        await processor.setFault({ fault, ...fault === "refuse" ? { forMs: 1_000 } : strikes });
      }
      await sleep(500 + random() * 1_500);
    }
  }

  async #calm(): Promise<void> {
    for (const processor of Object.values(this.hosts.processors)) {
      processor.setFailing(false);
      processor.setDelay(0);
      await processor.setFault({ fault: "none" });
    }
  }

  /** Once all is well: callers repeat requests that had no answer; then all books agree. */
  async check({ asked, accepted }: Sent): Promise<void> {
    const { hosts, tally } = this;
    const calmMs = performance.now();
    const lost = await this.#unknownAnywhere(accepted);
    tally.lost += lost.length;
    assert.equal(lost.length, 0, `acknowledged and lost: ${lost.length}, such as ${await this.#story(lost)}`);
    await each(asked, async (id) => {
      if (accepted.has(id)) return;
      await until(async () => await this.pay(anyOf(HOSTS, Math.random), id) === 202, SETTLE_MS);
    });
    for (const host of HOSTS) {
      await until(async () => {
        // it has read the log to its end
        if (!await hosts.look(host, "/payments-summary")) return false;
        return (await hosts.look(host, "/readyz"))?.pending === 0;
      }, SETTLE_MS).catch((error) => this.#unsettled(asked, host, error));
    }
    this.#told("everything is settled");
    // a slow processor has answered the second call with the same id too
    await until(() => performance.now() > calmMs + DELAY_MS_MAX);
    const bookings = (id: string) =>
      Object.values(hosts.processors).filter(({ books }) => books.booked.get(id)?.cents === CENTS).length;
    const twice = [...asked].filter((id) => bookings(id) > 1);
    tally.chargedTwice += twice.length;
    assert.equal(twice.length, 0, `booked at both processors: ${twice.length}, such as ${await this.#story(twice)}`);
    const missing = [...asked].filter((id) => bookings(id) === 0);
    assert.equal(missing.length, 0, `booked nowhere: ${missing.length}, such as ${await this.#story(missing)}`);
    for (const host of HOSTS) {
      const summary = await hosts.look<Totals>(host, "/payments-summary");
      assert.deepEqual(summary, hosts.books(), `the summary of ${host} and the processors' books`);
    }
    // the store follows behind everything else
    let stored: Totals | undefined;
    const agrees = async () => isSame(stored = await hosts.stored(), hosts.books());
    await until(agrees, SETTLE_MS).catch(() => assert.deepEqual(stored, hosts.books(), "Postgres and the books"));
  }

  /** The ids that some host does not know. */
  async #unknownAnywhere(ids: Iterable<string>): Promise<string[]> {
    const unknown: string[] = [];
    await each(ids, async (id) => {
      const found = await Promise.all(HOSTS.map((host) => this.hosts.look(host, `/payments/${id}`)));
      if (found.includes(undefined)) unknown.push(id);
    });
    return unknown;
  }

  /** The story of the first of these ids, by each host and both processors. */
  async #story([id]: readonly string[]): Promise<string> {
    if (id === undefined) return "";
    const told = await Promise.all(HOSTS.map((host) => this.hosts.look(host, `/payments/${id}`)));
    const booked = Object.values(this.hosts.processors).map(({ books }) => books.booked.get(id));
    return JSON.stringify({ id, hosts: told, booked }, null, 1);
  }

  async #unsettled(ids: Iterable<string>, host: HostName, error: unknown): Promise<never> {
    const pending: string[] = [];
    await each(ids, async (id) => {
      if ((await this.hosts.look<Found>(host, `/payments/${id}`))?.state !== "settled") pending.push(id);
    });
    const ready = await Promise.all(HOSTS.map((name) => this.hosts.look(name, "/readyz")));
    throw new Error(
      `${error}\n${pending.length} are pending at ${host}: ${await this.#story(pending)}\n${
        JSON.stringify(ready, null, 1)
      }`,
    );
  }

  async #purge(): Promise<void> {
    const { hosts } = this;
    await until(async () => {
      const init = { method: "POST", signal: AbortSignal.timeout(CALLER_MS) };
      const response = await hosts.replica(anyOf(HOSTS, Math.random)).request("/purge-payments", init);
      await response.body?.cancel();
      return response.status === 200;
    });
    for (const { books } of Object.values(hosts.processors)) books.purge();
    for (const host of HOSTS) {
      await until(async () => isSame(await hosts.look<Totals>(host, "/payments-summary"), hosts.books()));
    }
    await until(async () => (await hosts.postgres.query("select from payment limit 1")).length === 0);
  }

  #told(what: string): void {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    this.say(`round ${this.tally.rounds} ${seconds.toFixed(1).padStart(5)} s: ${what}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hosts[Symbol.asyncDispose]();
  }
}

/** Keeps a failure from ending the process, which would leave everything behind, before somebody awaits it. */
function awaitedLater(part: Promise<unknown>): void {
  part.catch(() => {});
}

function isSame(a: Totals | undefined, b: Totals): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

function anyOf<T>(all: readonly T[], random: Random): T {
  return all[Math.floor(random() * all.length)]!;
}

function between(from: number, to: number, random: Random): number {
  return from + random() * (to - from);
}

/** Does `work` for each, some at a time. */
async function each(ids: Iterable<string>, work: (id: string) => Promise<void>): Promise<void> {
  const left = ids[Symbol.iterator]();
  const worker = async () => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const HELP = `Three hosts under load, processors in trouble; leaders cut off, replicas stopped, hosts killed.

Usage: deno task test:hosts [--rounds N] [--seed N]

  --rounds N  each takes about a minute [20]
  --seed N    repeats the order of faults, not the moments of everything else [at random]

It needs Linux, root, ip (Debian's package iproute2) and nats-server on the PATH.`;

const parse = (args: string[]) => {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  const options = {
    rounds: { type: "string", default: "20" },
    seed: { type: "string", default: `${random}` },
  } as const;
  const { help, rounds, seed } = parseOptions(args, options);
  return { help, rounds: whole("--rounds", rounds, 1, 1e6), seed: whole("--seed", seed, 0, 2 ** 32) };
};

async function main({ rounds, seed }: ReturnType<typeof parse>): Promise<void> {
  const random = seeded(seed);
  console.log(`seed ${seed}`);
  await using test = await HostsTest.start();
  try {
    for (let round = 0; round < rounds; round++) await test.round(random);
  } finally {
    console.log(test.tally);
  }
}

if (import.meta.main) await runTask({ name: "test:hosts", help: HELP, parse, run: main, expected: [HostsError] });
