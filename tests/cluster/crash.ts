/**
 * Kills processes under load, at random moments from a printed seed, and counts at the processors' books.
 *
 *     deno task test:crash [--rounds 200] [--seed N] [--kind NAME]
 */
import assert from "node:assert/strict";
import type { Random } from "../../src/clock.ts";
import { RECALL_MS } from "../../src/config.ts";
import { seeded } from "../../src/local/seeded.ts";
import { damage, DAMAGES, rotate } from "./damage.ts";
import { Cluster, load, TestPostgres } from "./harness.ts";
import { OptionsError, parseOptions, runTask, whole } from "../support/command_line.ts";
import { until } from "../support/until.ts";

/** What is killed. */
export const KINDS = [
  "one-replica",
  "both-log",
  "both-store",
  "postgres",
  "everything",
  "postgres-then-both",
  "machine-log",
  "machine-store",
] as const;
export type Kind = typeof KINDS[number];

/** A call is given up after this, in milliseconds. */
const REQUEST_TIMEOUT_MS = 600;
/** By then what a call may have booked is booked, in milliseconds: no stand-in takes longer than {@link DELAY_MS_MAX}. */
const HORIZON_MS = 1_500;
const DELAY_MS_MAX = 1_000;
/** Payments of a round at most. */
const PAYMENTS_MAX = 3_000;

/** What the rounds of one kind showed. */
export interface Tally {
  rounds: number;
  accepted: number;
  /** acknowledged and not known after the restart */
  lost: number;
  /** how long before the kill the oldest lost one was acknowledged, in milliseconds */
  oldestLostMs: number;
  /** requests that were answered with an error, or not at all */
  unanswered: number;
  chargedTwice: number;
}

/** What callers did in a round. */
interface Sent {
  readonly asked: readonly string[];
  /** when each was acknowledged, by the clock of this process in milliseconds */
  readonly ackedMs: ReadonlyMap<string, number>;
  readonly killedMs: number;
  readonly unanswered: number;
}

/** A cluster with its own Postgres, in which one round after the other is run. */
export class CrashTest implements AsyncDisposable {
  readonly tallies = new Map<Kind, Tally>();
  #ack = "log";

  private constructor(readonly cluster: Cluster, private readonly postgres: TestPostgres) {}

  static async start(): Promise<CrashTest> {
    const postgres = await TestPostgres.start();
    const env = {
      DATABASE_URL: postgres.url,
      REQUEST_TIMEOUT_MS: `${REQUEST_TIMEOUT_MS}`,
      HORIZON_MS: `${HORIZON_MS}`,
      PATIENCE_MS: "300",
    };
    return new CrashTest(await Cluster.start({ env }), postgres);
  }

