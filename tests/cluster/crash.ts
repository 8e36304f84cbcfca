/**
 * Kills processes under load, at random moments from a printed seed, and counts at the processors' books.
 *
 *     deno task test:crash [--rounds 200] [--seed N] [--kind NAME]
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { Cluster, load, type ReplicaProcess, until } from "./harness.ts";
import { seeded } from "../../src/local/seeded.ts";

/** What is killed. */
export const KINDS = ["one-replica", "one-memory", "both-store", "both-peer", "postgres", "everything"] as const;
export type Kind = typeof KINDS[number];

/** What may lose acknowledged payments, if only young ones. */
const LOSING: readonly Kind[] = ["one-memory", "both-peer", "everything"];

/** A call is given up after this, so that suspects are asked about soon, in milliseconds. */
const REQUEST_TIMEOUT_MS = 600;
/** What a lost acknowledgement of `ACK=peer` may be old at most: batches of 20 ms and a slow commit, in milliseconds. */
const WINDOW_MS = 1_000;

/** What the rounds of one kind showed. */
export interface Tally {
  rounds: number;
  accepted: number;
  /** acknowledged and not known after the restart: only where the kind allows it */
  lost: number;
  /** how long before the kill the oldest lost one was acknowledged, in milliseconds */
  oldestLostMs: number;
  /** requests that were answered with an error, or not at all */
  unanswered: number;
}

/** A cluster with its own Postgres, in which one round after the other is run. */
export class CrashTest implements AsyncDisposable {
  readonly tallies = new Map<Kind, Tally>();

  private constructor(readonly cluster: Cluster, private postgres: EmbeddedPostgres, private readonly folder: string) {}

  static async start(): Promise<CrashTest> {
    const folder = await Deno.makeTempDir({ prefix: "galo-crash-" });
    const postgres = await startEmbeddedPostgres(folder);
    const env = {
      DATABASE_URL: postgres.url,
      REQUEST_TIMEOUT_MS: `${REQUEST_TIMEOUT_MS}`,
      PATIENCE_MS: "300",
      ACK: "store",
    };
    return new CrashTest(await Cluster.start({ env }), postgres, folder);
  }

  /** One round; throws where a promise is broken. */
  async round(kind: Kind, random: () => number): Promise<void> {
    const { cluster } = this;
    const { default: first, fallback: second } = cluster.processors;
    const ack = kind === "both-store" ? "store" : kind === "one-memory" ? "memory" : "peer";
    await this.#life(ack);
    const slow = kind === "everything" ? REQUEST_TIMEOUT_MS / 2 : 40;
    first.setDelay(Math.floor(random() * slow));
    second.setDelay(Math.floor(random() * slow));

    const ackedMs = new Map<string, number>();
    const asked: string[] = [];
    let stop = false;
    const loading = load(async (id) => {
      asked.push(id);
      const status = await (random() < 0.5 ? cluster.a : cluster.b).pay(id);
      if (status === 202) ackedMs.set(id, performance.now());
      return status;
    }, { senders: 12, stop: () => stop, count: 3_000 });

    await until(() => asked.length > 50 + random() * 300);
    // some of the calls are refused, so that payments are about to move from one processor to the other
    if (random() < 0.3) first.setFailing(true);
    await new Promise((resolve) => setTimeout(resolve, random() * 200));
    const killedMs = performance.now();
    await this.#kill(kind, random);
    if (kind !== "everything" && !kind.startsWith("both")) await until(() => performance.now() - killedMs > 300);
    stop = true;
    const { failed } = await loading;
    first.setFailing(false);
    await this.#restart(kind);
    for (const replica of cluster.replicas) await cluster.untilSettled(replica);
    this.#check(kind, asked, ackedMs, killedMs, failed.length);
    if (kind !== "both-peer" && kind !== "everything") {
      assert.deepEqual(await cluster.a.summary(), cluster.books(), `${kind}: the summary and the books`);
    }
    assert.deepEqual(await cluster.a.summary(), await cluster.b.summary(), `${kind}: the two summaries`);
    await this.#purge();
  }

  #check(kind: Kind, asked: string[], ackedMs: Map<string, number>, killedMs: number, unanswered: number): void {
    const { default: first, fallback: second } = this.cluster.processors;
    const tally = this.tallies.get(kind) ?? { rounds: 0, accepted: 0, lost: 0, oldestLostMs: 0, unanswered: 0 };
    this.tallies.set(kind, tally);
    tally.rounds++;
    tally.accepted += ackedMs.size;
    tally.unanswered += unanswered;
    for (const id of asked) {
      const booked = [first, second].filter(({ books }) => books.bookedCents(id) !== undefined).length;
      assert.ok(booked <= 1, `${kind}: ${id} is booked at both processors`);
      if (booked === 1 || !ackedMs.has(id)) continue;
      assert.ok(LOSING.includes(kind), `${kind}: ${id} was acknowledged and is lost`);
      tally.lost++;
      tally.oldestLostMs = Math.max(tally.oldestLostMs, killedMs - ackedMs.get(id)!);
      assert.ok(
        tally.oldestLostMs < WINDOW_MS,
        `${kind}: what was acknowledged ${tally.oldestLostMs} ms before is lost`,
      );
    }
  }

  async #kill(kind: Kind, random: () => number): Promise<void> {
    const { a, b } = this.cluster;
    const replicas = kind === "postgres" ? [] : kind.startsWith("one") ? [random() < 0.5 ? a : b] : [a, b];
    const ends = replicas.map((replica) => replica.end("SIGKILL"));
    if (kind === "postgres" || kind === "everything") {
      Deno.kill(this.postgres.pid, "SIGKILL");
      await this.postgres.exited;
    }
    await Promise.all(ends);
    this.#dead = replicas;
  }

  async #restart(kind: Kind): Promise<void> {
    if (kind === "postgres" || kind === "everything") this.postgres = await startEmbeddedPostgres(this.folder);
    await Promise.all(this.#dead.map((replica) => replica.start({ ACK: this.#ack })));
    await this.cluster.untilLinked();
  }

  #dead: readonly ReplicaProcess[] = [];
  #ack = "store";

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
    await (await cluster.a.request("/purge-payments", { method: "POST" })).body?.cancel();
    for (const { url } of Object.values(cluster.processors)) {
      await fetch(`${url}/admin/purge-payments`, { method: "POST", headers: { "x-rinha-token": "123" } })
        .then((response) => response.body?.cancel());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    await this.postgres.stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: "string", default: "200" }, seed: { type: "string" }, kind: { type: "string" } },
  });
  const seed = Number(values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  const kinds = values.kind ? KINDS.filter((kind) => kind === values.kind) : KINDS;
  const random = seeded(seed);
  console.log(`seed ${seed}`);
  await using test = await CrashTest.start();
  for (let round = 0; round < Number(values.rounds); round++) {
    const kind = kinds[round % kinds.length]!;
    await test.round(kind, random);
    if (round % 10 === 9) console.log(`${round + 1} rounds`);
  }
  console.table(Object.fromEntries(test.tallies));
}
