/** What many runs came to. @module */
import type { Report } from "./run.ts";
import type { Violation } from "./world.ts";

/** The sums of some runs; it travels between workers. */
export interface Tally {
  seeds: number;
  /** virtual time in milliseconds */
  ms: number;
  payments: number;
  acknowledged: number;
  faults: Record<string, number>;
  seen: Record<string, number>;
  violations: { readonly seed: number; readonly violation: Violation }[];
}

export function newTally(): Tally {
  return { seeds: 0, ms: 0, payments: 0, acknowledged: 0, faults: {}, seen: {}, violations: [] };
}

/** Adds a run. */
export function count(tally: Tally, report: Report): void {
  const [faults, seen] = [report.faults, report.seen].map((counts) => Object.fromEntries(counts)) as [
    Record<string, number>,
    Record<string, number>,
  ];
  const { seed, ms, payments, acknowledged, violation } = report;
  add(tally, {
    seeds: 1,
    ms,
    payments,
    acknowledged,
    faults,
    seen,
    violations: violation ? [{ seed, violation }] : [],
  });
}

/** Adds other sums. */
export function add(tally: Tally, more: Tally): void {
  tally.seeds += more.seeds;
  tally.ms += more.ms;
  tally.payments += more.payments;
  tally.acknowledged += more.acknowledged;
  for (const counts of ["faults", "seen"] as const) {
    for (const [kind, times] of Object.entries(more[counts])) tally[counts][kind] = (tally[counts][kind] ?? 0) + times;
  }
  tally.violations.push(...more.violations);
}
