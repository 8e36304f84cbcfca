/**
 * A run of a scenario on virtual time: the production replicas, with processors and callers that follow a small model.
 * @module
 */
import type { Summary } from "../../src/payment/book.ts";
import type { Cents } from "../../src/payment/money.ts";
import { type Processor, PROCESSORS } from "../../src/payment/fact.ts";
import { Totals } from "../../src/payment/totals.ts";
import type { Health, Lookup, Order, Outcome, ProcessorClient } from "../../src/routing/processor_client.ts";
import { ConcurrencyLimiter } from "../../src/local/standin_limits.ts";
import { Roster } from "../../src/payment/roster.ts";
import { Replica, type ReplicaSettings } from "../../src/replica.ts";
import { MemorySegments } from "../../tests/ledger/memory_segments.ts";
import { HOPS } from "../../tests/simulation/clock.ts";
import { Prng } from "../../tests/simulation/prng.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import type { ProcessorState, Scenario } from "../graded/scenario.ts";

/** What a processor takes beside its delay: at least this, and up to twice as much, in milliseconds. */
export const SERVICE_MS = 0.6;
/** From the booking to the router's hearing of it, in milliseconds. */
export const RETURN_MS = 0.3;
/** What a caller waits for its answer, in milliseconds. */
export const ANSWER_MS = 2;
/** How long after the last caller the books are read, in milliseconds, as the grader does. */
export const END_MS = 1_000;
/** Nothing dies here, no log is ever full, and small segments keep it quick to append to a log in memory. */
const SETTINGS = {
  ack: "log",
  memory: { heap: Infinity, all: Infinity },
  ...{ queueMax: 10_000_000, requestTimeoutMs: 10_000, horizonMs: 15_000, recallMs: 0, stopMs: 0 },
  ...{ storeIntervalMs: 0, segmentsMax: Infinity, segmentRecords: 256, rereads: 0 },
} as const;

/** What is varied: times in milliseconds. */
export type Policy = Pick<ReplicaSettings, "patienceMs" | "slowMs" | "maxInFlight" | "dispatchPerSecond">;

/** What a run came to. */
export interface Outturn {
  readonly booked: Readonly<Record<Processor, { readonly count: number; readonly cents: Cents }>>;
  readonly accepted: number;
  readonly audits: number;
  /** the sum of all differences that audits found, in payments */
  readonly inconsistencies: number;
  /** payments not settled, at the end of each second */
  readonly queue: readonly number[];
}

/** A processor that follows the model: a delay, a service time, a limit of calls. */
export class ModelProcessor {
  readonly #booked = new Map<string, Order>();
  readonly #limiter = new ConcurrencyLimiter();
  totals = new Totals();
  state: ProcessorState = { delayMs: 0, failing: false };

  constructor(private readonly clock: VirtualClock, private readonly prng: Prng) {}

  async pay(order: Order): Promise<Outcome> {
    const place = this.#limiter.enter();
    if (!place) return { kind: "refused", why: "processor-full" };
    await place;
    await this.#pause(this.state.delayMs + SERVICE_MS * (1 + this.prng.float()));
    const outcome = this.#conclude(order);
    this.#limiter.leave();
    await this.#pause(RETURN_MS);
    return outcome;
  }

  lookup(id: string): Lookup {
    const booked = this.#booked.get(id);
    return booked ? { kind: "found", ...booked } : { kind: "absent" };
  }

  #conclude(order: Order): Outcome {
    if (this.state.failing) return { kind: "refused-as-far-as-known" };
    if (this.#booked.has(order.id)) return { kind: "already-booked" };
    this.#booked.set(order.id, order);
    this.totals.add(order.requestedAt, order.cents);
    return { kind: "booked" };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }
}

/** Runs a scenario under a policy. The same seed gives the same run. */
export async function run(scenario: Scenario, policy: Policy, seed: number): Promise<Outturn> {
  const clock = new VirtualClock(undefined, HOPS);
  const prng = new Prng(seed);
  const processors = { default: new ModelProcessor(clock, prng), fallback: new ModelProcessor(clock, prng) };
  const client: ProcessorClient = {
    pay: (processor, order) => processors[processor].pay(order),
    lookup: (processor, id) => Promise.resolve(processors[processor].lookup(id)),
    health: (processor) => Promise.resolve(healthOf(processors[processor].state)),
  };
  const fail = (error: unknown) => {
    throw error;
  };
  // each has its half of the payments, its own log and its own view: what they send each other changes no route
  const replicas = (["a", "b"] as const).map((self) =>
    new Replica({ self, roster: new Roster([self]), ...policy, ...SETTINGS }, {
      ...{ clock, client, random: () => prng.float(), files: new MemorySegments(), boot: 1 },
      locks: { tryAcquire: () => ({ valid: true, release() {} }) },
      uuid: () => crypto.randomUUID(),
      ...{ say: () => {}, fail, restart: fail },
    })
  );
  for (const replica of replicas) replica.start();
  // a start takes a turn
  await clock.pass(1);
  let accepted = 0;
  drive(scenario, clock, processors, () => {
    void replicas[accepted % 2]!.accept(idOf(++accepted), scenario.amount);
  });
  const endMs = 1_000 * scenario.durationSeconds;

  const queue: number[] = [];
  for (let second = 1; second <= scenario.durationSeconds; second++) {
    clock.after(
      1_000 * second,
      () => queue.push(replicas.reduce((sum, replica) => sum + replica.readiness().pending, 0)),
    );
  }
  let audits = 0;
  let inconsistencies = 0;
  const { everySeconds, fromSecondsAgo, toSecondsAgo, compare } = scenario.audit;
  for (let at = everySeconds; at <= scenario.durationSeconds; at += everySeconds) {
    clock.after(1_000 * at, () => {
      audits++;
      const window = [clock.now() - 1_000 * fromSecondsAgo, clock.now() - 1_000 * toSecondsAgo] as const;
      const differences = PROCESSORS.map((name) =>
        processors[name].totals.window(...window).count -
        replicas.reduce((sum, replica) => sum + (replica.summary(...window) as Summary)[name].count, 0)
      );
      inconsistencies += compare === "sum"
        ? Math.abs(differences[0]! + differences[1]!)
        : Math.abs(differences[0]!) + Math.abs(differences[1]!);
    });
  }
  await clock.pass(endMs + END_MS);
  const booked = { default: processors.default.totals.all, fallback: processors.fallback.totals.all };
  return { booked, accepted, audits, inconsistencies, queue };
}

/** Plans a scenario's outages and payments. */
export function drive(
  { outages, durationSeconds, users: { from, to }, thinkMs }: Scenario,
  clock: VirtualClock,
  processors: Readonly<Record<Processor, ModelProcessor>>,
  pay: () => void,
): void {
  for (const { atSeconds, ...states } of outages) {
    clock.after(1_000 * atSeconds, () => PROCESSORS.forEach((name) => processors[name].state = states[name]));
  }
  const endMs = 1_000 * durationSeconds;
  const call = () => {
    if (clock.monotonic() >= endMs) return;
    pay();
    clock.after(ANSWER_MS + thinkMs, call);
  };
  for (let user = 0; user < to; user++) {
    clock.after(user < from ? thinkMs * user / from : endMs * (user - from + 1) / (to - from), call);
  }
}

function healthOf({ failing, delayMs }: ProcessorState): Health {
  return { failing, minResponseMs: delayMs };
}

/** A UUID for the nth payment. */
export function idOf(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}
