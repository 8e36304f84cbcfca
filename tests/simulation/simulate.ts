/**
 * `deno task simulate --seed N --seeds K`: runs the whole cluster on virtual time through many seeds and says what broke.
 * @module
 */
import { OptionsError, parseOptions, runTask, whole } from "../support/command_line.ts";
import { FAULT_KINDS, type FaultKind, type PlanOptions } from "./plan.ts";
import { run } from "./run.ts";
import { command, gist, shrink } from "./shrink.ts";
import { drawSeed } from "./seed.ts";
import { add, newTally, type Tally } from "./tally.ts";
import type { Share } from "./simulate_worker.ts";

const HELP = `Runs one to three replicas through many hostile schedules on virtual time, and says which promise breaks.

Usage: deno task simulate [OPTIONS]

  --seed N          the first seed [drawn, and printed]
  --seeds K         how many [1000]
  --payments N      in each seed [drawn, about 370, of which 250 arrive]
  --hosts           every replica on a host of its own, and the log in a model of NATS JetStream
  --without KINDS   faults that do not happen, separated by commas: ${FAULT_KINDS.join(", ")}
  --workers W       in parallel [one per core]
  --trace           prints everything that happens; for one seed
  --help`;

/** Violations that are made small and shown in full. */
const SHOWN_MAX = 3;
const LINES_MAX = 60;

const parse = (args: string[]) => {
  const values = parseOptions(args, {
    seed: { type: "string", default: String(drawSeed()) },
    seeds: { type: "string", default: "1000" },
    payments: { type: "string" },
    without: { type: "string", default: "" },
    hosts: { type: "boolean", default: false },
    workers: { type: "string", default: String(navigator.hardwareConcurrency) },
    trace: { type: "boolean", default: false },
  });
  const without = values.without.split(",").filter(Boolean) as FaultKind[];
  const unknown = without.find((kind) => !FAULT_KINDS.includes(kind));
  if (unknown) throw new OptionsError(`--without: there is no fault ${JSON.stringify(unknown)}: see --help`);
  const count = (option: string, text: string, min = 1) => whole(option, text, min, Number.MAX_SAFE_INTEGER);
  const options: PlanOptions = {
    without,
    hosts: values.hosts,
    payments: values.payments === undefined ? undefined : count("--payments", values.payments),
  };
  return {
    options,
    help: values.help,
    trace: values.trace,
    seed: count("--seed", values.seed, 0),
    seeds: count("--seeds", values.seeds),
    workers: count("--workers", values.workers),
  };
};

/** @returns the exit code */
async function main({ options, seed, seeds, workers, trace: traced }: ReturnType<typeof parse>): Promise<number> {
  return traced ? await trace(seed, options) : await simulate(seed, seeds, workers, options);
}

async function trace(seed: number, options: PlanOptions): Promise<number> {
  const report = await run(seed, { ...options, record: true });
  for (const line of report.lines) console.log(line);
  const { violation } = report;
  console.log(violation ? `violation of "${violation.check}": ${violation.message}` : "no violation");
  console.log(`hash ${report.hash}`);
  return violation ? 1 : 0;
}

async function simulate(seed: number, seeds: number, workers: number, options: PlanOptions): Promise<number> {
  console.log(`first seed       ${seed}`);
  const startedMs = performance.now();
  const tally = newTally();
  await Promise.all(Array.from({ length: workers }, (_, i) => {
    const share: Share = { first: seed + i, end: seed + seeds, step: workers, options };
    return work(share, (part) => {
      add(tally, part);
      for (const { seed, violation } of part.violations) console.error(`seed ${seed} breaks "${violation.check}"`);
      progress(tally, seeds, startedMs);
    });
  }));
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(summaryOf(tally, seconds));
  tally.violations.sort((a, b) => a.seed - b.seed);
  for (const { seed, violation } of tally.violations.slice(0, SHOWN_MAX)) {
    const least = await shrink(seed, violation.check, options);
    const report = await run(seed, { ...least, record: true });
    console.log(`\nseed ${seed} breaks "${violation.check}": ${report.violation?.message ?? violation.message}`);
    for (const line of gist(report).slice(-LINES_MAX)) console.log(line);
    console.log(`again: ${command(seed, least)}`);
  }
  for (const { seed, violation } of tally.violations.slice(SHOWN_MAX)) {
    console.log(`seed ${seed} breaks "${violation.check}": ${violation.message.slice(0, 160)}`);
  }
  return tally.violations.length > 0 ? 1 : 0;
}

function work(share: Share, heard: (tally: Tally) => void): Promise<void> {
  const worker = new Worker(new URL("./simulate_worker.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<{ tally: Tally; done: boolean }>) => {
      heard(data.tally);
      if (!data.done) return;
      worker.terminate();
      resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(share);
  });
}

let shownMs = -Infinity;

function progress(tally: Tally, seeds: number, startedMs: number): void {
  const nowMs = performance.now();
  if (nowMs - shownMs < 1_000) return;
  shownMs = nowMs;
  const speed = Math.round(tally.payments / ((nowMs - startedMs) / 1000));
  console.error(
    `${tally.seeds} of ${seeds} seeds, ${tally.payments} payments, ${speed}/s, ${tally.violations.length} violations`,
  );
}

function listed(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1).map(([kind, n]) => `  ${kind.padEnd(24)} ${n}`);
}

function summaryOf(tally: Tally, seconds: number): string {
  const speed = Math.round(tally.payments / seconds);
  return [
    `seeds            ${tally.seeds}`,
    `virtual hours    ${(tally.ms / 3_600_000).toFixed(2)}`,
    `payments         ${tally.payments} (${tally.acknowledged} acknowledgements)`,
    `time             ${seconds.toFixed(1)} s, ${speed} payments/s`,
    `faults`,
    ...listed(tally.faults),
    `what followed`,
    ...listed(tally.seen),
    `violations       ${tally.violations.length}`,
  ].join("\n");
}

if (import.meta.main) await runTask({ name: "simulate", help: HELP, parse, run: main });
