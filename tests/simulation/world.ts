/** Everything outside the replicas, and the replicas themselves: one run on virtual time. @module */
import { RecordBuffer } from "../../src/ledger/record.ts";
import { type Processor, PROCESSORS, type ReplicaId } from "../../src/payment/fact.ts";
import { Roster } from "../../src/payment/roster.ts";
import { Replica } from "../../src/replica.ts";
import type { FilePorts } from "../../src/file_log.ts";
import type { StreamPorts } from "../../src/stream_log.ts";
import { MemoryLocks } from "../membership/memory_locks.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Asked } from "./asked.ts";
import { AckChecker } from "./check_acks.ts";
import { ChargeChecker } from "./check_charges.ts";
import { LogChecker } from "./check_log.ts";
import { SummaryChecker } from "./check_summary.ts";
import { SimulatedClient } from "./client.ts";
import { clockOf, HOPS } from "./clock.ts";
import { Disk, type Loss } from "./disk.ts";
import { Engine } from "./engine.ts";
import { Life } from "./life.ts";
import { POLL_MS } from "../../src/membership/health_poller.ts";
import { Network } from "./network.ts";
import { type Plan, TOLD } from "./plan.ts";
import { Prng } from "./prng.ts";
import { SimulatedProcessor } from "./processor.ts";
import { Database } from "./store.ts";
import { Trace } from "./trace.ts";
import { Truth } from "./truth.ts";
import { Callers } from "./workload.ts";

/** The replicas. Earlier versions did not know a third name, so only the roster has it. */
const NAMES = ["a", "b", "third"];
/** Longest until a dead replica is started again, in milliseconds. */
const DEAD_MS = 2_500;
/** Longest that a stream which lost messages is there, in milliseconds. */
const SHORTENED_MS = 10_000;
/** Effects of a start within which some die again. */
const STARTING_EFFECTS = 25;

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
}

/** The world of one run. */
export class World {
  readonly clock = new VirtualClock(undefined, HOPS);
  /** the number of this boot of the machine */
  boot = 1;
  readonly roster: Roster;
  readonly prng: Prng;
  readonly trace: Trace;
  readonly settings: Plan["settings"];
  readonly http: { -readonly [K in keyof Plan["http"]]: Plan["http"][K] };
  readonly processors: Readonly<Record<Processor, SimulatedProcessor>>;
  readonly network: Network;
  readonly disk: Disk;
  /** what keeps the log where every replica is on a host of its own */
  readonly engine: Engine | undefined;
  readonly database: Database | undefined;
  readonly locks = new MemoryLocks<Life>();
  readonly asked = new Asked();
  readonly truth = new Truth(this);
  readonly charges = new ChargeChecker(this);
  readonly acks = new AckChecker(this);
  readonly summaries = new SummaryChecker(this);
  readonly logs = new LogChecker(this);
  readonly callers: Callers;
  readonly faults = new Map<string, number>();
  /** what followed */
  readonly seen = new Map<string, number>();
  /** the one that runs, or ran last, under each name */
  readonly running: Record<ReplicaId, Running> = {};
  /** ids that a replica is being asked to take at this very moment */
  readonly calling = new Set<string>();
  violation: Violation | undefined;
  /** a replica that died for good */
  left: ReplicaId | undefined;
  /** faults are over */
  calm = false;
  /** everything is done: no caller comes any more */
  closing = false;
  /** until when hosts are down, in milliseconds */
  readonly #downUntilMs: Record<ReplicaId, number> = {};
  /** the stream that has lost messages last */
  #shortened: string | undefined;
  /** how many messages it had left */
  #shortenedTo = 0;
  #lives = 0;
  #overtaking = false;

  constructor(readonly plan: Plan, recording: boolean) {
    this.clock.bootedMs = -60_000;
    this.roster = new Roster(NAMES.slice(0, plan.replicas));
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
    this.disk = new Disk(this, this.prng.fork(), { ...plan.disk });
    this.engine = plan.engine && new Engine(this, this.prng.fork(), { ...plan.engine });
    if (this.engine) this.engine.replaced = () => this.loseStream();
    if (plan.store) this.database = new Database(this, this.prng.fork(), { ...plan.storeFaults });
    this.callers = new Callers(this);
  }

  /** The replicas of this run. */
  get names(): readonly ReplicaId[] {
    return this.roster.names;
  }

  /** Whether the log still has what a process has read: false from the loss of a stream until that is noticed. */
  isSound(life: Life): boolean {
    return !this.engine || !this.isShortened && this.engine.isSound(life);
  }

  /** Whether the stream lacks messages that it had; not every replica can know. */
  get isShortened(): boolean {
    return this.#shortened !== undefined && this.engine!.stream?.id === this.#shortened;
  }

  /** Those whose process is alive. */
  get living(): Running[] {
    return Object.values(this.running).filter(({ life }) => life.alive);
  }

