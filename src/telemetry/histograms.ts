/** What a replica with `TIMINGS` measures, as histograms, and how it is asked for: `GET /timings`. @module */
import * as hdr from "hdr-histogram-js";
import type { Fact, Processor, ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { Outcome } from "../routing/processor_client.ts";
import { routeWait } from "./timed.ts";
import type { TimingName, Timings } from "./timings.ts";

/** Longer than anything here may take, in thousandths of a millisecond. */
const HIGHEST = 600_000_000;
/** How often the event loop's lag is looked at, in milliseconds. */
const LAG_EVERY_MS = 10;

/** One histogram in figures; milliseconds, but for `store-rows`. */
export interface TimingSummary {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  /** all of it, in thousandths, as HdrHistogram's compressed base64: those of two replicas can be added */
  readonly histogram: string;
}

type Handler = (request: Request) => Response | Promise<Response>;

/** The production {@link Timings}: made where `TIMINGS` is true, and only there. */
export class Histograms implements Timings {
  readonly #histograms = new Map<TimingName, hdr.Histogram>();
  readonly #self: ReplicaId;
  #watching: ReturnType<typeof setInterval> | undefined;

  constructor(self: ReplicaId) {
    this.#self = self;
  }

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  record(name: TimingName, value: number): void {
    let histogram = this.#histograms.get(name);
    if (!histogram) {
      histogram = hdr.build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: HIGHEST,
        numberOfSignificantValueDigits: 3,
      });
      this.#histograms.set(name, histogram);
    }
    histogram.recordValue(Math.min(HIGHEST, Math.max(1, Math.round(value * 1_000))));
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    const waitMs = routeWait(fact, holds, payment, this.#self);
    if (waitMs !== undefined) this.record("route-wait", waitMs);
  }

  recordCall(_processor: Processor, _outcome: Outcome, tookMs: number): void {
    this.record("processor", tookMs);
  }

  /** Begins to measure how late the event loop is; until {@link stop}. */
  start(): void {
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

  /** Every histogram that has something in it. */
  summaries(): Record<string, TimingSummary> {
    return Object.fromEntries([...this.#histograms].map(([name, histogram]) => {
      const { totalCount: count, mean, maxValue } = histogram;
      // a bucket stands for its highest value, which may be above the largest that was seen
      const at = (percentile: number) => Math.min(maxValue, histogram.getValueAtPercentile(percentile)) / 1_000;
      const figures = { count, mean: mean / 1_000, median: at(50), p99: at(99), max: maxValue / 1_000 };
      return [name, { ...figures, histogram: hdr.encodeIntoCompressedBase64(histogram) }];
    }));
  }

  /**
   * A replica's handler with two paths more: `GET /timings` tells the summaries, `DELETE /timings` forgets everything.
   *
   * The replica is told with the summaries, since two may be behind one address.
   *
   * @param internal whether these paths are there
   */
  served(handler: Handler, internal = true): Handler {
    return async (request) => {
      const startMs = performance.now();
      const path = new URL(request.url).pathname;
      if (internal && path === "/timings") {
        if (request.method === "DELETE") this.#histograms.clear();
        return Response.json({ replica: this.#self, timings: this.summaries() });
      }
      const response = await handler(request);
      if (request.method === "POST" && path === "/payments") this.record("post", performance.now() - startMs);
      return response;
    };
  }
}
