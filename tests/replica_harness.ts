/** Two whole replicas on one virtual clock: a link that can be cut, locks, one store, a processor that books. @module */
import { compareFacts, type Fact, type ReplicaId } from "../src/payment/fact.ts";
import { Decoder, type Frame } from "../src/peer/frame.ts";
import type { Transport } from "../src/peer/transport.ts";
import type { Clock } from "../src/clock.ts";
import type { Lock } from "../src/membership/lock.ts";
import type { AckLevel } from "../src/api/service.ts";
import type { Attempt, Lookup, Outcome, ProcessorClient } from "../src/routing/processor_client.ts";
import { type Opened, type Store, StoreError } from "../src/store/store.ts";
import type { Processor } from "../src/payment/fact.ts";
import { Replica } from "../src/replica.ts";
import { Pipe } from "./peer/pipe.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

export const REQUEST_TIMEOUT_MS = 10_000;
export const RECALL_MS = 60_000;
/** Longer than anything takes between two replicas that are well. */
export const SOON_MS = 500;

/** Ids whose home is replica a, and replica b. */
export const OF = { a: "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b2", b: "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3" } as const;

const never = <T>() => new Promise<T>(() => {});

/** What both replicas store into. */
export class SharedStore {
  readonly rows = new Map<string, Fact>();
  state: Opened["state"] = "clean";
  epoch = 0;
  /** who said that it stops in good order */
  readonly goodbyes: ReplicaId[] = [];
  /** who is answered; the others find it unavailable */
  readonly reaches = { a: true, b: true };
  /** a write waits for it, while there is one */
  gate: Promise<void> | undefined;
  /** reading waits for it, while there is one */
  loadGate: Promise<void> | undefined;

  /** The store as one process sees it. */
  of(self: ReplicaId, alive: () => boolean): Store {
    const call = async <T>(answer: () => T | Promise<T>): Promise<T> => {
      if (!alive()) return never();
      if (!this.reaches[self]) throw new StoreError("unavailable", "the store is not there");
      const value = await answer();
      return alive() ? value : never();
    };
    return {
      open: () => call(() => ({ epoch: this.epoch, state: this.state })),
      load: (visit) =>
        call(async () => {
          const rows = [...this.rows.values()];
          await this.loadGate;
          if (alive()) visit(rows);
        }),
      write: (epoch, facts) =>
        call(async () => {
          await this.gate;
          if (!alive()) return never();
          for (const fact of epoch < this.epoch ? [] : facts) this.#keep(fact);
          return this.epoch = Math.max(epoch, this.epoch);
        }),
      purge: (epoch) => call(() => void (this.epoch = Math.max(epoch, this.epoch))),
      close: (clean) => {
        if (clean) this.goodbyes.push(self);
        return Promise.resolve();
      },
    };
  }

  #keep(fact: Fact): void {
    const known = this.rows.get(fact.id);
    if (!known || compareFacts(fact, known) > 0) this.rows.set(fact.id, fact);
  }
}

/** A life of a replica. */
interface Process {
  readonly replica: Replica;
  alive: boolean;
}

export interface PairOptions {
  readonly ack?: AckLevel;
  readonly store?: boolean;
  readonly peer?: boolean;
}

/** A cluster in which nothing happens by itself. */
export class Pair {
  readonly clock = new VirtualClock();
  readonly store = new SharedStore();
  readonly pipe = new Pipe(this.clock);
  readonly notes = new Map<string, string>();
  readonly #holders = new Map<string, Process>();
  /** calls to processors, in order */
  readonly paid: { readonly by: ReplicaId; readonly id: string; readonly processor: Processor }[] = [];
  readonly asked: string[] = [];
  /** what each replica's witness is told: who, what, and the stage */
  readonly witnessed: string[] = [];
  /** how the processors answer */
  answer: (attempt: Attempt) => Outcome | Promise<Outcome> = () => ({ kind: "booked" });
  find: (id: string) => Lookup = () => ({ kind: "absent" });
  /** frames of these types are lost on their way */
  readonly lost = new Set<Frame["type"]>();
  /** milliseconds by which the wall clock was set */
  skewMs = 0;
  readonly #lives: Partial<Record<ReplicaId, Process>> = {};
  readonly #options: Required<PairOptions>;

  constructor({ ack = "peer", store = true, peer = true }: PairOptions = {}) {
    this.#options = { ack, store, peer };
  }

