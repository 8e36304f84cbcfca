/** One run of the simulation: a seed in, a report out. @module */
import { checkEnd, unfinished } from "./check_end.ts";
import { endFaults, scheduleIncidents } from "./incidents.ts";
import { drawPlan, type PlanOptions } from "./plan.ts";
import { KILLED } from "./life.ts";
import { type Violation, World } from "./world.ts";

/** How long after the last fault everything must be settled and equal, in virtual milliseconds. */
export const LIVENESS_MS = 60_000;
/** How long the last summaries may take, in virtual milliseconds. */
const ANSWER_MS = 2_000;
/** How often that is checked, in virtual milliseconds. */
const LOOK_MS = 25;

/** What a run came to. */
export interface Report {
  readonly seed: number;
  readonly hash: string;
  /** virtual time */
  readonly ms: number;
  readonly payments: number;
  readonly acknowledged: number;
  readonly faults: ReadonlyMap<string, number>;
  /** what followed from them */
  readonly seen: ReadonlyMap<string, number>;
  readonly violation: Violation | undefined;
  /** where it was asked for */
  readonly lines: readonly string[];
}

export interface RunOptions extends PlanOptions {
  /** whether the report has lines to read */
  readonly record?: boolean;
}

/** Runs a seed. The same seed and options give the same report. */
export async function run(seed: number, options: RunOptions = {}): Promise<Report> {
  const plan = drawPlan(seed, options);
  const world = new World(plan, options.record ?? false);
  const rejected = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    if (event.reason !== KILLED) world.violate("invariants", stackOf(event.reason));
  };
  addEventListener("unhandledrejection", rejected);
  try {
    await live(world);
  } catch (error) {
    world.violate("invariants", stackOf(error));
  }
  // an unhandled rejection is reported only when the real event loop turns
  await turn();
  removeEventListener("unhandledrejection", rejected);
  return {
    seed,
    hash: world.trace.hash,
    ms: world.clock.monotonic(),
    payments: world.asked.payments.size,
    acknowledged: world.acks.acknowledged,
    faults: world.faults,
    seen: world.seen,
    violation: world.violation,
    lines: world.trace.lines,
  };
}

/** Both phases: safety while faults last, then liveness. */
async function live(world: World): Promise<void> {
  const { clock, plan } = world;
  for (const name of world.names) clock.after(world.prng.between(0, 50), () => world.start(name));
  world.callers.schedule();
  scheduleIncidents(world);
  const broken = () => world.violation !== undefined;
  await clock.pass(plan.safetyMs + plan.settings.stopMs, broken);
  if (broken()) return;
  world.note("faults end", undefined, 0);
  endFaults(world);
  world.callers.callLate();
  await becomeQuiet(world);
  if (broken()) return;
  world.closing = true;
  for (const { life, replica } of world.living) world.summaries.ask({ life, replica });
  if (world.engine) {
    // on several hosts an answer takes its time, and what was published late may land meanwhile
    await clock.pass(clock.monotonic() + ANSWER_MS, broken);
    await becomeQuiet(world);
  }
  if (!broken()) checkEnd(world);
}

/** Waits until everything is settled and equal. */
async function becomeQuiet(world: World): Promise<void> {
  const { clock, plan } = world;
  const broken = () => world.violation !== undefined;
  const untilMs = clock.monotonic() + LIVENESS_MS + plan.settings.patienceMs;
  let left = unfinished(world);
  while (left !== "" && clock.monotonic() < untilMs && !broken()) {
    await clock.pass(clock.monotonic() + LOOK_MS, broken);
    left = unfinished(world);
  }
  if (left !== "") world.violate("liveness", left);
}

async function turn(): Promise<void> {
  // the first may still be of the same turn
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

function stackOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
