/** The counters and histograms of one replica. @module */
import { type Fact, isAttempt, type Processor, PROCESSORS, type ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { Lookup, Outcome } from "../routing/processor_client.ts";
import type { Observer, Purpose } from "../service/observer.ts";
import { tellNow } from "./exposition.ts";
import type { Service } from "../service/service.ts";
import { Counter, Histogram, Registry } from "./prometheus.ts";

/** How many measurements are made at once: a single one finds cold caches, and takes ten times as long. */
const TOGETHER = 64;

/** Upper bounds for the time of an answer or a call, in seconds. */
const TIMES_S = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Upper bounds for how long a payment waits, in seconds: patience is longer than any call. */
const WAITS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Upper bounds for the payments of one batch. */
const BATCHES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000];

/** Names, help and labels. */
const COUNTERS = {
  requests: ["galo_http_requests_total", "Requests answered, by route and class of status", "method route status"],
  dispatched: ["galo_dispatch_decisions_total", "Attempts bound to a processor, by reason", "processor reason"],
  released: ["galo_dispatch_releases_total", "Attempts that ended unbooked, for certain", "processor reason"],
  settled: ["galo_payments_settled_total", "Payments that this replica settled", "processor"],
  calls: ["galo_processor_calls_total", "Calls that sent a payment, by outcome", "processor outcome"],
} as const;
/** The same, with bounds. */
const HISTOGRAMS = {
  durations: ["galo_http_request_duration_seconds", "From request's head to answer's", TIMES_S, "method route"],
  waits: ["galo_dispatch_wait_seconds", "From a payment's acceptance to its first attempt", WAITS_S, ""],
  calls: ["galo_processor_call_duration_seconds", "From such a call's start to its end", TIMES_S, "processor"],
  batches: ["galo_store_batch_payments", "Payments in one batch", BATCHES, ""],
  writes: ["galo_store_write_duration_seconds", "One batch until its commit", TIMES_S, ""],
  loopLag: ["galo_event_loop_lag_seconds", "How much later than asked a timer fires", TIMES_S, ""],
} as const;

/** Series with known labels exist from the start, as 0. */
const REASONS = {
  dispatched: ["default-up", "default-slow", "default-full", "patience-over", "probe"],
  released: ["failed", "processor-full", "unreachable", "rejected", "not-found", "rejected-by-both"],
};
const OUTCOMES = "booked already-booked processor-full unreachable rejected refused-as-far-as-known unknown".split(" ");

/** The requests of one route. */
interface RouteMeters {
  readonly labels: { readonly method: string; readonly route: string };
  inFlight: number;
}

/** The metrics of a replica. */
export class Meters implements Observer {
  readonly #registry = new Registry();
  readonly #counters = entries(COUNTERS, ([name, help, labels]) => {
    const labelNames = labels.split(" ");
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  });
  readonly #histograms = entries(HISTOGRAMS, ([name, help, bounds, labels]) => {
    const [buckets, labelNames] = [[...bounds], labels.match(/\w+/g) ?? []];
    return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] });
  });
  readonly #routes = new Map<string, RouteMeters>();
  #waiting: (() => void)[] = [];

  /** Counts nothing yet. @param version of the program */
  constructor(readonly self: ReplicaId, readonly version: string) {
    this.#registry.setDefaultLabels({ replica: self });
    const { dispatched, released, settled, calls } = this.#counters;
    for (const processor of PROCESSORS) {
      settled.inc({ processor }, 0);
      for (const reason of REASONS.dispatched) dispatched.inc({ processor, reason }, 0);
      for (const reason of REASONS.released) released.inc({ processor, reason }, 0);
      for (const outcome of OUTCOMES) calls.inc({ processor, outcome }, 0);
      this.#histograms.calls.zero({ processor });
    }
  }

  /** A timer has fired so many milliseconds later than asked. */
  late(ms: number): void {
    this.#histograms.loopLag.observe(Math.max(0, ms) / 1_000);
  }

  requested(route: string): void {
    this.#route(route).inFlight++;
  }

  answered(name: string, status: number, tookMs: number): void {
    const route = this.#route(name);
    route.inFlight--;
    this.#soon(() => {
      this.#counters.requests.inc({ ...route.labels, status: `${Math.trunc(status / 100)}xx` });
      this.#histograms.durations.observe(route.labels, tookMs / 1_000);
    });
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    if (!holds || fact.by !== this.self) return;
    const { dispatched, released, settled } = this.#counters;
    if (fact.kind === "settled") this.#soon(() => settled.inc({ processor: fact.processor }));
    else if (fact.kind === "released") {
      const { processor } = payment!;
      this.#soon(() => released.inc({ processor: processor!, reason: fact.reason }));
    } else if (isAttempt(fact)) {
      const { acceptedAt, attempt } = payment!;
      this.#soon(() => {
        dispatched.inc({ processor: fact.processor, reason: fact.reason });
        if (attempt === 1) this.#histograms.waits.observe(Math.max(0, fact.at - acceptedAt) / 1_000);
      });
    }
  }

  called(purpose: Purpose, processor: Processor, _id: string, end: Outcome | Lookup, tookMs: number): void {
    if (purpose !== "pay") return;
    const outcome = end.kind === "refused" ? end.why : end.kind;
    this.#soon(() => {
      this.#counters.calls.inc({ processor, outcome });
      this.#histograms.calls.observe({ processor }, tookMs / 1_000);
    });
  }

  committed(payments: number, tookMs: number): void {
    this.#histograms.batches.observe(payments);
    this.#histograms.writes.observe(tookMs / 1_000);
  }

  /** All that is counted, and the state of the replica now, in Prometheus' text format 0.0.4. */
  async scrape(replica: Service): Promise<string> {
    this.#measure();
    const inFlight = Array.from(this.#routes.values(), ({ labels, inFlight }) => [labels, inFlight] as const);
    return `${await this.#registry.metrics()}\n${await tellNow(replica, this.self, this.version, inFlight)}`;
  }

  #soon(measurement: () => void): void {
    if (this.#waiting.push(measurement) >= TOGETHER) this.#measure();
  }

  #measure(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const measurement of waiting) measurement();
  }

  #route(name: string): RouteMeters {
    let route = this.#routes.get(name);
    if (!route) {
      const [method, path] = name.split(" ") as [string, string];
      this.#routes.set(name, route = { labels: { method, route: path }, inFlight: 0 });
      for (const status of ["2xx", "3xx", "4xx", "5xx"]) this.#counters.requests.inc({ ...route.labels, status }, 0);
    }
    return route;
  }
}

function entries<T extends object, V>(of: T, make: (value: T[keyof T]) => V): Record<keyof T, V> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, make(value)])) as Record<keyof T, V>;
}
