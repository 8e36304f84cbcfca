/** Everything outside the replicas, and the replicas themselves: one run on virtual time. @module */
import { type Processor, PROCESSORS, type ReplicaId, REPLICAS } from "../../src/payment/fact.ts";
import { Replica } from "../../src/replica.ts";
import { AckChecker } from "./check_acks.ts";
import { ChargeChecker } from "./check_charges.ts";
import { FoldChecker } from "./check_fold.ts";
import { SummaryChecker } from "./check_summary.ts";
import { SimulatedClient } from "./client.ts";
import { VirtualClock, Wall } from "./clock.ts";
import { Ledger } from "./ledger.ts";
import { Life } from "./life.ts";
import { Locks } from "./locks.ts";
import { Network } from "./network.ts";
import type { Plan } from "./plan.ts";
import { Prng } from "./prng.ts";
import { SimulatedProcessor } from "./processor.ts";
import { Database } from "./store.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";

/** A promise that was not kept. */
export interface Violation {
  readonly check: string;
  readonly message: string;
  readonly ms: number;
}

/** A replica that was started, and the process it runs in. */
export interface Running {
  readonly life: Life;
  readonly replica: Replica;
  /** lives of the peer that it was linked with */
  readonly linkedWith: Set<Life>;
  linked: boolean;
  /** it is to be started again as soon as it has ended */
  succeeded: boolean;
}

/** The world of one run. */
export class World {
  readonly timeline = new Timeline();
  readonly wall = new Wall(this.timeline);
  readonly prng: Prng;
  readonly trace: Trace;
  readonly settings: Plan["settings"];
  readonly http: { -readonly [K in keyof Plan["http"]]: Plan["http"][K] };
  readonly processors: Readonly<Record<Processor, SimulatedProcessor>>;
  readonly network: Network;
  readonly database: Database | undefined;
  readonly locks = new Locks();
  readonly ledger = new Ledger();
  readonly charges = new ChargeChecker(this);
  readonly acks = new AckChecker(this);
  readonly summaries = new SummaryChecker(this);
  readonly folds = new FoldChecker(this);
  readonly faults = new Map<string, number>();
  /** every replica that ever ran */
  readonly started: Running[] = [];
  /** the one that runs, or ran last, under each name */
  readonly running: Partial<Record<ReplicaId, Running>> = {};
  /** counts the times that everything was forgotten, since epochs begin anew then */
  era = 0;
  /** when the link or a replica was last disturbed, in milliseconds */
  disturbedMs = -1;
  violation: Violation | undefined;
  /** everything is done: nobody calls any more */
  closing = false;
  #lives = 0;

  constructor(readonly plan: Plan, recording: boolean) {
    this.prng = new Prng(plan.seed * 2 + 1);
    this.trace = new Trace(recording);
    this.settings = plan.settings;
    this.http = { ...plan.http };
    this.processors = {
      default: new SimulatedProcessor("default", this),
      fallback: new SimulatedProcessor("fallback", this),
    };
    for (const processor of Object.values(this.processors)) {
      processor.runningMax = plan.limiter.running;
      processor.waitingMax = plan.limiter.waiting;
    }
    this.network = new Network(this, this.prng.fork(), { ...plan.network });
    if (plan.store) this.database = new Database(this, this.prng.fork(), { ...plan.storeFaults });
  }

  /** The replicas of this run. */
  get names(): readonly ReplicaId[] {
    return REPLICAS.slice(0, this.plan.replicas);
  }

  /** Those whose process is alive. */
  get living(): Running[] {
    return Object.values(this.running).filter(({ life }) => life.alive);
  }

  /** Notes what happened to, or by, a process. */
  note(what: string, life: Life | undefined, first: number, second = 0, text?: () => string): void {
    const who = life ? `${life.replica}${life.number}` : "";
    this.trace.note(
      this.timeline.ms,
      what,
      [life?.number ?? 0, first, second],
      () => `${who} ${text?.() ?? `${first} ${second}`}`,
    );
  }

  /** A fault happens: counts it and hands `value` through. */
  fault(kind: string, value: number): number {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    this.trace.note(this.timeline.ms, kind, [value]);
    return value;
  }

  /** A promise was not kept: the first one ends the run. */
  violate(check: string, message: string): void {
    this.violation ??= { check, message, ms: this.timeline.ms };
  }

