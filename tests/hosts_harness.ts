/** Whole replicas on three hosts and one virtual clock: the model of an engine, links, a store in memory, processors that book. @module */
import { type AckLevel, RECALL_MS } from "../src/config.ts";
import type { Fact, Processor, ReplicaId } from "../src/payment/fact.ts";
import { Roster } from "../src/payment/roster.ts";
import type { Channel, ChannelListener, Transport } from "../src/peer/transport.ts";
import { Replica, type ReplicaSettings } from "../src/replica.ts";
import type { Lookup, Order, Outcome, ProcessorClient } from "../src/routing/processor_client.ts";
import type { Acceptance } from "../src/service/service.ts";
import { type Store, StoreError } from "../src/store/store.ts";
import { SILENT_MS } from "../src/stream_log.ts";
import { clockOf } from "./simulation/clock.ts";
import { Engine } from "./simulation/engine.ts";
import { Life } from "./simulation/life.ts";
import { Prng } from "./simulation/prng.ts";
import { MemoryStore } from "./store/memory_store.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

export const HORIZON_MS = 30_000;
/** Longer than anything takes between hosts that are well. */
export const SOON_MS = 1_000;
/** Longer than a replica must be silent before others act on its payments. */
export const SILENCE_MS = SILENT_MS + 2_000;

export const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1";
export const OTHER_ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b2";

const NAMES = ["a", "b", "c"];
const ROSTER = new Roster(NAMES);

type Open = (channel: Channel) => ChannelListener;

/** One end of a link. */
class End implements Channel {
  readonly backlog = 0;
  other!: End;
  listener!: ChannelListener;
  isOpen = true;

  constructor(private readonly hosts: Hosts, readonly host: number, readonly life: Life) {}

  send(bytes: Uint8Array): void {
    const { other, hosts } = this;
    const copy = bytes.slice();
    if (!this.isOpen || !this.life.alive) return;
    hosts.clock.after(1, () => other.isOpen && other.life.hear(() => other.listener.received(copy)));
  }

  close(): void {
    this.isOpen = false;
    this.hosts.clock.after(1, () => this.other.end());
  }

  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.life.hear(() => this.listener.closed());
  }
}

/** Three hosts, each with a server of the engine and a replica. */
export class Hosts {
  readonly clock = new VirtualClock();
  readonly store = new MemoryStore();
  readonly engine: Engine;
  /** the replicas that the store answers */
  readonly reaches: Record<ReplicaId, boolean> = { a: true, b: true, c: true };
  /** calls to processors, and lookups, in order: `a pays default`, `b asks fallback` */
  readonly calls: string[] = [];
  /** what each call carried */
  readonly orders: Order[] = [];
  answer: (by: ReplicaId, processor: Processor, order: Order) => Outcome | Promise<Outcome> = () => ({
    kind: "booked",
  });
  find: (processor: Processor, id: string) => Lookup | Promise<Lookup> = () => ({ kind: "absent" });
  /** what each replica has folded: who, which fact, and whether it holds */
  readonly folded: { readonly self: ReplicaId; readonly fact: Fact; readonly holds: boolean }[] = [];
  /** called after that */
  onFolded: (self: ReplicaId, fact: Fact) => void = () => {};
  readonly restarts: { readonly self: ReplicaId; readonly why: string }[] = [];
  /** lines of all logs */
  readonly logged: string[] = [];
  /** who asked how a processor is */
  readonly polled: string[] = [];
  #claimedMs: Partial<Record<Processor, number>> = {};
  readonly #listeners = new Map<ReplicaId, { readonly life: Life; readonly open: Open }>();
  readonly #lives: Partial<Record<ReplicaId, { readonly life: Life; readonly replica: Replica }>> = {};
  #ends: End[] = [];
  #number = 0;

  constructor(
    private readonly options: {
      readonly ack?: AckLevel;
      readonly store?: boolean;
      readonly settings?: Partial<ReplicaSettings>;
    } = {},
  ) {
    const kind = { lost: 0, late: 0, ackLost: 0, busy: 0, stale: 0, survives: 0 };
    const world = {
      clock: this.clock,
      fault: (_: string, value: number) => value,
      saw: (_: string, value: number) => value,
      committed() {},
    };
    this.engine = new Engine(world, new Prng(7), { ...kind, wayMs: 2 });
  }

  /** All three, once they serve and hear each other. */
  static async started(options: ConstructorParameters<typeof Hosts>[0] = {}): Promise<Hosts> {
    const hosts = new Hosts(options);
    for (const name of NAMES) hosts.start(name);
    await hosts.clock.advance(3 * SOON_MS);
    return hosts;
  }

  of(self: ReplicaId): Replica {
    return this.#lives[self]!.replica;
  }

