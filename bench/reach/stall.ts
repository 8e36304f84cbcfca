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

export const STALLED = ["both replicas", "Caddy", "Postgres", "processors", "whole machine"] as const;
export const STALLS_S = [0.5, 1, 2, 5];
const USERS = 603;
/** Until all users have come; then how long it is measured before the stall, and after it; in seconds. */
const RAMP_S = 2;
const BEFORE_S = 4;
const AFTER_S = 8;
/** The last seconds of those. */
const END_S = 5;
/** The p99 is back once it is at most this many times what it was. */
const BACK = 1.5;

/** One stall; times in milliseconds but where they say otherwise. */
export interface Stall {
  readonly who: typeof STALLED[number];
  readonly seconds: number;
  readonly beforeP99Ms: number;
  /** of the last seconds that were looked at */
  readonly endP99Ms: number;
  /** after so many seconds nothing fails any more and p99 stays back; null if that never came */
  readonly backS: number | null;
  /**
   * the same, where p99 may also be {@link BACK} times what it was at the trivial replicas in the same seconds after
   * the same stall
   */
  readonly backBesideS: number | null;
  /** of the last seconds at the trivial replicas, if they were stalled too */
  readonly trivialEndP99Ms: number | null;
  /** requests that failed, the stall's included */
  readonly failed: number;
}

/**
 * Makes each stall, for each of its durations, on the trivial replicas and then on Galo. Users who waited together come
 * back together, second after second, which alone raises p99: the trivial replicas show by how much.
 *
 * @param say called with a line for each
 */
export async function stalls(say: (line: string) => void): Promise<readonly Stall[]> {
  const [beside, system] = [trivial(), galo()];
  try {
    await processors.up();
    await system.upFresh();
    await beside.up();
    for (const each of [beside, system]) {
      const warm = startLoad(plan(each, 20), () => {});
      await warm.done;
      await warm.stop();
    }
    const results: Stall[] = [];
    for (const who of STALLED) {
      for (const seconds of STALLS_S) {
        // they have no Postgres, and call no processor
        const isTheirs = who !== "Postgres" && who !== "processors";
        const one = await stall(system, who, seconds, isTheirs ? await course(beside, who, seconds) : undefined);
        results.push(one);
        say(`${who} for ${seconds} s: p99 ${one.beforeP99Ms.toFixed(1)} ms, ${shown(one)}, ${one.failed} failed`);
      }
    }
    return results;
  } finally {
    for (const each of [beside, system]) await each.down();
    await processors.down();
  }
}

/** When a stall's p99 was back, in words. */
export function shown({ backS, backBesideS, endP99Ms, trivialEndP99Ms }: Stall): string {
  const end = `${endP99Ms.toFixed(1)} ms at the end`;
  const beside = trivialEndP99Ms === null ? "" : ` (trivial replicas ${trivialEndP99Ms.toFixed(1)})`;
  if (backS !== null) return `back within ${backS} s`;
  return `${backBesideS === null ? "not back" : `as the trivial replicas within ${backBesideS} s`}, ${end}${beside}`;
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
  const { before, after, failed } = await course(system, who, seconds);
  const beforeP99Ms = p99Of(before);
  const most = (from: number) => Math.max(beforeP99Ms, beside ? p99Of(beside.after.slice(from)) : 0);
  return {
    ...{ who, seconds, beforeP99Ms, endP99Ms: p99Of(after.slice(-END_S)), failed },
    backS: backAfter(after, () => beforeP99Ms),
    backBesideS: backAfter(after, most),
    trivialEndP99Ms: beside ? p99Of(beside.after.slice(-END_S)) : null,
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
  const services = { "both replicas": ["a", "b"], "Caddy": ["caddy"], "Postgres": ["db"], "processors": [] }[
    who as Exclude<Stall["who"], "whole machine">
  ];
  await Promise.all([
    who !== "processors" && system.compose({}, verb, ...services ?? []),
    (who === "processors" || who === "whole machine") && processors.compose({}, verb),
  ]);
}

function plan({ url }: Containers, durationSeconds: number) {
  return { url, amount: 19.9, durationSeconds, users: { from: USERS, to: USERS }, thinkMs: 1_000 };
}

async function until(start: number, seconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, start + 1_000 * seconds - performance.now()));
}
