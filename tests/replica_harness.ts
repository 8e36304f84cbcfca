/** Whole replicas on one virtual clock, two if nothing else is said: a log and a store in memory, locks, a link that can be cut, processors that book. @module */
import { type AckLevel, RECALL_MS } from "../src/config.ts";
import type { Acceptance } from "../src/service/service.ts";
import type { Clock } from "../src/clock.ts";
import type { SegmentFile, SegmentFiles } from "../src/ledger/log.ts";
import { RECORD_BYTES } from "../src/ledger/record.ts";
import type { Locks } from "../src/membership/lock.ts";
import type { Summary } from "../src/payment/book.ts";
import type { Fact, Processor, ReplicaId } from "../src/payment/fact.ts";
import type { Payment } from "../src/payment/payment.ts";
import { Roster } from "../src/payment/roster.ts";
import type { Transport } from "../src/peer/transport.ts";
import { Replica, type ReplicaSettings } from "../src/replica.ts";
import type { Lookup, Order, Outcome, ProcessorClient } from "../src/routing/processor_client.ts";
import { type Store, StoreError } from "../src/store/store.ts";
import { MemorySegments } from "./ledger/memory_segments.ts";
import { MemoryLocks } from "./membership/memory_locks.ts";
import { Pipe } from "./peer/pipe.ts";
import { MemoryStore } from "./store/memory_store.ts";
import { VirtualClock } from "./support/virtual_clock.ts";
import { PAIR } from "./support/pair.ts";

export const HORIZON_MS = 30_000;
export const STOP_MS = 4_000;
/** Longer than anything takes between two replicas that are well, a takeover included. */
export const SOON_MS = 1_000;
/** Records of a segment. */
export const SEGMENT_RECORDS = 256;

export const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b1";
export const OTHER_ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b2";

const never = <T>() => new Promise<T>(() => {});

/** A life of a replica. */
interface Life {
  readonly replica: Replica;
  alive: boolean;
}

export interface PairOptions {
  readonly ack?: AckLevel;
  readonly store?: boolean;
  readonly peer?: boolean;
  readonly settings?: Partial<ReplicaSettings>;
}

/** A replica whose log is files: it never has to wait for what it says of it. */
export type AtOnce = {
  find(id: string): Payment | undefined;
  summary(from?: number, to?: number): Summary | undefined;
} & Replica;

/** A call to a processor. */
export interface Paid extends Omit<Order, "cents"> {
  readonly by: ReplicaId;
  readonly processor: Processor;
  /** on the virtual clock */
  readonly atMs: number;
}

/** A cluster in which nothing happens by itself. */
export class Pair {
  readonly clock = new VirtualClock();
  readonly store = new MemoryStore();
  readonly pipe = new Pipe(this.clock);
  readonly files = new MemorySegments();
  /** the replicas that the store answers */
  readonly reaches: Record<ReplicaId, boolean> = { a: true, b: true };
  /** the disk takes nothing more */
  full = false;
  /** runs once, before the next record of this replica is in the log: the peer is quicker */
  readonly interposed: Partial<Record<ReplicaId, () => void>> = {};
  /** calls to processors, in order */
  readonly paid: Paid[] = [];
  /** lookups, in order */
  readonly asked: Pick<Paid, "by" | "id" | "processor" | "atMs">[] = [];
  /** how the processors answer */
  answer: (order: Order, processor: Processor) => Outcome | Promise<Outcome> = () => ({ kind: "booked" });
  find: (id: string, processor: Processor) => Lookup | Promise<Lookup> = () => ({ kind: "absent" });
  /** what each replica has folded: the replica, the fact, and whether it holds */
  readonly folded: { readonly self: ReplicaId; readonly fact: Fact; readonly holds: boolean }[] = [];
  /** the replicas that asked for a restart, and why */
  readonly restarts: { readonly self: ReplicaId; readonly why: string }[] = [];
  /** broken invariants; a test that expects none fails */
  fail: (self: ReplicaId, error: unknown) => void = (_, error) => {
    throw error;
  };
  /** lines of both logs */
  readonly logged: string[] = [];
  #boot = 1;
  readonly #locks = new MemoryLocks<Life>();
  readonly #lives: Partial<Record<ReplicaId, Life>> = {};
  readonly #options: Required<PairOptions>;