  booked(processor: Processor, id: string): void {
    this.note(
      "booked",
      undefined,
      this.ledger.payments.get(id)?.ordinal ?? -1,
      PROCESSORS.indexOf(processor),
      () => `${processor} ${id}`,
    );
    this.charges.booked(processor, id);
  }

  asksHealthTooOften(processor: Processor): void {
    this.violate("limits", `service-health of ${processor} was asked twice within its window`);
  }

  /** Starts a replica that is not running. */
  start(name: ReplicaId): void {
    const last = this.running[name];
    if (last?.life.alive) {
      // it is about to stop: its successor waits for that
      last.succeeded = true;
      return;
    }
    const { plan, timeline, wall, prng } = this;
    const life = new Life(name, ++this.#lives);
    const linkedWith = new Set<Life>();
    const replica = new Replica({ ...this.settings, self: name }, {
      clock: new VirtualClock(timeline, wall, life, () => plan.lagMs * prng.float()),
      random: prng.fork().float,
      client: new SimulatedClient(this, life, this.settings.requestTimeoutMs),
      lock: this.locks.of(life),
      ...plan.replicas === 2 && { transport: this.network.of(life) },
      ...this.database && { store: this.database.of(life) },
      incarnation: prng.uuid(),
      log: (_, message, fields) => this.#log(life, message, fields),
      fail: (error) => this.violate("invariants", String(error)),
    });
    this.folds.follow(replica.book);
    const running = { life, replica, linkedWith, linked: false, succeeded: false };
    this.running[name] = running;
    this.started.push(running);
    life.doom(Infinity, () => this.#died(life));
    this.note("start", life, 0);
    replica.start();
  }

  /** Kills a process between two of its effects, the `after`-th from now, or at the latest in a moment. */
  kill(name: ReplicaId, after: number): void {
    const life = this.running[name]?.life;
    if (!life?.alive) return;
    if (after === 0) return life.die();
    life.doom(after, () => this.#died(life));
    this.timeline.in(10, () => life.die());
  }

  pause(name: ReplicaId, ms: number): void {
    const life = this.running[name]?.life;
    if (!life?.alive || life.paused) return;
    this.fault("pause", ms);
    this.disturbedMs = Infinity;
    life.pause();
    this.timeline.in(ms, () => this.resume(name));
  }

  resume(name: ReplicaId): void {
    const life = this.running[name]?.life;
    if (!life?.paused) return;
    this.note("resume", life, 0);
    // each in a turn of its own, as the event loop does
    for (const action of life.resume()) this.timeline.in(0, () => life.hear(action));
    this.network.wake();
    this.disturbedMs = this.timeline.ms;
  }

  /** Asks a replica to stop in good order; it ends when it is ready, or is killed after a while. */
  stop(name: ReplicaId): void {
    const running = this.running[name];
    if (!running?.life.alive) return;
    const { life, replica } = running;
    this.fault("restart", 0);
    life.hear(() => {
      replica.stop().then((clean) => {
        this.note("stopped", life, Number(clean));
        life.die();
      });
    });
    this.timeline.in(this.settings.drainMs + 3_000, () => life.die());
  }

  #died(life: Life): void {
    if (this.running[life.replica]!.succeeded) this.timeline.in(5, () => this.start(life.replica));
    this.note("died", life, life.effects);
    this.disturbedMs = this.timeline.ms;
    this.charges.died(life);
    this.acks.died(life);
    // the kernel closes files and sockets in no order that can be relied on
    this.timeline.in(this.prng.between(0, 2), () => this.locks.drop(life));
    this.timeline.in(this.prng.between(0, 2), () => this.network.drop(life));
  }

  #log(life: Life, message: string, fields?: Record<string, unknown>): void {
    if (!life.alive) return;
    this.note("log", life, message.length, 0, () => `${message} ${fields ? JSON.stringify(fields) : ""}`);
    const running = this.running[life.replica]!;
    if (message === "the peer is linked") {
      running.linked = true;
      const peer = this.running[life.replica === "a" ? "b" : "a"];
      if (peer) {
        running.linkedWith.add(peer.life);
        if (peer.linkedWith.has(life)) this.disturbedMs = this.timeline.ms;
      }
    } else if (message === "the peer is lost") {
      running.linked = false;
      this.disturbedMs = this.timeline.ms;
    }
  }
}