  /** Notes what happened to a process, or what it did. */
  note(what: string, life: Life | undefined, first: number, second = 0, text?: () => string): void {
    this.trace.note(this.clock.monotonic(), what, life?.number ?? 0, first, second, () => {
      const who = life ? `${life.replica}${life.number}` : "";
      return `${who} ${text?.() ?? `${first} ${second}`}`;
    });
  }

  /** A fault happens: counts it and hands `value` through. */
  fault(kind: string, value: number): number {
    return this.#count(this.faults, kind, value);
  }

  /** Something follows from faults that is worth knowing how often. */
  saw(kind: string, value: number): number {
    return this.#count(this.seen, kind, value);
  }

  /** The engine's stream has one more message. */
  committed(): void {
    this.truth.follow();
  }

  /** A promise was not kept: the first one ends the run. */
  violate(check: string, message: string): void {
    this.violation ??= { check, message, ms: this.clock.monotonic() };
  }

  booked(processor: Processor, id: string): void {
    const ordinal = this.asked.get(id)?.ordinal ?? -1;
    this.note("booked", undefined, ordinal, PROCESSORS.indexOf(processor), () => `${processor} ${id}`);
    this.charges.booked(processor, id);
  }

  /** Whether both processors refuse this payment. */
  isPoison(id: string): boolean {
    return parseInt(id.slice(0, 8), 16) < this.http.poison * 2 ** 32;
  }

  asksHealthTooOften(processor: Processor): void {
    // a replica that stands still after its claim asks late: no harm, the answer is 429
    if (this.engine) return void this.saw("health-too-often", 0);
    this.violate("limits", `service-health of ${processor} was asked twice within its window`);
  }

