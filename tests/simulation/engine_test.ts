/** Ledgers of several hosts over the model of the engine, with everything going wrong that it knows. @module */
import assert from "node:assert/strict";
import type { Receipt } from "../../src/ledger/ledger.ts";
import { RecordBuffer } from "../../src/ledger/record.ts";
import { CURRENT_MS, StreamLedger } from "../../src/ledger/stream_ledger.ts";
import { Book } from "../../src/payment/book.ts";
import { dispatched, type Fact, PROCESSORS, released, settled } from "../../src/payment/fact.ts";
import { idOf } from "../ledger/side.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { HOPS } from "./clock.ts";
import { Engine, type EngineFaults } from "./engine.ts";
import { Life } from "./life.ts";
import { Prng } from "./prng.ts";
import { drawSeed } from "./seed.ts";
import { PAIR } from "../support/pair.ts";

const SEEDS = 150;
const HOSTS = 4;
const SAFETY_MS = 40_000;
/** Few enough that facts about one payment often meet. */
const IDS = 12;
const ACTIONS = 220;
const INCIDENTS = 25;
const LOOK_MS = 100;

/** What one host asked for, and was told. */
interface Asked {
  readonly fact: Fact;
  receipt?: Receipt;
}

class Hosts {
  readonly clock = new VirtualClock(undefined, HOPS);
  readonly prng: Prng;
  readonly engine: Engine;
  readonly happened = new Map<string, number>();
  readonly lives: Life[];
  readonly ledgers: StreamLedger[];
  readonly told: string[][] = [];
  readonly asked: Asked[] = [];
  /** by host: the positions of its facts that hold */
  readonly own: Set<number>[] = [];
  /** how many messages a majority had, every {@link LOOK_MS} */
  readonly counts: number[] = [];
  #facts = 0;

  constructor(seed: number) {
    const prng = this.prng = new Prng(seed);
    const count = (kind: string, value: number) => {
      this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1);
      return value;
    };
    const share = (most: number) => prng.chance(0.6) ? most * prng.float() : 0;
    const faults: EngineFaults = {
      wayMs: prng.between(0.1, 20),
      ...{ lost: share(0.1), late: share(0.1), ackLost: share(0.2), busy: share(0.1), stale: 0, survives: 0.5 },
    };
    this.engine = new Engine({ clock: this.clock, fault: count, saw: count, committed() {} }, prng.fork(), faults);
    this.engine.create(1).add({ subject: "begin", bytes: new RecordBuffer(PAIR).write({ kind: "barrier" }, 0).bytes });
    this.lives = Array.from({ length: HOSTS }, (_, host) => new Life("a", host, () => {}));
    this.ledgers = this.lives.map((life, host) => {
      const ledger = new StreamLedger({
        ...{ stream: this.engine.open(life, host), clock: this.clock, random: prng.fork().float, nonce: prng.word() },
        ...{ position: 1, base: 1, book: new Book(), hash: 0, roster: PAIR, lost: (why: string) => assert.fail(why) },
      });
      const told: string[] = this.told[host] = [];
      this.own[host] = new Set();
      ledger.observe({ folded: (fact, holds) => told.push(`${JSON.stringify(fact)} ${holds}`) });
      return ledger;
    });
  }

  async run(): Promise<void> {
    const { clock, prng } = this;
    for (let i = 0; i < ACTIONS; i++) {
      clock.after(prng.between(0, SAFETY_MS), () => this.#act(prng.whole(0, HOSTS - 1)));
    }
    for (let i = 0; i < INCIDENTS; i++) {
      clock.after(prng.between(0, SAFETY_MS), () => this.#strike(prng.between(50, 9_000)));
    }
    for (let ms = 0; ms <= SAFETY_MS; ms += LOOK_MS) clock.after(ms, () => this.#look());
    await clock.pass(SAFETY_MS);
    const { engine, lives } = this;
    Object.assign(engine.faults, { lost: 0, late: 0, ackLost: 0, busy: 0 });
    engine.full = false;
    for (let host = 0; host < HOSTS; host++) {
      engine.heal(host);
      engine.revive(host);
      this.#resume(lives[host]!);
    }
    // what was late lands within a minute, and then there is time for another leader
    await clock.advance(80_000);
  }

  #act(host: number): void {
    const { prng, engine } = this;
    const [ledger, life] = [this.ledgers[host]!, this.lives[host]!];
    const { book } = ledger;
    if (prng.chance(0.1)) {
      const count = engine.stream!.all.length;
      return life.hear(() => {
        ledger.barrier().then((passed) => {
          if (passed) assert.ok(ledger.position > count, `${ledger.position} after a barrier behind ${count}`);
        });
      });
    }
    const at = ++this.#facts;
    const id = idOf(prng.whole(1, IDS));
    const payment = book.pending.get(id);
    let fact: Fact;
    if (prng.chance(0.04)) fact = { kind: "purged", by: "a", at };
    else if (!payment) fact = { kind: "accepted", by: "a", id, cents: prng.whole(1, 9), at, doubt: false };
    else if (payment.stage !== "dispatched") fact = dispatched(payment, "a", prng.pick(PROCESSORS), at, "default-up");
    else if (prng.chance(0.5)) fact = released(payment, "a", at, "failed", false);
    else {
      const { processor, requestedAt, cents } = payment;
      fact = settled(payment, "a", at, { processor: processor!, requestedAt, cents }, "booked");
    }
    life.hear(() => {
      const asked: Asked = { fact };
      this.asked.push(asked);
      ledger.append(fact).then((receipt) => {
        assert.equal(asked.receipt, undefined);
        asked.receipt = receipt;
        if (receipt.kind === "holds" && receipt.payment) this.own[host]!.add(receipt.payment.position);
      });
    });
  }

  #strike(lastMs: number): void {
    const { engine, clock, prng } = this;
    const leader = engine.servers.find(({ leads, alive }) => leads && alive)?.host ?? 0;
    const host = prng.chance(0.5) ? leader : prng.whole(0, HOSTS - 1);
    switch (prng.pick(["cut", "cut", "kill", "stall", "full", "pause"])) {
      case "cut":
        engine.cutOff(host);
        return void clock.after(lastMs, () => engine.heal(host));
      case "kill":
        engine.kill(host);
        return void clock.after(lastMs, () => engine.revive(host));
      case "stall":
        return engine.stall(lastMs);
      case "full":
        engine.full = true;
        return void clock.after(lastMs, () => engine.full = false);
      case "pause":
        this.lives[host]!.pause();
        return void clock.after(lastMs, () => this.#resume(this.lives[host]!));
    }
  }

  #resume(life: Life): void {
    for (const action of life.resume()) this.clock.after(0, () => life.hear(action));
  }

  /** A ledger that is current and has a bound payment has folded everything that stood two seconds ago. */
  #look(): void {
    this.counts.push(this.engine.stream!.all.length);
    const before = this.counts.at(-1 - CURRENT_MS / LOOK_MS) ?? 0;
    for (const [host, ledger] of this.ledgers.entries()) {
      const { pending } = ledger.book;
      const binds = pending.values().some(({ stage, position }) =>
        stage === "dispatched" && this.own[host]!.has(position)
      );
      if (!binds || !ledger.isCurrent) continue;
      assert.ok(ledger.position > before, `current at ${ledger.position}, and two seconds ago there were ${before}`);
    }
  }
}

