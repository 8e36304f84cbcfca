/** `deno task bench:reach`: how close to the floor Galo comes, in containers with the challenge's limits. @module */
import { parseArgs } from "node:util";
import { readConfig } from "../../src/config.ts";
import { ADDRESSES, DockerError, down, keep, up, upFloor } from "../compose/containers.ts";
import { loadScenario } from "../graded/scenario.ts";
import { score } from "../graded/score.ts";
import { run as plan } from "../plan/model.ts";
import { floor, graded, type GradedRun, type Steady, steady, summaryMs } from "./measure.ts";
import { rival } from "./rival.ts";
import { table } from "./table.ts";
import { unseen } from "./unseen.ts";

const HELP = `How close to the floor Galo comes, in containers with 1.5 CPUs and 350 MB, and what it earns.

Usage: deno task bench:reach [--runs N] [--only PART,…] [--out DIR]

  --runs N     so many runs of preview and final each [5]
  --only PARTS of: preview, final, unseen, steady, kept [all]; table only writes reach.md anew
  --out DIR    where reach.json is kept and reach.md written anew from all that it has [bench/results]

preview   the floor, ACK=peer and ACK=memory in turn, 60 s each     final   300 s each, and the winner's policy on the model
unseen    three schedules from seeds, 120 s each                     steady  rates up to where p99 is over 11 ms
kept      the same load with nothing and with 900,000 payments kept

It needs Docker with Compose, and the ports 8001, 8002, 9998 and 9999. The floor is the same Caddy under the same limits
that answers 202 itself. The processors, the load generator and what else this machine does share its cores.`;

const PARTS = ["preview", "final", "unseen", "steady", "kept"] as const;
/** Measures nothing. */
const TABLE = "table";
const SEEDS = [1, 2, 3];
/** The p99 that scores are compared at, in milliseconds. */
const EQUAL_P99_MS = 2;
const GRID = { patienceMs: [15_000, 30_000, 45_000, 60_000, 75_000, 90_000], slowMs: [300, 600, 1_200, 2_400] };
const KEPT = 900_000;
const RATES = [300, 400, 500, 600, 700, 800, 900, 1_000, 1_200, 1_400];
const LIMIT_MS = 11;

/** Everything measured so far. */
export interface Results {
  machine?: string;
  preview?: {
    readonly floor: readonly Awaited<ReturnType<typeof floor>>[];
    readonly peer: readonly GradedRun[];
    readonly memory: readonly GradedRun[];
  };
  final?: { readonly runs: readonly GradedRun[]; readonly ours: number; readonly rivals: number };
  unseen?: readonly { readonly seed: number; readonly run: GradedRun; readonly ours: number; readonly best: number }[];
  steady?: readonly Steady[];
  kept?: readonly (Steady & { readonly kept: number; readonly summaryMs: number })[];
}

const told = (line: string) => {
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode(`\r  ${line}      `));
};
const say = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

async function preview(runs: number): Promise<Results["preview"]> {
  const scenario = await loadScenario("preview");
  const results = {
    floor: [] as Awaited<ReturnType<typeof floor>>[],
    peer: [] as GradedRun[],
    memory: [] as GradedRun[],
  };
  await upFloor();
  for (let n = 1; n <= runs; n++) {
    for (const ack of ["peer", "memory"] as const) {
      const one = await graded(scenario, { ACK: ack }, told);
      results[ack].push(one);
      say(`preview ${n}/${runs} ACK=${ack}: ${shown(one)}`);
    }
    results.floor.push(await floor(scenario));
    say(`preview ${n}/${runs} floor: p99 ${results.floor.at(-1)!.p99Ms.toFixed(2)} ms`);
  }
  return results;
}

async function final(runs: number): Promise<Results["final"]> {
  const scenario = await loadScenario("final");
  const all: GradedRun[] = [];
  for (let n = 1; n <= runs; n++) {
    all.push(await graded(scenario, {}, told));
    say(`final ${n}/${runs}: ${shown(all.at(-1)!)}`);
  }
  const theirs = await rival(scenario, 1);
  const ours = await plan(scenario, policy(), 1);
  return { runs: all, ours: total(ours), rivals: total({ ...theirs, inconsistencies: 0 }) };
}