  /** Starts a replica that is not running. */
  start(name: ReplicaId): void {
    if (this.running[name]?.life.alive || name === this.left) return;
    const { plan, clock, prng, calm } = this;
    const downMs = Math.max(-clock.uptime(), (this.#downUntilMs[name] ?? 0) - clock.monotonic());
    if (downMs > 0) return void clock.after(downMs + prng.between(1, 20), () => this.start(name));
    const life = new Life(name, ++this.#lives, () => this.#died(life));
    const { horizonMs, recallMs } = this.settings;
    const told = { horizonMs: horizonMs * TOLD.horizon, recallMs: recallMs * TOLD.recall, rereads: TOLD.rereads };
    const replica = new Replica({ ...this.settings, ...told, self: name, roster: this.roster }, {
      clock: clockOf(clock, life, () => plan.lagMs * prng.float()),
      random: prng.fork().float,
      client: new SimulatedClient(this, life, this.settings.requestTimeoutMs),
      ...this.#logPorts(life),
      uuid: () => prng.uuid(),
      ...plan.replicas > 1 && { transport: this.network.of(life) },
      ...this.database && { store: this.database.of(life) },
      observers: [{
        folded: () => {
          const { ledger } = replica;
          if (ledger && this.isSound(life)) this.logs.folded(life, ledger);
        },
      }],
      say: (_, message, fields) => this.#log(life, message, fields),
      fail: (error) => {
        if (!life.alive) return;
        // after a stream has lost messages, replicas that had read them differ from others
        if (this.living.some(({ life, replica }) => replica.ledger && !this.isSound(life))) life.die();
        else {
          this.violate("invariants", error instanceof Error ? error.stack ?? error.message : String(error));
        }
      },
      restart: (why) => {
        if (!life.alive) return;
        this.note("restart asked", life, this.saw("restart-asked", 0), 0, () => why);
        life.die();
      },
    });
    this.running[name] = { life, replica };
    this.note("start", life, 0);
    if (!calm && prng.chance(plan.dieStarting)) {
      life.doom(this.fault("death-in-start", prng.whole(1, STARTING_EFFECTS)));
    }
    life.hear(() => replica.start());
  }

  #logPorts(life: Life): FilePorts | StreamPorts {
    const { engine } = this;
    if (!engine) return { locks: this.locks.of(life, life.may), files: this.disk.of(life), boot: this.boot };
    const host = this.hostOf(life.replica);
    return {
      streams: engine.of(life, host),
      claimHealth: (processor) => engine.claim(life, host, processor, POLL_MS),
    };
  }

  /** The number of a replica's host. */
  hostOf(name: ReplicaId): number {
    return this.names.indexOf(name);
  }

  /** A host reaches no other for a while, but its callers, the processors and Postgres. */
  cutOff(name: ReplicaId, ms: number): void {
    this.network.severed.add(name);
    this.engine!.cutOff(this.hostOf(name));
    this.clock.after(ms, () => this.heal(name));
  }

  heal(name: ReplicaId): void {
    this.network.severed.delete(name);
    this.engine!.heal(this.hostOf(name));
    this.network.wake();
  }

  /** A host dies with its replica and its server of the engine, and is there again after a while. */
  killHost(name: ReplicaId, downMs: number): void {
    this.#downUntilMs[name] = this.clock.monotonic() + downMs;
    this.engine!.kill(this.hostOf(name));
    this.running[name]?.life.die();
    this.clock.after(downMs, () => this.engine!.revive(this.hostOf(name)));
  }

  /** The stream is lost, and with it what only it had. */
  loseStream(): void {
    this.truth.catchUp();
    this.acks.logLost(() => true);
    if (this.isShortened) {
      this.#forgetPromises();
      this.#forgetPurged();
    }
    this.truth.forget();
    this.logs.forget();
  }

  /** The stream loses its last messages; replicas that have read them notice after a while. In the end it is lost. */
  shortenStream(count: number): void {
    const { engine, clock } = this;
    this.loseStream();
    this.#forgetPromises();
    engine!.shorten(count);
    this.#shortened = engine!.stream!.id;
    this.#shortenedTo = engine!.stream!.all.length;
    clock.after(SHORTENED_MS, () => this.endShortened());
  }

  /** A stream that lacks messages is lost. */
  endShortened(): void {
    if (!this.isShortened) return;
    this.loseStream();
    this.engine!.delete();
  }

  /** A purge that nobody could follow has forgotten what was acknowledged before. */
  #forgetPurged(): void {
    const record = new RecordBuffer(this.roster);
    const isPurge = ({ bytes }: { readonly bytes: Uint8Array }) => {
      record.bytes.set(bytes);
      return record.read().kind === "purged";
    };
    if (!this.engine!.stream!.all.slice(this.#shortenedTo).some(isPurge)) return;
    for (const payment of this.asked.payments.values()) payment.acks = [];
  }

  /** Which payments only the lost messages had, and which came in while nobody could follow the stream, nobody can tell. */
  #forgetPromises(): void {
    for (const payment of this.asked.payments.values()) payment.lostMs = this.clock.monotonic();
  }

  /** Kills a process between two of its effects, the `after`-th from now, or at the latest in a moment. */
  kill(name: ReplicaId, after: number): void {
    const life = this.running[name]?.life;
    if (!life?.alive) return;
    if (after === 0) return life.die();
    life.doom(after);
    this.clock.after(10, () => life.die());
  }

  /** The machine dies with every process, and is there again after `downMs` milliseconds. */
  crash(downMs: number): void {
    for (const { life } of this.living) life.die();
    this.boot++;
    this.clock.bootedMs = this.clock.monotonic() + downMs;
  }

  /** All processes are dead, and something happens to the log before they are started again. */
  lose(loss: Loss): void {
    for (const { life } of this.living) life.die();
    this.truth.catchUp();
    const isLost = this.disk.lose(loss);
    this.note("lost", undefined, this.fault(`log-${loss}`, 0));
    if (loss === "none") return this.acks.begunAnew();
    this.acks.logLost(isLost);
    this.truth.forget();
    this.logs.forget();
  }

  pause(name: ReplicaId, ms: number): void {
    const life = this.running[name]?.life;
    if (!life?.alive || life.paused) return;
    this.fault("pause", ms);
    life.pause();
    this.clock.after(ms, () => this.resume(name));
  }

  resume(name: ReplicaId): void {
    const life = this.running[name]?.life;
    if (!life?.paused) return;
    this.note("resume", life, 0);
    // each in a turn of its own, as the event loop does
    for (const action of life.resume()) this.clock.after(0, () => life.hear(action));
    this.network.wake();
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
    this.clock.after(this.settings.stopMs + 3_000, () => life.die());
  }

  /** The other process may be given a turn in the middle of what this one does. */
  overtake(life: Life): void {
    const { prng, faults: { overtaken } } = this.disk;
    if (this.#overtaking || this.calm || !prng.chance(overtaken)) return;
    const others = this.living.filter((other) => other.life.replica !== life.replica && !other.life.paused);
    const other = others[others.length > 1 ? prng.whole(0, others.length - 1) : 0];
    if (!other) return;
    this.#overtaking = true;
    this.fault("overtaken", 0);
    try {
      this.callers.overtake(other, prng);
    } catch (error) {
      this.violate("invariants", error instanceof Error ? error.stack ?? error.message : String(error));
    }
    this.#overtaking = false;
  }

  /** A process is dead, and is started again after a while. */
  #died(life: Life): void {
    const { prng, clock } = this;
    this.note("died", life, life.effects);
    this.charges.died(life);
    // the kernel closes files and sockets in no order that can be relied on
    clock.after(prng.between(0, 2), () => this.locks.drop(life));
    clock.after(prng.between(0, 2), () => this.network.drop(life));
    clock.after(this.calm ? 5 : prng.pick([5, 50, DEAD_MS]) * prng.float(), () => this.start(life.replica));
  }

  #count(counts: Map<string, number>, kind: string, value: number): number {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    this.trace.note(this.clock.monotonic(), kind, value, 0, 0);
    return value;
  }

  #log(life: Life, message: string, fields?: Record<string, unknown>): void {
    if (!life.alive) return;
    this.note("log", life, message.length, 0, () => `${message} ${fields ? JSON.stringify(fields) : ""}`);
  }
}