/** The fold of all messages: whether each fact holds, by its bytes. */
function readAll({ engine, asked }: Hosts) {
  const [book, record, facts] = [new Book(), new RecordBuffer(PAIR), new Map<string, boolean>()];
  engine.stream!.all.forEach(({ bytes }, i) => {
    record.bytes.set(bytes);
    const fact = record.read();
    if (fact.kind === "header" || fact.kind === "sealed") assert.fail(fact.kind);
    if (fact.kind === "barrier") return;
    const key = JSON.stringify(fact);
    assert.ok(!facts.has(key), `${key} stands twice`);
    facts.set(key, book.fold(fact, engine.stream!.first + i));
  });
  return { facts, purgedAgain: again(asked) };
}

/** How many ids were accepted more than once: behind a purge. */
function again(asked: readonly Asked[]): number {
  const taken = asked.filter(({ fact, receipt }) => fact.kind === "accepted" && receipt?.kind === "holds");
  return taken.length - new Set(taken.map(({ fact }) => "id" in fact && fact.id)).size;
}

Deno.test("over an engine where everything goes wrong, every append ends once, as the stream says, and all fold the same", async (test) => {
  const first = drawSeed();
  const happened = new Map<string, number>();
  await test.step(`seeds ${first} to ${first + SEEDS - 1}`, async () => {
    for (let seed = first; seed < first + SEEDS; seed++) {
      const hosts = new Hosts(seed);
      await hosts.run();
      const { facts, purgedAgain } = readAll(hosts);
      for (const { fact, receipt } of hosts.asked) {
        const holds = facts.get(JSON.stringify(fact));
        const said = `seed ${seed}: ${JSON.stringify(fact)} is ${receipt?.kind}, the stream says ${holds}`;
        assert.ok(receipt, said);
        assert.equal(receipt.kind === "holds", holds === true, said);
        if (receipt.kind === "not-taken") assert.equal(holds, undefined, said);
        happened.set(receipt.kind, (happened.get(receipt.kind) ?? 0) + 1);
      }
      for (const [host, ledger] of hosts.ledgers.entries()) {
        assert.equal(
          ledger.position,
          hosts.engine.stream!.all.length + 1,
          `seed ${seed}: host ${host} has not read all`,
        );
        assert.equal(ledger.hash, hosts.ledgers[0]!.hash, `seed ${seed}`);
        assert.deepEqual(hosts.told[host], hosts.told[0], `seed ${seed}`);
      }
      for (const [kind, times] of hosts.happened) happened.set(kind, (happened.get(kind) ?? 0) + times);
      happened.set("accepted again", (happened.get("accepted again") ?? 0) + purgedAgain);
    }
  });
  // a run in which a fault does not happen shows nothing
  for (const kind of ["holds", "void", "not-taken", "accepted again", ...ALL_KINDS]) {
    assert.ok((happened.get(kind) ?? 0) > 0, `${kind} did not happen`);
  }
});

const ALL_KINDS = [
  ...["publish-lost", "publish-late", "ack-lost", "publish-busy", "tail-stalled", "tail-anew"],
  ...["leader-elected", "minority-lost", "publish-survived"],
];
