/**
 * What one replica counts, as plain numbers: what happens to a payment adds one here and there, and everything else is
 * done when somebody asks.
 * @module
 */
import type { LedgerObserver } from "../ledger/ledger.ts";
import type { Fact, Processor, Reason, ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { ProcessorClient } from "../routing/processor_client.ts";
import type { Observed } from "../service/service.ts";
import { BATCHES, Distribution, DURATIONS_S, WAITS_S } from "./distribution.ts";

/** How often the event loop's lag is looked at, in milliseconds. */
const LAG_EVERY_MS = 50;

/** The requests of one route, by the class of their status: 2 for 200 to 299. */
export class RouteMeter {
  readonly classes = new Float64Array(6);
  readonly durations = new Distribution(DURATIONS_S);
  inFlight = 0;
  /** told of every answer, and of the milliseconds that it took */
  answered: ((tookMs: number, status: number) => void) | undefined;

  constructor(readonly method: string, readonly path: string) {}

  /** A request has come. @returns when, on the monotonic clock, in milliseconds */
  begin(): number {
    this.inFlight++;
    return performance.now();
  }

  end(begun: number, status: number): void {
    const tookMs = performance.now() - begun;
    this.inFlight--;
    this.classes[Math.trunc(status / 100)]!++;
    this.durations.observe(tookMs / 1_000);
    this.answered?.(tookMs, status);
  }
}

/** Counts by processor and name; what may be named is there from the start, as 0. */
export type Counts = Record<Processor, Record<string, number>>;

const DECISIONS: readonly Reason[] = ["default-up", "default-slow", "default-full", "patience-over", "probe"];
const RELEASES: readonly Reason[] = [
  "refused",
  "processor-full",
  "unreachable",
  "rejected",
  "not-found",
  "rejected-by-both",
];
const OUTCOMES = ["booked", "already-booked", "processor-full", "unreachable", "rejected", "failed", "unknown"];

export class Meters implements LedgerObserver {
  readonly routes: RouteMeter[] = [];
  /** facts of this replica by reason */
  readonly dispatched = zeros(DECISIONS);
  readonly released = zeros(RELEASES);
  readonly settled: Record<Processor, number> = { default: 0, fallback: 0 };
  /** from accepted until bound for the first time, in seconds */
  readonly waits = new Distribution(WAITS_S);
  /** ends of calls by outcome, and what they took, in seconds */
  readonly calls = zeros(OUTCOMES);
  readonly callDurations: Record<Processor, Distribution> = {
    default: new Distribution(DURATIONS_S),
    fallback: new Distribution(DURATIONS_S),
  };
  /** payments of a batch, and what it took until its commit, in seconds */
  readonly batches = new Distribution(BATCHES);
  readonly writes = new Distribution(DURATIONS_S);
  /** how much later than asked a timer fires, in seconds */
  readonly loopLag = new Distribution(DURATIONS_S);
  #exposition: Promise<{ text(): Promise<string> }> | undefined;
  #replica: Observed | undefined;
  #watching: ReturnType<typeof setInterval> | undefined;

  /** @param version of the program */
  constructor(readonly self: ReplicaId, readonly version: string) {}

  /** Begins to look at how late the event loop is; what a replica holds is read from it when somebody asks. */
  start(replica: Observed): void {
    this.#replica = replica;
    let dueMs = performance.now() + LAG_EVERY_MS;
    this.#watching = setInterval(() => {
      const nowMs = performance.now();
      this.loopLag.observe(Math.max(0, nowMs - dueMs) / 1_000);
      dueMs = nowMs + LAG_EVERY_MS;
    }, LAG_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#watching);
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    if (!holds || fact.by !== this.self) return;
    if (fact.kind === "settled") this.settled[fact.processor]++;
    else if (fact.kind === "released") add(this.released[payment!.processor!], fact.reason);
    else if (fact.kind === "dispatched") {
      add(this.dispatched[fact.processor], fact.reason);
      if (payment!.attempt === 1) this.waits.observe(Math.max(0, fact.at - payment!.acceptedAt) / 1_000);
    }
  }

  /** The way to the processors, whose calls that bring a payment are counted. */
  client(client: ProcessorClient): ProcessorClient {
    return {
      pay: async (processor, order) => {
        const startMs = performance.now();
        const outcome = await client.pay(processor, order);
        add(this.calls[processor], outcome.kind === "refused" ? outcome.why : outcome.kind);
        this.callDurations[processor].observe((performance.now() - startMs) / 1_000);
        return outcome;
      },
      lookup: (processor, id) => client.lookup(processor, id),
      health: (processor) => client.health(processor),
    };
  }

  /** The store has committed a batch of this replica. */
  stored(payments: number, tookMs: number): void {
    this.batches.observe(payments);
    this.writes.observe(tookMs / 1_000);
  }

  /** Two apps of one process count a route together. @param path the route's template, never a path with ids in it */
  route(method: string, path: string): RouteMeter {
    const known = this.routes.find((meter) => meter.method === method && meter.path === path);
    if (known) return known;
    const meter = new RouteMeter(method, path);
    this.routes.push(meter);
    return meter;
  }

  /** Everything as Prometheus' text, version 0.0.4. */
  async scrape(): Promise<string> {
    // a replica that nobody asks does without the library
    this.#exposition ??= import("./exposition.ts").then(({ Exposition }) => new Exposition(this, this.#replica!));
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