  /** One round; throws where a promise is broken. */
  async round(kind: Kind, random: Random): Promise<void> {
    const { cluster } = this;
    await this.#life(kind.endsWith("-store") ? "store" : "log");
    await this.#trouble(random);
    const sent = await this.#crash(kind, random);
    const calmFirst = random() < 0.5;
    if (calmFirst) await this.#calm();
    const committed = await this.#restart(kind, random);
    const startedMs = performance.now();
    const lost = await this.#lost(sent);
    const tally = this.#tally(kind, sent, lost);
    // callers send again what was not answered, and find out which acknowledged payments are lost
    const again = [...sent.asked.filter((id) => !sent.ackedMs.has(id)), ...lost];
    await each(again, async (id) => assert.equal(await this.#payAgain(id, random), 202, id));
    assert.ok(performance.now() - startedMs < RECALL_MS, "this machine is too slow for RECALL_MS");
    if (!calmFirst) await this.#calm();
    const calmMs = performance.now();
    for (const replica of cluster.replicas) await cluster.untilSettled(replica);
    // a slow processor that got a payment twice has decided about the second call by then
    await until(() => performance.now() > calmMs + DELAY_MS_MAX);

    for (const id of sent.asked) if (this.#bookings(id) > 1) tally.chargedTwice++;
    assert.equal(tally.chargedTwice, 0, `${kind}: payments are booked at both processors`);
    if (kind === "machine-log") {
      assertNone(lost.filter((id) => committed.has(id)), `${kind}: lost although Postgres had committed them`);
    } else assertNone(lost, `${kind}: acknowledged and lost`);
    cluster.assertBookedOnce(sent.asked);
    for (const replica of cluster.replicas) {
      assert.deepEqual(await replica.summary(), cluster.books(), `${kind}: the summary of ${replica.id} and the books`);
    }
    await this.#purge();
  }

  /** Payments are sent to both while something dies. */
  async #crash(kind: Kind, random: Random): Promise<Sent> {
    const { cluster } = this;
    const ackedMs = new Map<string, number>();
    const asked: string[] = [];
    let stop = false;
    const loading = load(async (id) => {
      asked.push(id);
      const status = await (random() < 0.5 ? cluster.a : cluster.b).pay(id).catch(() => 0);
      if (status === 202) ackedMs.set(id, performance.now());
      else await sleep(20);
      return status;
    }, { senders: 12, stop: () => stop, count: PAYMENTS_MAX });

    await until(() => asked.length > 50 + random() * 300);
    // as if the segment were full
    for (let more = random(); more < 0.7; more = random()) {
      rotate(`${cluster.folder}/log`);
      await sleep(random() * 50);
    }
    // some of the calls are refused, so that payments are about to move from one processor to the other
    if (random() < 0.3) cluster.processors.default.setFailing(true);
    await sleep(random() * 200);
    if (kind === "postgres-then-both") {
      await this.postgres.kill();
      await sleep(random() * 400);
    }
    // the default takes no new connections, and finishes the calls that it has
    if (random() < 0.4) {
      await cluster.processors.default.setFault({ fault: "refuse" });
      cluster.processors.default.setDelay(0);
    }
    const killedMs = performance.now();
    await this.#kill(kind, random);
    if (kind === "postgres" || kind === "one-replica") await sleep(300);
    stop = true;
    const { failed } = await loading;
    return { asked, ackedMs, killedMs, unanswered: failed.length };
  }

  /** The ids that were acknowledged and that a replica does not know. */
  async #lost({ ackedMs }: Sent): Promise<string[]> {
    const lost: string[] = [];
    await each(ackedMs.keys(), async (id) => {
      const known = await Promise.all(this.cluster.replicas.map((replica) => replica.find(id)));
      if (known.includes(undefined)) lost.push(id);
    });
    return lost;
  }

  #tally(kind: Kind, { ackedMs, killedMs, unanswered }: Sent, lost: readonly string[]): Tally {
    const fresh = { rounds: 0, accepted: 0, lost: 0, oldestLostMs: 0, unanswered: 0, chargedTwice: 0 };
    const tally: Tally = this.tallies.get(kind) ?? fresh;
    this.tallies.set(kind, tally);
    tally.rounds++;
    tally.accepted += ackedMs.size;
    tally.unanswered += unanswered;
    tally.lost += lost.length;
    const ages = lost.map((id) => Math.round(killedMs - ackedMs.get(id)!));
    tally.oldestLostMs = Math.max(tally.oldestLostMs, ...ages);
    return tally;
  }

