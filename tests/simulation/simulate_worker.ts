/** Runs its share of the seeds and reports as it goes. @module */
/// <reference lib="deno.worker" />
import type { PlanOptions } from "./plan.ts";
import { run } from "./run.ts";
import { count, newTally } from "./tally.ts";

/** Which seeds a worker runs: `first`, `first + step` and so on, below `end`. */
export interface Share {
  readonly first: number;
  readonly end: number;
  readonly step: number;
  readonly options: PlanOptions;
}

/** Seeds between two reports. */
const REPORT_SEEDS = 25;

self.onmessage = async ({ data }: MessageEvent<Share>) => {
  let tally = newTally();
  for (let seed = data.first; seed < data.end; seed += data.step) {
    count(tally, await run(seed, data.options));
    if (tally.seeds < REPORT_SEEDS) continue;
    self.postMessage({ tally, done: false });
    tally = newTally();
  }
  self.postMessage({ tally, done: true });
};
