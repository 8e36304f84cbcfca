/** What an audit says of two views of the same window. Pure. @module */
import type { BothBooks } from "./score.ts";

/** How the counts are compared: the sum of both processors, or each on its own. */
export type Compare = "sum" | "each";

/** One audit; times in milliseconds since the run began. */
export interface Audit {
  readonly atMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** what the router said; undefined where it did not answer in time, which counts as nothing booked */
  readonly router: BothBooks | undefined;
  /** what the processors said, likewise */
  readonly processors: BothBooks | undefined;
  /** payments by which they differ: 0 is consistent */
  readonly difference: number;
}

/** No answer counts as this. */
export const NOTHING: BothBooks = { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } };

/** By how many payments the router's view differs from the processors'. */
export function difference(router: BothBooks, processors: BothBooks, compare: Compare): number {
  const byDefault = router.default.count - processors.default.count;
  const byFallback = router.fallback.count - processors.fallback.count;
  return compare === "sum" ? Math.abs(byDefault + byFallback) : Math.abs(byDefault) + Math.abs(byFallback);
}