  constructor({ ack = "log", store = true, peer = true, settings = {} }: PairOptions = {}) {
    this.#options = { ack, store, peer, settings };
  }

  /** Starts both and waits until they are linked. */
  static async started(options: PairOptions = {}): Promise<Pair> {
    const pair = new Pair(options);
    for (const self of pair.#options.peer ? PAIR.names : ["a"]) pair.start(self);
    await pair.clock.advance(SOON_MS);
    return pair;
  }

  get a(): AtOnce {
    return this.#lives.a!.replica as AtOnce;
  }

  get b(): AtOnce {
    return this.#lives.b!.replica as AtOnce;
  }

  /** @param peer whether it has another replica */
  start(self: ReplicaId, peer = this.#options.peer): void {
    const life = { alive: true } as { alive: boolean; replica: Replica };
    const { store } = this.#options;
    const alone = new Roster([self], this.#options.peer ? PAIR.names : []);
    life.replica = new Replica({ ...this.#settings(self), roster: peer ? PAIR : alone }, {
      clock: this.#clock(life),
      random: () => 0.5,
      client: this.#client(self, life),
      locks: this.#lock(life),
      files: this.#files(self, life),
      boot: this.#boot,
      uuid: () => crypto.randomUUID(),
      ...peer && { transport: mortal(self === "a" ? this.pipe.listening : this.pipe.dialling, life) },
      ...store && { store: this.#store(self, life) },
      observers: [{ folded: (fact, holds) => void this.folded.push({ self, fact, holds }) }],
      say: (level, message, fields) => this.logged.push(`${self}: ${level} ${message} ${JSON.stringify(fields ?? {})}`),
      fail: (error) => {
        if (life.alive) this.fail(self, error);
      },
      restart: (why) => {
        if (!life.alive) return;
        this.restarts.push({ self, why });
        this.kill(self);
      },
    });
    this.#lives[self] = life;
    life.replica.start();
  }

  /** SIGKILL at one instant: nothing more comes of them, and their locks are free. */
  kill(...selves: ReplicaId[]): void {
    this.#end(selves);
    if (this.pipe.connections > 0) this.pipe.cut();
  }

  /** SIGKILL, and started again before the peer noticed anything. */
  async restart(self: ReplicaId): Promise<void> {
    this.#end([self]);
    this.start(self);
    await this.clock.advance(0);
    this.pipe.cut();
  }

  /**
   * The machine dies with everything on it but the store, and is started again.
   *
   * @param lost records at the end of the log that were not on the disk
   */
  machine(lost = 0): void {
    this.kill(...PAIR.names);
    const newest = this.files.list().at(-1);
    if (newest !== undefined && lost > 0) {
      const bytes = new Uint8Array((SEGMENT_RECORDS + 1) * RECORD_BYTES);
      const length = this.files.open(newest)!.read(bytes);
      this.files.remove(newest);
      this.files.create(newest, bytes.subarray(0, length - lost * RECORD_BYTES));
    }
    this.#boot++;
    this.clock.bootedMs = this.clock.monotonic();
  }

  /** The link breaks and stays so. */
  cut(): void {
    this.pipe.closed = true;
    this.pipe.cut();
  }

  heal(): void {
    this.pipe.closed = false;
  }

  /** Somebody deletes the file of a lock that is held. */
  replaceLock(name: string): void {
    this.#locks.delete(name);
  }

  /** Stops one in good order; its process goes on and does nothing. @returns whether it was clean, and how long it took */
  async stop(self: ReplicaId): Promise<{ clean: boolean; ms: number }> {
    const startMs = this.clock.monotonic();
    let ended: { clean: boolean; ms: number } | undefined;
    void this.#lives[self]!.replica.stop().then((clean) => ended = { clean, ms: this.clock.monotonic() - startMs });
    await this.clock.advance(2 * STOP_MS);
    return ended!;
  }

  /** Hands a payment in, and lets time go by until it is answered. */
  async accept(replica: Replica, id = ID, cents = 1990): Promise<Acceptance> {
    const acceptance = replica.accept(id, cents);
    await this.clock.advance(SOON_MS);
    return await acceptance;
  }

  /** The kinds of all facts that one has folded about a payment, or about all; void ones in brackets. */
  history(self: ReplicaId, id = ID): string[] {
    const about = this.folded.filter((it) => it.self === self && (!("id" in it.fact) || it.fact.id === id));
    return about.map(({ fact: { kind }, holds }) => holds ? kind : `(${kind})`);
  }

  #end(selves: readonly ReplicaId[]): void {
    for (const self of selves) {
      const life = this.#lives[self];
      if (!life) continue;
      life.alive = false;
      this.#locks.drop(life);
    }
  }

  #settings(self: ReplicaId): ReplicaSettings {
    return {
      ...{
        self,
        roster: PAIR,
        ack: this.#options.ack,
        patienceMs: 1_000,
        slowMs: 500,
        maxInFlight: 10,
        dispatchPerSecond: 800,
      },
      memory: { heap: Infinity, all: Infinity },
      ...{ queueMax: 1_000, requestTimeoutMs: 1_000, horizonMs: HORIZON_MS, recallMs: RECALL_MS, stopMs: STOP_MS },
      ...{ storeIntervalMs: 0, segmentsMax: 1_000, segmentRecords: SEGMENT_RECORDS, rereads: 2 },
      ...this.#options.settings,
    };
  }

  #clock(life: Life): Clock {
    return {
      now: () => this.clock.now(),
      monotonic: () => this.clock.monotonic(),
      uptime: () => this.clock.uptime(),
      after: (ms, action) => this.clock.after(ms, () => life.alive && action()),
      soon: (action) => this.clock.soon(() => life.alive && action()),
    };
  }

