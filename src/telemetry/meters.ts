/**
 * What one replica counts, as plain numbers: what happens to a payment adds one here and there, and everything else is
 * done when somebody asks.
 * @module
 */
import type { Fact, Processor, Reason, ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { Metrics, RequestMeter, Vitals } from "./metrics.ts";
import type { Payments } from "../api/service.ts";
import type { Outcome } from "../routing/processor_client.ts";
import { routeWait } from "./timed.ts";
import type { TimingName, Timings } from "./timings.ts";
import { BATCHES, Distribution, DURATIONS_S, WAITS_S } from "./distribution.ts";

/** How often the event loop's lag is looked at, in milliseconds. */
const LAG_EVERY_MS = 200;

/** The requests of one route, by the class of their status: 2 for 200 to 299. */
export class RouteMeter implements RequestMeter {
  readonly classes = new Float64Array(6);
  readonly durations = new Distribution(DURATIONS_S);
  inFlight = 0;

  constructor(readonly method: string, readonly path: string) {}

  begin(): number {
    this.inFlight++;
    return performance.now();
  }

  end(begun: number, status: number): number {
    const tookMs = performance.now() - begun;
    this.inFlight--;
    this.classes[Math.trunc(status / 100)]!++;
    this.durations.observe(tookMs / 1_000);
    return tookMs;
  }
}

/** Counts by processor and name; what may be named is there from the start, as 0. */
export type Counts = Record<Processor, Record<string, number>>;

const DECISIONS: readonly Reason[] = ["default-up", "default-slow", "default-full", "patience-over", "probe"];
const RELEASES: readonly Reason[] = ["refused", "processor-full", "unreachable", "rejected", "not-found"];
const OUTCOMES = ["booked", "already-booked", "processor-full", "unreachable", "rejected", "failed", "unknown"];

/** The production {@link Metrics}, and a {@link Timings} that costs next to nothing. */
export class Meters implements Metrics, Timings {
  readonly routes: RouteMeter[] = [];
  /** facts of this replica by reason */
  readonly dispatched = zeros(DECISIONS);
  readonly released = zeros(RELEASES);
  readonly settled: Record<Processor, number> = { default: 0, fallback: 0 };
  /** ends of calls by outcome */
  readonly calls = zeros(OUTCOMES);
  readonly callDurations: Record<Processor, Distribution> = {
    default: new Distribution(DURATIONS_S),
    fallback: new Distribution(DURATIONS_S),
  };
  /** of those names that are told; in seconds, but for `store-rows` */
  readonly distributions = {
    "route-wait": new Distribution(WAITS_S),
    "store-write": new Distribution(DURATIONS_S),
    "store-rows": new Distribution(BATCHES),
    "loop-lag": new Distribution(DURATIONS_S),
  };
  readonly #self: ReplicaId;
  readonly #version: string;
  #replica: { readonly payments: Payments; readonly vitals: () => Vitals } | undefined;
  #exposition: Promise<{ text(): Promise<string> }> | undefined;
  #watching: ReturnType<typeof setInterval> | undefined;

  /** @param version of the program */
  constructor(self: ReplicaId, version: string) {
    this.#self = self;
    this.#version = version;
  }

  /** Begins to look at how late the event loop is; what a replica holds is read from it when somebody asks. */
  start(payments: Payments, vitals: () => Vitals): void {
    this.#replica = { payments, vitals };
    let dueMs = performance.now() + LAG_EVERY_MS;
    this.#watching = setInterval(() => {
      const nowMs = performance.now();
      this.record("loop-lag", Math.max(0, nowMs - dueMs));
      dueMs = nowMs + LAG_EVERY_MS;
    }, LAG_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#watching);
  }

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  record(name: TimingName, value: number): void {
    if (name === "store-rows") this.distributions[name].observe(value);
    else (this.distributions as Partial<Record<TimingName, Distribution>>)[name]?.observe(value / 1_000);
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    if (!holds || fact.by !== this.#self) return;
    if (fact.kind === "settled") this.settled[fact.processor]++;
    else if (fact.kind === "released") add(this.released[payment!.processor!], fact.reason);
    else if (fact.kind === "dispatched") {
      add(this.dispatched[fact.processor], fact.reason);
      const waitMs = routeWait(fact, holds, payment, this.#self);
      if (waitMs !== undefined) this.record("route-wait", waitMs);
    }
  }

  recordCall(processor: Processor, outcome: Outcome, tookMs: number): void {
    add(this.calls[processor], outcome.kind === "refused" ? outcome.why : outcome.kind);
    this.callDurations[processor].observe(tookMs / 1_000);
  }

  /** Two apps of one process count a route together. */
  route(method: string, path: string): RouteMeter {
    const known = this.routes.find((meter) => meter.method === method && meter.path === path);
    if (known) return known;
    const meter = new RouteMeter(method, path);
    this.routes.push(meter);
    return meter;
  }

  async scrape(): Promise<string> {
    // a replica that nobody asks does without the library
    this.#exposition ??= import("./exposition.ts").then(({ Exposition }) => {
      const { payments, vitals } = this.#replica!;
      return new Exposition(this, payments, vitals, this.#version);
    });
    return await (await this.#exposition).text();
  }
}

function zeros(names: readonly string[]): Counts {
  const counts = () => Object.fromEntries(names.map((name) => [name, 0]));
  return { default: counts(), fallback: counts() };
}

function add(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
