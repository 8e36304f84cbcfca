/** What replicas count during a run: the difference between two answers of `GET /metrics`. @module */
import type { Quantiles } from "./figures.ts";

/** One line of a histogram: its name, which part it is, labels and value. */
const LINE = /^(\w+)_(bucket|sum)\{(.*)\} (\S+)$/gm;

/**
 * How much the histograms of a name grew, those of all replicas and labels together.
 *
 * @param labels such as `route="/payments"`: what a series must have
 * @param before an answer of each replica
 * @param after a later one of each
 * @param scale what values are multiplied with: 1,000 makes milliseconds of seconds
 * @returns quantiles as Prometheus' `histogram_quantile` has them: evenly spread within a bucket, and the largest bound
 * for what is above all of them; zeros where there is nothing
 */
export function growth(
  name: string,
  labels: readonly string[],
  [before, after]: readonly [before: readonly string[], after: readonly string[]],
  scale: number,
): Quantiles {
  const below = new Map<number, number>();
  let sum = 0;
  for (const [texts, sign] of [[before, -1], [after, 1]] as const) {
    for (const [, found, part, of, value] of texts.flatMap((text) => [...text.matchAll(LINE)])) {
      if (found !== name || !labels.every((label) => of!.includes(label))) continue;
      const grown = sign * Number(value);
      if (part === "sum") sum += grown;
      else {
        const bound = Number(/\ble="([^"]+)"/.exec(of!)![1]!.replace("+Inf", "Infinity"));
        below.set(bound, (below.get(bound) ?? 0) + grown);
      }
    }
  }
  const buckets = [...below].sort(([one], [two]) => one - two);
  const count = below.get(Infinity) ?? 0;
  if (count === 0) return { count, mean: 0, median: 0, p99: 0 };
  const at = (share: number) => scale * quantile(buckets, share * count);
  return { count, mean: scale * sum / count, median: at(0.5), p99: at(0.99) };
}

function quantile(buckets: readonly (readonly [bound: number, below: number])[], rank: number): number {
  let [from, counted] = [0, 0];
  for (const [bound, below] of buckets) {
    if (below >= rank && bound < Infinity) return from + (bound - from) * (rank - counted) / (below - counted);
    if (bound < Infinity) [from, counted] = [bound, below];
  }
  return from;
}
