/**
 * What follows a stall: containers are paused under the load of the final, and the seconds after they continue are
 * measured. Callers that give up and come again make more work than they save: a system near its share of CPU may never
 * recover.
 * @module
 */
import { type Containers, galo, processors, trivial } from "../compose/containers.ts";
import { startLoad } from "../graded/generator.ts";
import { p99Of } from "../graded/latency.ts";
import type { LoadSecond } from "../graded/load_event.ts";
import { median } from "../graded/table.ts";

/** Who stalls, and which services of the system: [] are all, undefined none. `nobody` shows what p99 does without a stall. */
const STALLED = {
  "nobody": undefined,
  "both replicas": ["a", "b"],
  "Caddy": ["caddy"],
  "Postgres": ["db"],
  "processors": undefined,
  "whole machine": [],
} as const;
const STALLS_S = [0.5, 1, 2, 5];
const USERS = 603;
/** Until all users have come; then how long it is measured before the stall, and after it; in seconds. */
const RAMP_S = 2;
const BEFORE_S = 4;
const AFTER_S = 8;
/** The last seconds of those. */
const END_S = 5;
/** The p99 is back once it is at most this many times what it was. */
const BACK = 1.5;

/** What a system did around one stall; times in milliseconds but where they say otherwise. */
export interface Aftermath {
  readonly beforeP99Ms: number;
  /** of each second, from that in which the stall ended */
  readonly afterP99Ms: readonly number[];
  /** of the last seconds that were looked at */
  readonly endP99Ms: number;
  /** after so many seconds nothing fails any more and p99 stays back; null if that never came */
  readonly backS: number | null;
  /** requests that failed, the stall's included */
  readonly failed: number;
}

/** One stall of Galo. */
export interface Stall extends Aftermath {
  readonly who: keyof typeof STALLED;
  readonly seconds: number;
  /** the same stall of the trivial replicas, if they have what stalls */
  readonly trivial: Aftermath | null;
  /** as `backS`, where p99 may also be {@link BACK} times that of the trivial replicas in the same seconds */
  readonly backBesideS: number | null;
}

/**
 * Makes each stall, for each of its durations, on the trivial replicas and then on Galo. Users who waited together come
 * back together, second after second, which alone raises p99: the trivial replicas show by how much.
 *
 * @param runs how often each
 * @param say called with a line for each
 */
export async function stalls(runs: number, say: (line: string) => void): Promise<readonly Stall[]> {
  const results: Stall[] = [];
  for (let n = 1; n <= runs; n++) {
    await eachOnce((one) => results.push(one), (line) => say(`stall ${n}/${runs} ${line}`));
  }
  return results;
}

/** On systems of their own: payments that are kept take memory. */
async function eachOnce(done: (one: Stall) => void, say: (line: string) => void): Promise<void> {
  const [beside, system] = [trivial(), galo()];
  const whos = Object.keys(STALLED) as Stall["who"][];
  const all = whos.flatMap((who) => (who === "nobody" ? [0] : STALLS_S).map((seconds) => ({ who, seconds })));
  try {
    await processors.up();
    await system.upFresh();
    await beside.up();
    for (const each of [beside, system]) {
      const warm = startLoad(plan(each, 20), () => {});
      await warm.done;
      await warm.stop();
    }
    for (const { who, seconds } of all) {
      // they have no Postgres, and call no processor
      const isTheirs = who === "both replicas" || who === "Caddy" || who === "whole machine";
      const one = await stall(system, who, seconds, isTheirs ? await course(beside, who, seconds) : undefined);
      done(one);
      const [before, end] = [one.beforeP99Ms.toFixed(1), one.endP99Ms.toFixed(1)];
      const back = `back after ${inSeconds(one.backS)} s, as trivial after ${inSeconds(one.backBesideS)} s`;
      say(`${who} for ${seconds} s: ${back}, p99 ${before} → ${end} ms, ${one.failed} failed`);
    }
  } finally {
    for (const each of [beside, system]) await each.down();
    await processors.down();
  }
}

