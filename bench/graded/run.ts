/** One graded run against a system that serves. @module */
import { type Addresses, Api, ApiError } from "./api.ts";
import { type Audit, NOTHING } from "./audit.ts";
import { Auditor } from "./auditor.ts";
import { startLoad } from "./generator.ts";
import { Latency, type LatencySummary } from "./latency.ts";
import type { LoadDone, LoadSecond } from "./load_event.ts";
import { endOutages, makeOutages } from "./outages.ts";
import { type OfficialResult, officialResult } from "./result.ts";
import { type Sample, Sampler } from "./sampler.ts";
import type { Scenario } from "./scenario.ts";
import { Schedule } from "./schedule.ts";
import { type BothBooks, type Measured, type Score, score } from "./score.ts";

/** Before its start, a window of the whole run reaches so far back, in milliseconds. */
const MARGIN_MS = 1_000;

/** The state of a run under way. */
export interface Progress {
  readonly elapsedMs: number;
  readonly second: LoadSecond;
  readonly sample: Sample | undefined;
  readonly audits: readonly Audit[];
}

/** The result of a run. */
export interface RunRecord {
  readonly scenario: Scenario;
  /** ISO-8601, UTC */
  readonly startedAt: string;
  readonly seconds: readonly LoadSecond[];
  readonly samples: readonly Sample[];
  readonly audits: readonly Audit[];
  readonly load: Omit<LoadDone, "histogram" | "type"> & { readonly clockUs: number };
  /** every successful request of the run, the bench's own included, as the grader counts it */
  readonly latency: LatencySummary;
  /** payments alone */
  readonly payments: LatencySummary;
  /** both views at the end */
  readonly books: { readonly router: BothBooks; readonly processors: BothBooks };
  readonly measured: Measured;
  readonly score: Score;
  readonly official: OfficialResult;
  readonly warnings: readonly string[];
}

/**
 * Purges, sends the load, makes trouble, audits, and counts the score.
 * @param told called once a second
 * @param participant named in the result
 * @throws ApiError where a processor cannot be driven; Error where the load generator dies
 */
export async function run(
  scenario: Scenario,
  addresses: Addresses,
  participant: string,
  told: (progress: Progress) => void,
): Promise<RunRecord> {
  const warnings: string[] = [];
  const latency = new Latency();
  const api = new Api(addresses, latency);
  await api.untilReady();
  await endOutages(api);
  if (!await api.purge()) warnings.push("the router has no purge: what it knew before this run counts too");

  const seconds: LoadSecond[] = [];
  const auditor = new Auditor(api, scenario.audit);
  const sampler = new Sampler(addresses);
  let schedule: Schedule | undefined;
  const load = startLoad({
    url: addresses.router,
    amount: scenario.amount / 100,
    durationSeconds: scenario.durationSeconds,
    users: scenario.users,
    thinkMs: scenario.thinkMs,
  }, (second) => {
    seconds.push(second);
    const sample = sampler.samples.at(-1);
    told({ elapsedMs: schedule?.elapsedMs ?? 0, second, sample, audits: auditor.audits });
  });
  try {
    const { clockUs } = await load.started;
    schedule = new Schedule();
    const beside = [
      makeOutages(api, scenario.outages, schedule),
      auditor.run(schedule, scenario.durationSeconds),
    ];
    const sampling = sampler.run(schedule);
    const [done] = await Promise.all([load.done, ...beside]);
    const books = await finalBooks(api, schedule, scenario, warnings);
    schedule.end();
    await sampling;

    const payments = new Latency();
    payments.addEncoded(done.histogram);
    latency.addEncoded(done.histogram);
    const measured: Measured = {
      books: books[scenario.books],
      feeBp: books.feeBp,
      accepted: done.ok,
      p99Ms: latency.summary().p99Ms,
      inconsistencies: auditor.audits.reduce((total, { difference }) => total + difference, 0),
    };
    const verdict = score(measured);
    const startedAt = new Date(schedule.startedAt).toISOString();
    return {
      scenario,
      startedAt,
      seconds,
      samples: sampler.samples,
      audits: auditor.audits,
      load: { ok: done.ok, failed: done.failed, answers: done.answers, cpuMs: done.cpuMs, clockUs },
      latency: latency.summary(),
      payments: payments.summary(),
      books: { router: books.router, processors: books.processors },
      measured,
      score: verdict,
      official: officialResult({
        participant,
        usersMax: scenario.users.to,
        failed: done.failed,
        measured,
        score: verdict,
        timestamp: new Date().toISOString(),
      }),
      warnings,
    };
  } finally {
    schedule?.end();
    await load.stop();
    api.close();
  }
}

/** Both views of the whole run, and the fees that the processors say they charge, in basis points. */
async function finalBooks(api: Api, schedule: Schedule, { fees }: Scenario, warnings: string[]) {
  const window = { from: schedule.startedAt - MARGIN_MS, to: Date.now() };
  const [byDefault, byFallback, router] = await Promise.all([
    api.processorBooks("default", window),
    api.processorBooks("fallback", window),
    api.routerBooks(window),
  ]);
  if (!byDefault || !byFallback) throw new ApiError("a processor did not say at the end what it has booked");
  if (!router) warnings.push("the router did not answer its summary at the end: that counts as nothing booked");
  const feeBp = { default: byDefault.feeBp, fallback: byFallback.feeBp };
  for (const name of ["default", "fallback"] as const) {
    const asked = Math.round(fees[name] * 10_000);
    if (feeBp[name] !== asked) {
      warnings.push(`the ${name} processor charges ${feeBp[name] / 100} %, the scenario says ${asked / 100} %`);
    }
  }
  const { count, cents } = byFallback;
  const processors: BothBooks = {
    default: { count: byDefault.count, cents: byDefault.cents },
    fallback: { count, cents },
  };
  return { router: router ?? NOTHING, processors, feeBp };
}
