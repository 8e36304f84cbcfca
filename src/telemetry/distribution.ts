/** How often a figure was how large, in fixed buckets: adding one is a search among few numbers. @module */

/** Upper bounds for the time of an answer or a call, in seconds. */
export const DURATIONS_S: readonly number[] = [
  ...[0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
];
/** Upper bounds for how long a payment waits, in seconds: patience is longer than any call. */
export const WAITS_S: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Upper bounds for the payments of one batch. */
export const BATCHES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000];

/** Counts by bucket, and the sum of all. */
export class Distribution {
  /** one more than bounds: the last is for what is above all of them */
  readonly counts: Float64Array;
  sum = 0;

  /** @param bounds the largest value of each bucket, ascending */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
  }

  /** How many there were. */
  get count(): number {
    return this.counts.reduce((all, count) => all + count, 0);
  }
}
