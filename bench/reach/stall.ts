/**
 * What comes after a stall: containers are paused under the final's users, and the seconds after they go on are looked at.
 * Callers that give up and come again make more work than they save: a system near its share of CPU may never recover.
 * @module
 */
import { type Containers, galo, processors } from "../compose/containers.ts";
import { startLoad } from "../graded/generator.ts";
import { Latency } from "../graded/latency.ts";
import type { LoadSecond } from "../graded/load_event.ts";

export const STALLED = ["both replicas", "Caddy", "Postgres", "processors", "whole machine"] as const;
export const STALLS_S = [0.5, 1, 2, 5];
const USERS = 603;
/** Until all users have come; then how long it is measured before the stall, and after it; in seconds. */
const RAMP_S = 2;
const BEFORE_S = 5;
const AFTER_S = 12;
/** The p99 is back where it is at most this much of what it was. */
const BACK = 1.5;

/** One stall; times in milliseconds but where they say otherwise. */
export interface Stall {
  readonly who: typeof STALLED[number];
  readonly seconds: number;
  readonly beforeP99Ms: number;
  /** of the last seconds that were looked at */
  readonly endP99Ms: number;
  /** from so many seconds on nothing fails and p99 stays back; null where that never came */
  readonly backS: number | null;
  /** requests that failed, the stall's included */
  readonly failed: number;
}

/** Stalls everybody, for every time, on one system. @param say told of every stall */
export async function stalls(say: (line: string) => void): Promise<readonly Stall[]> {
  const system = galo();
  try {
    await processors.up({ default: 0.05, fallback: 0.15 });
    await system.up();
    const warm = startLoad(plan(system, 20), () => {});
    await warm.done;
    await warm.stop();
    const results: Stall[] = [];
    for (const who of STALLED) {
      for (const seconds of STALLS_S) {
        const one = await stall(system, who, seconds);
        results.push(one);
        say(`${who} for ${seconds} s: p99 ${one.beforeP99Ms.toFixed(1)} ms, ${shown(one)}, ${one.failed} failed`);
      }
    }
    return results;
  } finally {
    await system.down();
    await processors.down();
  }
}

/** When a stall's p99 was back, in words. */
export function shown({ backS, endP99Ms }: Stall): string {
  return backS === null ? `not back, ${endP99Ms.toFixed(1)} ms at the end` : `back within ${backS} s`;
}

export async function stall(system: Containers, who: Stall["who"], seconds: number): Promise<Stall> {
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
    const before = told.slice(RAMP_S, from);
    const after = told.slice(over, over + AFTER_S);
    const beforeP99Ms = p99(before);
    return {
      ...{ who, seconds, beforeP99Ms, endP99Ms: p99(after.slice(-5)), backS: backAfter(after, beforeP99Ms) },
      failed: told.reduce((sum, { failed }) => sum + failed, 0),
    };
  } finally {
    await load.stop();
  }
}

/** @param after the second in which the stall ended, and those after it */
export function backAfter(
  after: readonly Pick<LoadSecond, "failed" | "histogram">[],
  beforeP99Ms: number,
): number | null {
  const back = after.findIndex((_, from) => {
    const rest = after.slice(from);
    return rest.every(({ failed }) => failed === 0) && p99(rest) <= BACK * beforeP99Ms;
  });
  return back === -1 ? null : back;
}

function p99(seconds: readonly Pick<LoadSecond, "histogram">[]): number {
  const latency = new Latency();
  for (const { histogram } of seconds) latency.addEncoded(histogram);
  return latency.summary().p99Ms;
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
