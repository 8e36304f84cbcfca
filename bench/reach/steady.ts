/**
 * A steady load on systems that run side by side: one after the other for a few seconds, in an order that is drawn anew
 * each round, so that the machine's noise affects all of them alike. Plain figures, kept as JSON.
 * @module
 */
import {
  calling,
  type Containers,
  floor,
  galo,
  galoBefore,
  least,
  processors,
  trivial,
  type Usages,
} from "../compose/containers.ts";
import { startLoad } from "../graded/generator.ts";
import { Latency } from "../graded/latency.ts";
import { StealWatch } from "./steal.ts";

/** How long a system is loaded in its turn, and how long before that, which is not counted, in seconds. */
export const SLICE_S = 5;
const RAMP_S = 1;
/** How long each system is loaded before the first round, in seconds. */
const WARM_UP_S = 20;
/** The pause between two slices, in milliseconds, so that what one system has left to do does not slow the next. */
const PAUSE_MS = 1_000;
/** A round that lost more than this share of the machine's time to others does not count. */
export const STEAL_MAX = 0.05;
/** How many rounds are tried at most for each that is to count. */
const TRIES = 2;
const AMOUNT = 19.9;
const THINK_MS = 1_000;

/** What one system came to in one slice; times in milliseconds. */
export interface Slice {
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly ok: number;
  readonly failed: number;
  /** CPU of each container for one payment, in microseconds */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** share of each container's periods in which it was stopped for its quota */
  readonly throttled: Readonly<Record<string, number>>;
  /** share of the machine's time that others took */
  readonly steal: number;
}

/** One slice of each system. */
export interface Round {
  /** by the name of the system, in the order in which they were loaded */
  readonly slices: Readonly<Record<string, Slice>>;
}

/** All rounds at one rate, those that do not count included. */
export interface Steady {
  /** payments a second that were asked for */
  readonly rate: number;
  readonly rounds: readonly Round[];
  /** what `before` was */
  readonly before?: string | undefined;
}

/** What to measure. */
export interface SteadyPlan {
  readonly rate: number;
  /** how many that count */
  readonly rounds: number;
  /** a commit whose Galo is measured beside this one */
  readonly before?: string | undefined;
}

/** Whether a round lost little enough to others. */
export function counts({ slices }: Round): boolean {
  return Object.values(slices).every(({ steal }) => steal <= STEAL_MAX);
}

/**
 * Starts Galo and what it is compared with, loads them in turn, and stops them.
 *
 * @param say called with a line for each slice
 */
export async function steady(plan: SteadyPlan, say: (line: string) => void): Promise<Steady> {
  const { rate, before } = plan;
  const old = before === undefined ? undefined : await galoBefore(before);
  const systems = [floor(), trivial(), calling(), least(), galo(), ...old ? [old.system] : []];
  try {
    await processors.up();
    for (const system of systems) await system.up();
    return { rate, rounds: await inTurn(systems, plan, say), before };
  } finally {
    for (const system of systems) await system.down();
    await processors.down();
    await old?.remove();
  }
}

/** Loads systems that run, in turn, until so many rounds count or twice as many were tried. */
export async function inTurn(
  systems: readonly Containers[],
  { rate, rounds }: SteadyPlan,
  say: (line: string) => void,
): Promise<readonly Round[]> {
  for (const system of systems) say(`warm-up  ${system.name.padEnd(8)} ${shown(await slice(system, rate, WARM_UP_S))}`);
  const done: Round[] = [];
  while (done.filter(counts).length < rounds && done.length < TRIES * rounds) {
    const slices: Record<string, Slice> = {};
    for (const system of shuffled(systems)) {
      const one = slices[system.name] = await slice(system, rate, SLICE_S);
      say(`round ${done.length + 1}  ${system.name.padEnd(8)} ${shown(one)}`);
    }
    done.push({ slices });
    if (!counts(done.at(-1)!)) say(`round ${done.length} does not count: the host took too much of the machine's time`);
  }
  return done;
}

/** One system under load. The generator starts, and connections are opened, in a second that is not counted. */
async function slice(system: Containers, rate: number, seconds: number): Promise<Slice> {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  const latency = new Latency();
  const steal = new StealWatch();
  const looks: Promise<Usages>[] = [];
  let [ok, failed] = [0, 0];
  const plan = {
    ...{ url: system.url, amount: AMOUNT, thinkMs: THINK_MS },
    durationSeconds: RAMP_S + seconds,
    users: { from: rate, to: rate },
  };
  const load = startLoad(plan, (second) => {
    if (second.second >= RAMP_S && second.second < RAMP_S + seconds) {
      latency.addEncoded(second.histogram);
      ok += second.ok;
      failed += second.failed;
    }
    if (second.second !== RAMP_S - 1 && second.second !== RAMP_S + seconds - 1) return;
    const look = system.usage();
    // its failure is thrown where it is awaited, at the end
    look.catch(() => {});
    looks.push(look);
    steal.look();
  });
  try {
    await load.done;
  } finally {
    await load.stop();
  }
  const [first, last] = await Promise.all(looks);
  const { medianMs, p90Ms, p99Ms } = latency.summary();
  return { medianMs, p90Ms, p99Ms, ok, failed, ...used(first!, last!, ok), steal: steal.share };
}

function used(first: Usages, last: Usages, payments: number): Pick<Slice, "cpuUs" | "throttled"> {
  const each = (of: (name: string) => number) => Object.fromEntries([...last.keys()].map((name) => [name, of(name)]));
  return {
    cpuUs: each((name) => 1_000 * (last.get(name)!.cpuMs - first.get(name)!.cpuMs) / payments),
    throttled: each((name) => {
      const periods = last.get(name)!.periods - first.get(name)!.periods;
      return periods > 0 ? (last.get(name)!.throttled - first.get(name)!.throttled) / periods : 0;
    }),
  };
}

function shown({ medianMs, p90Ms, p99Ms, failed, cpuUs, steal }: Slice): string {
  const cpu = Object.values(cpuUs).reduce((sum, us) => sum + us, 0);
  const times = [medianMs, p90Ms, p99Ms].map((ms) => ms.toFixed(2).padStart(7)).join("");
  return `median, p90, p99${times} ms, CPU ${cpu.toFixed(0)} µs a payment, ${failed} failed, steal ${
    (100 * steal).toFixed(1)
  } %`;
}

function shuffled<T>(all: readonly T[]): T[] {
  const left = [...all];
  return Array.from(all, () => left.splice(Math.floor(Math.random() * left.length), 1)[0]!);
}