  #client(by: ReplicaId, life: Life): ProcessorClient {
    return {
      pay: async (processor, order) => {
        if (!life.alive) return never();
        const { id, requestedAt } = order;
        this.paid.push({ by, id, processor, requestedAt, atMs: this.clock.monotonic() });
        const outcome = await this.answer(order, processor);
        return life.alive ? outcome : never();
      },
      lookup: async (processor, id) => {
        if (!life.alive) return never();
        this.asked.push({ by, id, processor, atMs: this.clock.monotonic() });
        const lookup = await this.find(id, processor);
        return life.alive ? lookup : never();
      },
      health: () => Promise.resolve(undefined),
    };
  }

  #lock(life: Life): Locks {
    return { tryAcquire: (name) => life.alive ? this.#locks.of(life).tryAcquire(name) : undefined };
  }

  /** The log's files as one process sees them; to a dead one nothing happens any more. */
  #files(self: ReplicaId, life: Life): SegmentFiles {
    const { files } = this;
    const open = (segment: number): SegmentFile | undefined => {
      const file = files.open(segment);
      return file && {
        append: (bytes) => {
          const interposed = this.interposed[self];
          delete this.interposed[self];
          interposed?.();
          return life.alive && !this.full ? file.append(bytes) : 0;
        },
        read: (into) => file.read(into),
        back: (bytes) => file.back(bytes),
        close: () => file.close(),
      };
    };
    return {
      list: () => files.list(),
      create: (segment, records) => life.alive && !this.full && files.create(segment, records),
      open,
      remove: (segment) => {
        if (life.alive) files.remove(segment);
      },
    };
  }

  #store(self: ReplicaId, life: Life): Store {
    const call = async <T>(answer: () => Promise<T>): Promise<T> => {
      if (!life.alive) return never();
      if (!this.reaches[self]) throw new StoreError("unavailable", "the store is not there");
      const value = await answer();
      return life.alive ? value : never();
    };
    return {
      stored: () => call(() => this.store.stored()),
      load: (visit) => call(() => this.store.load((payment) => life.alive && visit(payment))),
      write: (move) => call(() => this.store.write(move)),
    };
  }
}

/** A transport that ends with its process. */
function mortal(transport: Transport, life: Life): Transport {
  type Open = Parameters<Transport["listen"]>[0];
  const wrap = (open: Open): Open => (channel) => {
    const listener = open({
      send: (bytes) => void (life.alive && channel.send(bytes)),
      close: () => void (life.alive && channel.close()),
      get backlog() {
        return channel.backlog;
      },
    });
    return {
      received: (bytes) => void (life.alive && listener.received(bytes)),
      closed: () => void (life.alive && listener.closed()),
    };
  };
  return {
    listen: (open) => transport.listen(wrap(open)),
    dial: (peer, open) => life.alive ? transport.dial(peer, wrap(open)) : Promise.resolve(false),
    close: () => transport.close(),
  };
}
