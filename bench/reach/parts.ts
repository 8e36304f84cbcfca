/**
 * The parts of `bench:reach` beside `steady`: what a system earns, how much load it takes, and what kept payments cost.
 * @module
 */
import { readConfig } from "../../src/config.ts";
import { dispatchPerSecond } from "../../src/routing/turns.ts";
import { type Containers, floor, galo, processors, trivial } from "../compose/containers.ts";
import { loadScenario } from "../graded/scenario.ts";
import { score } from "../graded/score.ts";
import { type Outturn, type Policy, run as plan } from "../plan/model.ts";
import { answersOnly, atRate, graded, type GradedRun, keep, type Rate, summaryMs } from "./measure.ts";
import { type Final, type Kept, LEVELS, LIMIT_MS, type Preview, type Unseen } from "./results.ts";
import { rival } from "./rival.ts";
import { unseen } from "./unseen.ts";

type Say = (line: string) => void;

const SEEDS = [1, 2, 3];
/** The p99 that scores are compared at, in milliseconds. */
const EQUAL_P99_MS = 2;
const GRID = { patienceMs: [15_000, 30_000, 45_000, 60_000, 75_000, 90_000], slowMs: [300, 600, 1_200, 2_400] };
const KEPT = 900_000;
const RATES = [300, 400, 500, 600, 700, 800, 900, 1_000, 1_200, 1_400];

export async function preview(runs: number, told: Say, say: Say): Promise<Preview> {
  const scenario = await loadScenario("preview");
  const results: Preview = { log: [], store: [], trivial: [], floor: [] };
  try {
    for (let n = 1; n <= runs; n++) {
      for (const ack of LEVELS) {
        const one = await graded(scenario, { ACK: ack }, told);
        results[ack].push(one);
        say(`preview ${n}/${runs} ACK=${ack}: ${shown(one)}`);
      }
      for (const system of [trivial(), floor()]) {
        const one = await answersOnly(scenario, system);
        results[system.name as "trivial" | "floor"].push(one);
        say(`preview ${n}/${runs} ${system.name}: p99 ${one.p99Ms.toFixed(2)} ms`);
      }
    }
    return results;
  } finally {
    await downAll();
  }
}

export async function final(runs: number, told: Say, say: Say): Promise<Final> {
  const scenario = await loadScenario("final");
  const all: GradedRun[] = [];
  try {
    for (let n = 1; n <= runs; n++) {
      all.push(await graded(scenario, {}, told));
      say(`final ${n}/${runs}: ${shown(all.at(-1)!)}`);
    }
  } finally {
    await downAll();
  }
  const theirs = await rival(scenario, 1);
  const ours = await plan(scenario, policy(), 1);
  return { runs: all, ours: total(ours), rivals: total({ ...theirs, inconsistencies: 0 }) };
}

export async function unseenOnes(told: Say, say: Say): Promise<readonly Unseen[]> {
  const results: Unseen[] = [];
  try {
    for (const seed of SEEDS) {
      const scenario = unseen(seed);
      const one = await graded(scenario, {}, told);
      say(`unseen ${seed}: ${shown(one)}`);
      let best = -Infinity;
      for (const patienceMs of GRID.patienceMs) {
        for (const slowMs of GRID.slowMs) {
          best = Math.max(best, total(await plan(scenario, { ...policy(), patienceMs, slowMs }, seed)));
        }
      }
      results.push({ seed, run: one, ours: total(await plan(scenario, policy(), seed)), best });
    }
    return results;
  } finally {
    await downAll();
  }
}

export async function rates(say: Say): Promise<readonly Rate[]> {
  return await running(async (system) => {
    const results: Rate[] = [];
    for (const rate of RATES) {
      // above what the generator's connections allow at a second of sleep, users sleep half a second
      const thinkMs = rate > 600 ? 500 : 1_000;
      const one = await atRate(system, Math.round(rate * thinkMs / 1_000), thinkMs, 15);
      results.push(one);
      say(`${rate}/s: p99 ${one.p99Ms.toFixed(2)} ms`);
      if (one.p99Ms >= LIMIT_MS || one.failed > 0) break;
    }
    return results;
  });
}

export async function kept(say: Say): Promise<readonly Kept[]> {
  return await running(async (system) => {
    const results: Kept[] = [];
    for (const count of [0, KEPT]) {
      if (count > 0) {
        await keep(system, count);
        await atRate(system, 300, 1_000, 10);
      }
      const load = await atRate(system, 300, 1_000, 30);
      results.push({ ...load, kept: count, summaryMs: await summaryMs(system) });
      say(`kept ${count}: p99 ${load.p99Ms.toFixed(2)} ms, ${load.memoryMiB.toFixed(0)} MiB`);
    }
    return results;
  });
}

/** Does something with a fresh, warm system. */
async function running<T>(work: (system: Containers) => Promise<T>): Promise<T> {
  const system = galo();
  try {
    await processors.up();
    await system.upFresh();
    await atRate(system, 300, 1_000, 10);
    return await work(system);
  } finally {
    await downAll();
  }
}

async function downAll(): Promise<void> {
  for (const system of [galo(), trivial(), floor()]) await system.down();
  await processors.down();
}

function policy(): Policy {
  const config = readConfig({});
  return {
    patienceMs: config.PATIENCE_MS,
    slowMs: config.SLOW_MS,
    maxInFlight: config.MAX_IN_FLIGHT,
    dispatchPerSecond: dispatchPerSecond(config.MAX_IN_FLIGHT),
  };
}

/** The score of the final's fees at an equal p99, in millionths. */
function total({ booked, accepted, inconsistencies }: Pick<Outturn, "booked" | "accepted" | "inconsistencies">) {
  return score({
    books: booked,
    feeBp: { default: 700, fallback: 1_000 },
    accepted,
    p99Ms: EQUAL_P99_MS,
    inconsistencies,
  }).total;
}

function shown({ p99Ms, default: first, fallback, lag, failed, inconsistencies, cores, memoryMiB }: GradedRun): string {
  return `p99 ${
    p99Ms.toFixed(2)
  } ms, ${first} / ${fallback}, lag ${lag}, failed ${failed}, off by ${inconsistencies}, ${cores.toFixed(2)} cores, ${
    memoryMiB.toFixed(0)
  } MiB`;
}
