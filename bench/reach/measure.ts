/** Measurements of one system at a time: each resolves to plain figures that are kept as JSON. @module */
import { type Containers, galo, processors, type Usages } from "../compose/containers.ts";
import { startLoad } from "../graded/generator.ts";
import { Latency, p99Of } from "../graded/latency.ts";
import type { LoadPlan, LoadSecond } from "../graded/load_event.ts";
import type { OfficialResult } from "../graded/result.ts";
import { run, type RunRecord } from "../graded/run.ts";
import type { Scenario } from "../graded/scenario.ts";
import { median } from "../graded/table.ts";
import { PROCESSORS, REASONS } from "../../src/payment/fact.ts";
import { STAGES } from "../../src/payment/payment.ts";
import { until } from "../../tests/support/until.ts";

/** How long after an outage the backlog is drained, in seconds. */
const DRAIN_S = 30;
/** How many summaries of one payment's window are asked for. */
const SUMMARY_ASKS = 50;
/** How long replicas may take to load payments that the store keeps, in milliseconds. */
const KEPT_MS = 60_000;

/** A graded run in containers. */
export interface GradedRun {
  readonly official: OfficialResult;
  readonly p99Ms: number;
  /** during the {@link DRAIN_S} s after the default processor took payments again; 0 where that never happened */
  readonly drainP99Ms: number;
  readonly default: number;
  readonly fallback: number;
  readonly lag: number;
  readonly failed: number;
  readonly audits: number;
  readonly inconsistencies: number;
  /** of both replicas, Caddy and Postgres, on average, in cores; and the most throttled second, as a share of its periods */
  readonly cores: number;
  readonly throttled: number;
  /** of all four, at the end, in MiB; and what of it are pages of files */
  readonly memoryMiB: number;
  readonly filesMiB: number;
  readonly cpuByContainer: Readonly<Record<string, number>>;
  readonly memoryByContainer: Readonly<Record<string, number>>;
}

/** Runs a scenario against a fresh system. */
export async function graded(
  scenario: Scenario,
  settings: Readonly<Record<string, string>>,
  told: (line: string) => void,
): Promise<GradedRun> {
  const system = galo();
  await processors.up(scenario.fees);
  await system.upFresh(settings);
  const watch = new Watch(system);
  await watch.start();
  const addresses = { router: system.url, processors: processors.addresses };
  const record = await run(scenario, addresses, "galo", ({ second }) => told(`${second.second + 1} s`));
  const used = await watch.stop();
  await system.down();
  const { books, load, audits, score } = record;
  return {
    official: record.official,
    p99Ms: record.latency.p99Ms,
    drainP99Ms: windowP99(record.seconds, drainWindow(scenario)),
    default: books.processors.default.count,
    fallback: books.processors.fallback.count,
    lag: score.lag,
    failed: load.failed,
    audits: audits.length,
    inconsistencies: record.measured.inconsistencies,
    ...used,
  };
}

/** The p99 of a scenario's payments, over all of it and over the seconds after its outage. */
export interface AnswersOnly {
  readonly p99Ms: number;
  readonly drainP99Ms: number;
}

/** A scenario's load, without its outages, on a fresh system that does nothing but answer. */
export async function answersOnly(scenario: Scenario, system: Containers): Promise<AnswersOnly> {
  const { durationSeconds, users, thinkMs, amount } = scenario;
  await system.upFresh();
  const { seconds, p99Ms } = await load({ url: system.url, amount: amount / 100, durationSeconds, users, thinkMs });
  await system.down();
  return { p99Ms, drainP99Ms: windowP99(seconds, drainWindow(scenario)) };
}

/** The result of a constant rate. */
export interface Rate {
  readonly rate: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly cores: number;
  readonly throttled: number;
  readonly memoryMiB: number;
  readonly filesMiB: number;
  readonly cpuByContainer: Readonly<Record<string, number>>;
  readonly memoryByContainer: Readonly<Record<string, number>>;
}

/** Payments at a constant rate against a system that runs. */
export async function atRate(system: Containers, users: number, thinkMs: number, seconds: number): Promise<Rate> {
  const watch = new Watch(system);
  await watch.start();
  const plan = { amount: 19.9, durationSeconds: seconds, users: { from: users, to: users }, thinkMs };
  const { ok, failed, p99Ms } = await load({ url: system.url, ...plan });
  return { rate: Math.round(ok / seconds), p99Ms, failed, ...await watch.stop() };
}