  #bookings(id: string): number {
    return Object.values(this.cluster.processors).filter(({ books }) => books.booked.get(id)?.cents !== undefined)
      .length;
  }

  /** Sends a payment until it is taken: while the store is late, the answer may be 503 (`uncovered`). */
  async #payAgain(id: string, random: Random): Promise<number> {
    for (let tries = 0; tries < 10; tries++) {
      const status = await this.cluster.replicas[random() < 0.5 ? 0 : 1]!.pay(id);
      if (status !== 503) return status;
    }
    return 503;
  }

  async #trouble(random: Random): Promise<void> {
    const slow = random() < 0.5;
    for (const processor of Object.values(this.cluster.processors)) {
      processor.setDelay(Math.floor(random() * (slow ? DELAY_MS_MAX : 40)));
      if (random() > 0.3) continue;
      const faults = ["book-then-drop", "book-then-500", "never-answer"] as const;
      const fault = faults[Math.floor(random() * faults.length)]!;
      await processor.setFault({ fault, probability: 0.1 * random(), seed: Math.floor(random() * 2 ** 31) });
    }
  }

  async #calm(): Promise<void> {
    for (const processor of Object.values(this.cluster.processors)) {
      processor.setFailing(false);
      processor.setDelay(0);
      await processor.setFault({ fault: "none" });
    }
  }

  #dead: readonly ("a" | "b")[] = [];

  async #kill(kind: Kind, random: Random): Promise<void> {
    this.#dead = kind === "postgres" ? [] : kind === "one-replica" ? [random() < 0.5 ? "a" : "b"] : ["a", "b"];
    // the other one stands still meanwhile
    const paused = kind === "one-replica" && random() < 0.4
      ? this.cluster.replicas.find(({ id }) => id !== this.#dead[0])
      : undefined;
    paused?.signal("SIGSTOP");
    const ends = this.#dead.map((id) => this.cluster[id].end("SIGKILL"));
    if (kind === "postgres" || kind === "everything" || kind.startsWith("machine")) await this.postgres.kill();
    await Promise.all(ends);
    if (paused) await sleep(random() * 1_500);
    paused?.signal("SIGCONT");
  }

  /** @returns after a machine's death: the ids that Postgres had committed */
  async #restart(kind: Kind, random: Random): Promise<ReadonlySet<string>> {
    const { cluster } = this;
    const machine = kind.startsWith("machine");
    const startReplicas = async () => {
      if (random() < 0.3) await this.#dieStarting(random);
      await Promise.all(this.#dead.map((id) => cluster[id].start({ ACK: this.#ack })));
    };
    const startPostgres = async () => {
      if (machine || kind.includes("postgres") || kind === "everything") await this.postgres.start();
    };
    let committed = new Set<string>();
    if (machine) {
      damage(`${cluster.folder}/log`, DAMAGES[Math.floor(random() * DAMAGES.length)]!, random);
      await startPostgres();
      const rows = await this.postgres.query<{ id: string }>("select id from payment");
      committed = new Set(rows.map(({ id }) => id));
      await startReplicas();
    } else await Promise.all([startPostgres(), startReplicas()]);
    await cluster.untilLinked();
    return committed;
  }

  /** Starts them and kills them again, at some moment before they have recovered everything. */
  async #dieStarting(random: Random): Promise<void> {
    const replicas = this.#dead.map((id) => this.cluster[id]);
    const started = replicas.map((replica) => replica.start({ ACK: this.#ack }).catch(() => {}));
    await sleep(200 + random() * 600);
    await Promise.all(replicas.map((replica) => replica.end("SIGKILL")));
    await Promise.all(started);
  }

  /** Both replicas run at this acknowledgement level. */
  async #life(ack: string): Promise<void> {
    if (this.#ack === ack) return;
    this.#ack = ack;
    for (const replica of this.cluster.replicas) {
      await replica.end("SIGTERM");
      await replica.start({ ACK: ack });
    }
    await this.cluster.untilLinked();
  }

  async #purge(): Promise<void> {
    const { cluster } = this;
    const response = await cluster.a.request("/purge-payments", { method: "POST" });
    await response.body?.cancel();
    assert.equal(response.status, 200);
    // until Postgres has the purge, it can be lost with the machine's log like any other fact
    await until(async () => (await this.postgres.query("select from payment limit 1")).length === 0);
    for (const { url } of Object.values(cluster.processors)) {
      await fetch(`${url}/admin/purge-payments`, { method: "POST", headers: { "x-rinha-token": "123" } })
        .then((response) => response.body?.cancel());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    await this.postgres[Symbol.asyncDispose]();
  }
}

function assertNone(ids: readonly string[], what: string): void {
  assert.equal(ids.length, 0, `${what}: ${ids.length}, such as ${ids[0]}`);
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

const HELP = `Kills processes under load, at random moments, and compares the books after each round.

Usage: deno task test:crash [--rounds N] [--seed N] [--kind NAME]

  --rounds N   how many rounds [200]
  --seed N     of the random moments [drawn, and printed]
  --kind NAME  what is killed: ${KINDS.join(", ")} [each in turn]
  --help`;

const parse = (args: string[]) => {
  const drawn = `${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const values = parseOptions(args, {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: drawn },
    kind: { type: "string" },
  });
  const kinds = values.kind === undefined ? KINDS : KINDS.filter((kind) => kind === values.kind);
  if (kinds.length === 0) throw new OptionsError(`--kind: none is called ${JSON.stringify(values.kind)}: see --help`);
  const { help } = values;
  return {
    help,
    kinds,
    rounds: whole("--rounds", values.rounds, 1, 1e6),
    seed: whole("--seed", values.seed, 0, 2 ** 32),
  };
};

async function main({ kinds, rounds, seed }: ReturnType<typeof parse>): Promise<void> {
  const random = seeded(seed);
  console.log(`seed ${seed}`);
  await using test = await CrashTest.start();
  try {
    for (let round = 0; round < rounds; round++) {
      await test.round(kinds[round % kinds.length]!, random);
      if (round % 10 === 9) console.log(`${round + 1} rounds`);
    }
  } finally {
    console.table(Object.fromEntries(test.tallies));
  }
}

if (import.meta.main) await runTask({ name: "test:crash", help: HELP, parse, run: main });