  start(self: ReplicaId): void {
    const host = NAMES.indexOf(self);
    const life = new Life(self, ++this.#number, () => {});
    const clock = clockOf(this.clock, life, () => 0);
    const { store = true, ack = "log", settings = {} } = this.options;
    const replica = new Replica({
      ...{ self, roster: ROSTER, ack, patienceMs: 1_000, slowMs: 500, maxInFlight: 10, dispatchPerSecond: 800 },
      ...{
        queueMax: 1_000,
        memory: { heap: Infinity, all: Infinity },
        requestTimeoutMs: 1_000,
        horizonMs: HORIZON_MS,
        recallMs: RECALL_MS,
        stopMs: 4_000,
        storeIntervalMs: 0,
      },
      ...{ segmentsMax: 1_000, segmentRecords: 256, rereads: 2 },
      ...settings,
    }, {
      ...{ clock, random: new Prng(this.#number).float, client: this.#client(self, life) },
      streams: this.engine.of(life, host),
      claimHealth: (processor) => Promise.resolve(this.#claims(processor)),
      uuid: () => crypto.randomUUID(),
      transport: this.#transport(self, host, life),
      ...store && { store: this.#store(self, life) },
      observers: [{
        folded: (fact, holds) => {
          this.folded.push({ self, fact, holds });
          this.onFolded(self, fact);
        },
      }],
      say: (level, message, fields) => this.logged.push(`${self}: ${level} ${message} ${JSON.stringify(fields ?? {})}`),
      fail: (error) => {
        if (life.alive) throw error;
      },
      restart: (why) => {
        if (!life.alive) return;
        this.restarts.push({ self, why });
        this.kill(self);
      },
    });
    this.#lives[self] = { life, replica };
    replica.start();
  }

  /** SIGKILL: it does nothing more. */
  kill(...selves: ReplicaId[]): void {
    for (const self of selves) {
      this.#lives[self]?.life.die();
      this.#listeners.delete(self);
      this.#breakLinks((end) => !end.life.alive);
    }
  }

  /** SIGSTOP, and what it means to others; what comes meanwhile waits for {@link resume}. */
  pause(self: ReplicaId): void {
    this.#lives[self]!.life.pause();
  }

  async resume(self: ReplicaId): Promise<void> {
    for (const action of this.#lives[self]!.life.resume()) this.clock.soon(() => this.#lives[self]!.life.hear(action));
    await this.clock.advance(0);
  }

  /** The host of a replica reaches no other one; the processors and the store it does. */
  cut(self: ReplicaId): void {
    const host = NAMES.indexOf(self);
    this.engine.cutOff(host);
    this.#breakLinks((end) => !this.engine.reaches(end.host, end.other.host));
  }

  heal(self: ReplicaId): void {
    this.engine.heal(NAMES.indexOf(self));
  }

  /** Hands a payment in, and lets time go by until it is answered. */
  async accept(self: ReplicaId, id = ID, cents = 1990): Promise<Acceptance> {
    return await this.done(Promise.resolve(this.of(self).accept(id, cents)));
  }

  /** The counts of what a replica says is booked. */
  async summary(self: ReplicaId): Promise<unknown> {
    const summary = await this.done(Promise.resolve(this.of(self).summary()));
    return typeof summary === "object" ? [summary.default.count, summary.fallback.count] : summary;
  }

  /** Lets time go by until a promise is resolved. */
  async done<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const end = () => void (isDone = true);
    work.then(end, end);
    for (let ms = 0; !isDone && ms < 60_000; ms += 10) await this.clock.advance(10);
    return await work;
  }

  /** The kinds of all facts that one has folded about a payment, or about all; void ones in brackets. */
  history(self: ReplicaId, id = ID): string[] {
    const about = this.folded.filter((it) => it.self === self && (!("id" in it.fact) || it.fact.id === id));
    return about.map(({ fact: { kind, by }, holds }) => holds ? `${by} ${kind}` : `(${by} ${kind})`);
  }

  payment(self: ReplicaId, id = ID) {
    return this.of(self).ledger!.book.get(id);
  }

  #breakLinks(breaks: (end: End) => boolean): void {
    const broken = this.#ends.filter((end) => breaks(end) || breaks(end.other));
    this.#ends = this.#ends.filter((end) => !broken.includes(end));
    for (const end of broken) end.end();
  }

  #claims(processor: Processor): boolean {
    const nowMs = this.clock.monotonic();
    if (nowMs < (this.#claimedMs[processor] ?? -Infinity) + 5_000) return false;
    this.#claimedMs[processor] = nowMs;
    return true;
  }

  #transport(self: ReplicaId, host: number, life: Life): Transport {
    return {
      listen: (open) => void this.#listeners.set(self, { life, open }),
      dial: (peer, open) => {
        const there = this.#listeners.get(peer);
        if (!there?.life.alive || there.life.paused || !this.engine.reaches(host, NAMES.indexOf(peer))) {
          return Promise.resolve(false);
        }
        const [one, other] = [new End(this, host, life), new End(this, NAMES.indexOf(peer), there.life)];
        [one.other, other.other] = [other, one];
        this.#ends.push(one, other);
        other.listener = there.open(other);
        one.listener = open(one);
        return Promise.resolve(true);
      },
      close: () => void this.#listeners.delete(self),
    };
  }

  #client(by: ReplicaId, life: Life): ProcessorClient {
    const heard = <T>(answer: T | Promise<T>): Promise<T> =>
      new Promise((resolve) => void Promise.resolve(answer).then((value) => life.hear(() => resolve(value))));
    return {
      pay: (processor, order) => {
        if (!life.alive) return new Promise(() => {});
        this.calls.push(`${by} pays ${processor}`);
        this.orders.push(order);
        return heard(this.answer(by, processor, order));
      },
      lookup: (processor, id) => {
        if (!life.alive) return new Promise(() => {});
        this.calls.push(`${by} asks ${processor}`);
        return heard(this.find(processor, id));
      },
      health: (processor) => {
        if (life.alive) this.polled.push(`${processor} at ${this.clock.monotonic()}`);
        return Promise.resolve(undefined);
      },
    };
  }

  #store(self: ReplicaId, life: Life): Store {
    const call = async <T>(answer: () => Promise<T>): Promise<T> => {
      if (!life.alive) return new Promise<T>(() => {});
      if (!this.reaches[self]) throw new StoreError("unavailable", "the store is not there");
      const value = await answer();
      return await new Promise((resolve) => life.hear(() => resolve(value)));
    };
    return {
      stored: () => call(() => this.store.stored()),
      load: (visit) => call(() => this.store.load((payment) => life.alive && visit(payment))),
      write: (batch) => call(() => this.store.write(batch)),
    };
  }
}