/** The median time of a summary, in milliseconds, asked for one after the other. */
export async function summaryMs({ url }: Containers): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < SUMMARY_ASKS; n++) {
    const start = performance.now();
    await (await fetch(`${url}/payments-summary`)).text();
    times.push(performance.now() - start);
  }
  return median(times);
}

/** Puts settled payments into the store, 300 a second in turns of 20 ms, and restarts all but that. */
export async function keep(system: Containers, count: number): Promise<void> {
  const at = `${Date.now() - 4 * count} + n / 6 * 20`;
  const [settled, booked] = [STAGES.indexOf("settled"), REASONS.indexOf("booked")];
  const insert =
    `insert into payment (id, cents, accepted_at_ms, owner, stage, attempt, processor, requested_at_ms, reason)
     select gen_random_uuid(), 1990, ${at} - 7, n % 2, ${settled}, 1, ${PROCESSORS.indexOf("default")},
       ${at}, ${booked} from generate_series(1, ${count}) n`;
  // a Postgres that is still busy with them would not answer in time, and the replicas would begin with the log alone
  const statements = [insert, "vacuum analyze payment", "checkpoint"].flatMap((statement) => ["-c", statement]);
  await system.compose({}, "exec", "-T", "db", "psql", "-q", "-U", "galo", "-d", "galo", ...statements);
  await system.compose({}, "stop", "a", "b", "caddy");
  await system.startFresh();
  // a problem, while they load
  const summary = async () => await (await fetch(`${system.url}/payments-summary`)).json();
  await until(async () => (await summary()).default?.totalRequests >= count, KEPT_MS);
}

async function load(plan: LoadPlan) {
  const seconds: LoadSecond[] = [];
  const generator = startLoad(plan, (second) => seconds.push(second));
  const { ok, failed, histogram } = await generator.done;
  await generator.stop();
  const latency = new Latency();
  latency.addEncoded(histogram);
  return { seconds, ok, failed, p99Ms: latency.summary().p99Ms };
}

/** The seconds after the last time that the default processor took payments again. */
function drainWindow({ outages }: Scenario): readonly [from: number, to: number] {
  const from = outages.findLast(({ default: first }, n) => !first.failing && outages[n - 1]?.default.failing)
    ?.atSeconds;
  return from === undefined ? [0, 0] : [from, from + DRAIN_S];
}

function windowP99(seconds: RunRecord["seconds"], [from, to]: readonly [number, number]): number {
  return p99Of(seconds.filter(({ second }) => second >= from && second < to));
}

/** What the containers use, looked at once a second. */
class Watch {
  readonly #system: Containers;
  #first!: Usages;
  #last!: Usages;
  #startMs = 0;
  #worst = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(system: Containers) {
    this.#system = system;
  }

  async start(): Promise<void> {
    this.#first = this.#last = await this.#system.usage();
    this.#startMs = performance.now();
    // a failure is thrown when it stops
    this.#timer = setInterval(() => this.#look().catch(() => {}), 1_000);
  }

  async stop() {
    clearInterval(this.#timer);
    await this.#look();
    const seconds = (performance.now() - this.#startMs) / 1_000;
    const cpu = (name: string) => (this.#last.get(name)!.cpuMs - this.#first.get(name)!.cpuMs) / 1_000 / seconds;
    const names = [...this.#last.keys()];
    const cpuByContainer = Object.fromEntries(names.map((name) => [name, cpu(name)]));
    const memoryByContainer = Object.fromEntries(names.map((name) => [name, this.#last.get(name)!.memoryMiB]));
    const sum = (all: Record<string, number>) => Object.values(all).reduce((total, value) => total + value, 0);
    return {
      cores: sum(cpuByContainer),
      throttled: this.#worst,
      memoryMiB: sum(memoryByContainer),
      filesMiB: names.reduce((total, name) => total + this.#last.get(name)!.filesMiB, 0),
      cpuByContainer,
      memoryByContainer,
    };
  }

  async #look(): Promise<void> {
    const now = await this.#system.usage();
    for (const [name, { periods, throttled }] of now) {
      const before = this.#last.get(name)!;
      if (periods > before.periods) {
        this.#worst = Math.max(this.#worst, (throttled - before.throttled) / (periods - before.periods));
      }
    }
    this.#last = now;
  }
}