  /** Starts both and waits until they are linked. */
  static async started(options: PairOptions = {}): Promise<Pair> {
    const pair = new Pair(options);
    pair.start("a");
    if (pair.#options.peer) pair.start("b");
    await pair.clock.advance(SOON_MS);
    return pair;
  }

  get a(): Replica {
    return this.#lives.a!.replica;
  }

  get b(): Replica {
    return this.#lives.b!.replica;
  }

  start(self: ReplicaId): void {
    const process = { alive: true } as { alive: boolean; replica: Replica };
    const alive = () => process.alive;
    const { ack, store, peer } = this.#options;
    const clock: Clock = {
      now: () => this.clock.now() + this.skewMs,
      monotonic: () => this.clock.monotonic(),
      after: (ms, action) => this.clock.after(ms, () => alive() && action()),
      soon: (action) => this.clock.soon(() => alive() && action()),
    };
    process.replica = new Replica({
      ...{ self, ack, patienceMs: 1_000, slowMs: 500, maxInFlight: 10, dispatchPerSecond: 800, queueMax: 1_000 },
      ...{ requestTimeoutMs: REQUEST_TIMEOUT_MS, recallMs: RECALL_MS, drainMs: 100 },
      ...{ batchMax: 100, intervalMs: 0, backlogMax: 1_000 },
    }, {
      ...{ clock, random: () => 0.5, client: this.#client(self, alive), lock: this.#lock(process) },
      ...peer && { transport: this.#mortal(self === "a" ? this.pipe.listening : this.pipe.dialling, alive) },
      ...store && { store: this.store.of(self, alive) },
      incarnation: crypto.randomUUID(),
      witness: {
        did: ({ id, stage }) => this.witnessed.push(`${self} did ${stage} ${id}`),
        heard: ({ id, stage }) => this.witnessed.push(`${self} heard ${stage} ${id}`),
        forgot: () => this.witnessed.push(`${self} forgot`),
      },
      log: () => {},
      fail: (error) => {
        throw error;
      },
    });
    this.#lives[self] = process;
    process.replica.start();
  }

  /**
   * SIGKILL: nothing more comes of it, its locks are free and its notes stay.
   *
   * @param noticed whether the peer is told that the connection has ended
   */
  kill(self: ReplicaId, noticed = true): void {
    const process = this.#lives[self]!;
    process.alive = false;
    for (const [name, holder] of this.#holders) if (holder === process) this.#holders.delete(name);
    if (noticed && this.pipe.connections > 0) this.pipe.cut();
  }

  /** The link breaks and stays so. */
  cut(): void {
    this.pipe.closed = true;
    this.pipe.cut();
  }

  heal(): void {
    this.pipe.closed = false;
  }

  /** Stops one in good order; its process then ends. */
  async stop(self: ReplicaId): Promise<boolean> {
    const stopping = this.#lives[self]!.replica.stop();
    await this.clock.advance(10_000);
    const clean = await stopping;
    this.kill(self);
    return clean;
  }

  #client(by: ReplicaId, alive: () => boolean): ProcessorClient {
    return {
      pay: async (processor, attempt) => {
        if (!alive()) return never();
        this.paid.push({ by, id: attempt.id, processor });
        return await this.answer(attempt);
      },
      lookup: (_, id) => {
        this.asked.push(id);
        return Promise.resolve(this.find(id));
      },
      health: () => Promise.resolve(undefined),
    };
  }

  #lock(process: Process): Lock {
    return {
      tryAcquire: (name) => {
        if (!process.alive || this.#holders.has(name)) return undefined;
        this.#holders.set(name, process);
        const mine = () => process.alive && this.#holders.get(name) === process;
        return {
          left: this.notes.get(name) ?? "",
          write: (note) => void (mine() && this.notes.set(name, note)),
          release: () => {
            if (!mine()) return;
            this.notes.set(name, "");
            this.#holders.delete(name);
          },
        };
      },
    };
  }

  /** A transport that ends with its process. */
  #mortal(transport: Transport, alive: () => boolean): Transport {
    type Open = Parameters<Transport["listen"]>[0];
    const wrap = (open: Open): Open => (channel) => {
      const listener = open({
        send: (bytes) => {
          const [frame] = new Decoder().push(bytes);
          if (alive() && !this.lost.has(frame!.type)) channel.send(bytes);
        },
        close: () => void (alive() && channel.close()),
        get backlog() {
          return channel.backlog;
        },
      });
      return {
        received: (bytes) => void (alive() && listener.received(bytes)),
        closed: () => void (alive() && listener.closed()),
      };
    };
    return {
      listen: (open) => transport.listen(wrap(open)),
      dial: (open) => alive() ? transport.dial(wrap(open)) : Promise.resolve(false),
      close: () => transport.close(),
    };
  }
}