/** The runs of one stall. */
export interface StallRuns {
  readonly who: Stall["who"];
  readonly seconds: number;
  readonly runs: readonly Stall[];
}

/** The runs of each stall together, in the order in which they were made. */
export function byStall(all: readonly Stall[]): readonly StallRuns[] {
  return [...Map.groupBy(all, ({ who, seconds }) => `${who} ${seconds}`).values()]
    .map((runs) => ({ who: runs[0]!.who, seconds: runs[0]!.seconds, runs }));
}

/** The median of when it was back; null if in most runs it never was. */
export function medianBack(all: readonly (number | null)[]): number | null {
  const middle = median(all.map((seconds) => seconds ?? Infinity));
  return middle === Infinity ? null : middle;
}

/** When it was back, for people. */
export function inSeconds(back: number | null): string {
  return back === null ? "–" : `${back}`;
}

/** The seconds before and after a stall. */
interface Course {
  readonly before: readonly LoadSecond[];
  /** the second in which the stall ended, and those after it */
  readonly after: readonly LoadSecond[];
  readonly failed: number;
}

async function stall(
  system: Containers,
  who: Stall["who"],
  seconds: number,
  beside: Course | undefined,
): Promise<Stall> {
  const own = await course(system, who, seconds);
  const before = p99Of(own.before);
  const most = (from: number) => Math.max(before, beside ? p99Of(beside.after.slice(from)) : 0);
  return {
    ...{ who, seconds, ...aftermath(own), trivial: beside ? aftermath(beside) : null },
    backBesideS: backAfter(own.after, most),
  };
}

function aftermath({ before, after, failed }: Course): Aftermath {
  const beforeP99Ms = p99Of(before);
  return {
    beforeP99Ms,
    afterP99Ms: after.map((second) => p99Of([second])),
    endP99Ms: p99Of(after.slice(-END_S)),
    backS: backAfter(after, () => beforeP99Ms),
    failed,
  };
}

async function course(system: Containers, who: Stall["who"], seconds: number): Promise<Course> {
  const told: LoadSecond[] = [];
  const load = startLoad(plan(system, RAMP_S + BEFORE_S + seconds + AFTER_S + 2), (second) => told.push(second));
  try {
    await load.started;
    const start = performance.now();
    await until(start, RAMP_S + BEFORE_S);
    await pause(system, who, "pause");
    const from = Math.floor((performance.now() - start) / 1_000) - 1;
    await new Promise((resolve) => setTimeout(resolve, 1_000 * seconds));
    await pause(system, who, "unpause");
    const over = Math.floor((performance.now() - start) / 1_000);
    await load.done;
    return {
      before: told.slice(RAMP_S, from),
      after: told.slice(over, over + AFTER_S),
      failed: told.reduce((sum, { failed }) => sum + failed, 0),
    };
  } finally {
    await load.stop();
  }
}

/**
 * @param after the second in which the stall ended, and those after it
 * @param usualMs what p99 is compared with from that second on
 */
export function backAfter(
  after: readonly Pick<LoadSecond, "failed" | "histogram">[],
  usualMs: (from: number) => number,
): number | null {
  const back = after.findIndex((_, from) => {
    const rest = after.slice(from);
    return rest.every(({ failed }) => failed === 0) && p99Of(rest) <= BACK * usualMs(from);
  });
  return back === -1 ? null : back;
}

async function pause(system: Containers, who: Stall["who"], verb: "pause" | "unpause"): Promise<void> {
  const services = STALLED[who];
  await Promise.all([
    services && system.compose({}, verb, ...services),
    (who === "processors" || who === "whole machine") && processors.compose({}, verb),
  ]);
}

function plan({ url }: Containers, durationSeconds: number) {
  return { url, amount: 19.9, durationSeconds, users: { from: USERS, to: USERS }, thinkMs: 1_000 };
}

async function until(start: number, seconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, start + 1_000 * seconds - performance.now()));
}