async function unseenOnes(): Promise<Results["unseen"]> {
  const results = [];
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
}

async function rates(): Promise<Results["steady"]> {
  await up({ default: 0.05, fallback: 0.15 });
  await steady(300, 1_000, 10);
  const results: Steady[] = [];
  for (const rate of RATES) {
    // half a second of sleep above what one second and the generator's connections allow
    const thinkMs = rate > 600 ? 500 : 1_000;
    results.push(await steady(Math.round(rate * thinkMs / 1_000), thinkMs, 15));
    say(`steady ${rate}/s: p99 ${results.at(-1)!.p99Ms.toFixed(2)} ms`);
    if (results.at(-1)!.p99Ms >= LIMIT_MS || results.at(-1)!.failed > 0) break;
  }
  return results;
}

async function kept(): Promise<Results["kept"]> {
  const results = [];
  await up({ default: 0.05, fallback: 0.15 });
  for (const count of [0, KEPT]) {
    if (count > 0) await keep(count);
    await steady(300, 1_000, 10);
    const load = await steady(300, 1_000, 30);
    results.push({ ...load, kept: count, summaryMs: await summaryMs() });
    say(`kept ${count}: p99 ${load.p99Ms.toFixed(2)} ms, ${load.memoryMiB.toFixed(0)} MiB`);
  }
  return results;
}

function policy() {
  const config = readConfig({});
  return {
    patienceMs: config.PATIENCE_MS,
    slowMs: config.SLOW_MS,
    maxInFlight: config.MAX_IN_FLIGHT,
    dispatchPerSecond: config.DISPATCH_PER_SECOND,
  };
}

/** The score of the final's fees at an equal p99, in millionths. */
function total(
  { booked, accepted, inconsistencies }: Pick<
    Awaited<ReturnType<typeof plan>>,
    "booked" | "accepted" | "inconsistencies"
  >,
) {
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

async function machine(): Promise<string> {
  const cpu = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo").catch(() => ""))?.[1] ?? "unknown";
  const { total } = Deno.systemMemoryInfo();
  const kernel = Deno.osRelease();
  return `${navigator.hardwareConcurrency} cores (${cpu}), ${
    Math.round(total / 2 ** 30)
  } GiB, Linux ${kernel}, Deno ${Deno.version.deno}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5" },
      only: { type: "string", default: PARTS.join(",") },
      out: { type: "string", default: new URL("../results", import.meta.url).pathname },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const runs = Number(values.runs);
  const parts = values.only.split(",");
  const unknown = parts.find((part) => part !== TABLE && !(PARTS as readonly string[]).includes(part));
  if (!Number.isInteger(runs) || runs < 1 || unknown !== undefined) {
    throw new DockerError(unknown === undefined ? `--runs: ${values.runs} is no count` : `--only: no part ${unknown}`);
  }
  await Deno.mkdir(values.out, { recursive: true });
  const file = `${values.out}/reach.json`;
  const results: Results = JSON.parse(await Deno.readTextFile(file).catch(() => "{}"));
  if (values.only === TABLE) return await Deno.writeTextFile(`${values.out}/reach.md`, table(results));
  results.machine = await machine();
  const measure = { preview: () => preview(runs), final: () => final(runs), unseen: unseenOnes, steady: rates, kept };
  try {
    for (const part of PARTS) {
      if (!parts.includes(part)) continue;
      Object.assign(results, { [part]: await measure[part]() });
      await Deno.writeTextFile(file, `${JSON.stringify(results, null, 1)}\n`);
      await Deno.writeTextFile(`${values.out}/reach.md`, table(results));
    }
  } finally {
    await down();
  }
  console.log(`\n${table(results)}`);
  say(`${ADDRESSES.router} is free again; kept in ${values.out}`);
}

if (import.meta.main) {
  try {
    await main();
    Deno.exit(0);
  } catch (error) {
    const expected = error instanceof DockerError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS");
    if (!expected) throw error;
    console.error(`bench:reach: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
