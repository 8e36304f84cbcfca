/** A replica's first seconds, and what it costs while nothing happens. @module */
import { type Containers, galo, processors } from "../compose/containers.ts";
import { startLoad } from "../graded/generator.ts";
import { p99Of } from "../graded/latency.ts";
import type { LoadSecond } from "../graded/load_event.ts";

const RATE = 100;
/** How long the first seconds are, and how much later they are looked at again, in seconds. */
const FIRST_S = 5;
const LATER_S = 60;
/**
 * How long nothing happens, after a time in which what was begun ends, in seconds: V8 collects once more, to give memory
 * back, 4 to 20 s after a load has ended.
 */
const IDLE_S = 20;
const SETTLE_S = 30;

/** One start; times in milliseconds. */
export interface Start {
  /** p99 of the first seconds after the containers are healthy, at 100/s, and of as many a minute later */
  readonly coldP99Ms: number;
  readonly warmP99Ms: number;
  readonly failed: number;
  /** CPU of each container in a second in which nothing happens, after work */
  readonly idleMs: Readonly<Record<string, number>>;
}

/** Starts the system anew so many times. @param say told of every start */
export async function starts(runs: number, say: (line: string) => void): Promise<readonly Start[]> {
  const system = galo();
  try {
    await processors.up();
    const results: Start[] = [];
    for (let n = 1; n <= runs; n++) {
      const one = await start(system);
      results.push(one);
      const idle = Object.entries(one.idleMs).map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join(", ");
      say(
        `start ${n}/${runs}: p99 ${one.coldP99Ms.toFixed(1)} ms, later ${one.warmP99Ms.toFixed(1)}; idle ${idle} ms/s`,
      );
    }
    return results;
  } finally {
    await system.down();
    await processors.down();
  }
}

async function start(system: Containers): Promise<Start> {
  await system.up();
  const told: LoadSecond[] = [];
  const durationSeconds = LATER_S + FIRST_S;
  const plan = { url: system.url, amount: 19.9, durationSeconds, users: { from: RATE, to: RATE }, thinkMs: 1_000 };
  const load = startLoad(plan, (second) => told.push(second));
  try {
    await load.done;
  } finally {
    await load.stop();
  }
  await wait(SETTLE_S);
  const before = await system.usage();
  const begunMs = performance.now();
  await wait(IDLE_S);
  const after = await system.usage();
  const seconds = (performance.now() - begunMs) / 1_000;
  const idleMs = [...after].map(([name, { cpuMs }]) => [name, (cpuMs - before.get(name)!.cpuMs) / seconds]);
  return {
    coldP99Ms: p99Of(told.slice(0, FIRST_S)),
    warmP99Ms: p99Of(told.slice(LATER_S, LATER_S + FIRST_S)),
    failed: told.reduce((sum, { failed }) => sum + failed, 0),
    idleMs: Object.fromEntries(idleMs),
  };
}

const wait = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, 1_000 * seconds));
