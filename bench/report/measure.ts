/** One graded run with everything looked at beside it. @module */
import * as hdr from "hdr-histogram-js";
import type { LoadSecond } from "../graded/load_event.ts";
import { run, type RunRecord } from "../graded/run.ts";
import { parseScenario } from "../graded/scenario.ts";
import type { Caddy } from "../graded/system.ts";
import type { BothBooks } from "../graded/score.ts";
import { ownLag } from "../graded/table.ts";
import { Database } from "./database.ts";
import type { Figures, Spread } from "./figures.ts";
import { growth } from "./metrics.ts";
import { Probe } from "./probe.ts";
import { ProcessWatch } from "./processes.ts";
import { type ReportSystem, startReportSystem } from "./system.ts";

/** Requests of one kind on an idle system, for a median. */
const SINGLE_REQUESTS = 200;
const SUMMARY_REQUESTS = 50;
/** Between two requests beside the load, and between two looks at processes and connections, in milliseconds. */
const EDGE_EVERY_MS = 40;
const LOOK_EVERY_MS = 1_000;
/** How long everything may take to be settled and stored after a run, in milliseconds. */
const CATCH_UP_MS = 60_000;
/** How long Postgres may take to add a session's counts to its statistics, in milliseconds. */
const STATISTICS_MS = 1_200;
const FEES = { default: 0.05, fallback: 0.15 };
const AMOUNT = 19.9;
/** Longer than anything here takes, in thousandths of a millisecond. */
const HIGHEST = 600_000_000;

/** What to measure. */
export interface Plan {
  readonly seconds: number;
  /** virtual users; each sends about one payment a second */
  readonly users: number;
  /** what both processors take for an answer, in milliseconds */
  readonly processorMs: number;
  readonly targetMs: number;
  readonly caddy: Caddy;
  /** of the replicas, beside their defaults */
  readonly settings: Readonly<Record<string, string>>;
  /** what a replica runs instead of `main.ts` */
  readonly entry?: string | undefined;
}

/**
 * Starts a system, measures it, and stops it.
 * @param told called once a second of the load
 * @param started called with what has to be stopped if this process is
 * @throws where the system does not start, or the load generator dies
 */
export async function measure(
  plan: Plan,
  told: (second: LoadSecond) => void,
  started: (system: ReportSystem) => void = () => {},
): Promise<Figures> {
  const system = await startReportSystem({ ...plan, fees: FEES });
  started(system);
  const database = new Database(system.databaseUrl);
  try {
    return await figuresOf(plan, system, database, told);
  } finally {
    await database.close();
    await system.stop();
  }
}

async function figuresOf(
  plan: Plan,
  system: ReportSystem,
  database: Database,
  told: (second: LoadSecond) => void,
): Promise<Figures> {
  const { addresses, sockets } = system;
  const single = await singleRequests(system);
  await untilStored(system, database);
  const before = { counters: await database.counters(), indexes: await database.indexes() };
  const metrics = () => Promise.all([sockets.a, sockets.b].map((socket) => once(socket, "GET", "/metrics")));
  const metricsBefore = await metrics();
  const beside = new Beside(system, database);
  await beside.start();
  let record: RunRecord;
  try {
    record = await run(scenario(plan), addresses, "galo", ({ second }) => told(second));
  } finally {
    await beside.stop();
  }
  const processes = await beside.watch.figures();
  const timings = timingsOf([metricsBefore, await metrics()]);
  const catchUp = await untilStored(system, database);
  await sleep(STATISTICS_MS);
  const counters = await database.counters();
  const indexes = await database.indexes();
  const memory = await times(sockets.a, "GET", "/payments-summary", SUMMARY_REQUESTS);
  const sql = await database.summary();
  const said = booksOf(JSON.parse(await once(sockets.a, "GET", "/payments-summary")));
  return {
    startedAt: record.startedAt,
    seconds: plan.seconds,
    users: plan.users,
    processorMs: plan.processorMs,
    targetMs: plan.targetMs,
    settings: shown(system.settings),
    p99: record.score.p99Ms,
    client: spreadOfSummary(record.payments),
    clientLag: ownLag(record),
    accepted: record.load.ok,
    failed: record.load.failed,
    booked: record.books.processors,
    inconsistencies: record.measured.inconsistencies,
    lag: record.score.lag,
    single,
    machineLag: spread(beside.machineLag),
    edge: { through: spread(beside.through), direct: spread(beside.direct) },
    timings,
    inFlightMax: beside.inFlightMax,
    summary: { memory, sql, same: JSON.stringify(said) === JSON.stringify(sql.books) },
    database: {
      counters: {
        commits: counters.commits - before.counters.commits,
        rowsInserted: counters.rowsInserted - before.counters.rowsInserted,
        rowsUpdated: counters.rowsUpdated - before.counters.rowsUpdated,
        rowsHot: counters.rowsHot - before.counters.rowsHot,
        seqScans: counters.seqScans - before.counters.seqScans,
        indexScans: counters.indexScans - before.counters.indexScans,
      },
      indexes: Object.fromEntries(
        Object.entries(indexes).map(([name, scans]) => [name, scans - (before.indexes[name] ?? 0)]),
      ),
      connectionsMax: beside.connectionsMax,
      activeMax: beside.activeMax,
      catchUp,
    },
    processes,
  };
}

/** Without what is secret or of no interest. */
function shown(
  { STORE_INTERVAL_MS, MAX_IN_FLIGHT, ACK }: Figures["settings"],
): Figures["settings"] {
  return { STORE_INTERVAL_MS, MAX_IN_FLIGHT, ACK };
}

/** A steady load on processors that always take the same time: what differs between two reports is then the router. */
function scenario({ seconds, users, processorMs }: Plan) {
  const state = { delayMs: processorMs, failing: false };
  return parseScenario({
    name: "report",
    durationSeconds: seconds,
    users: { from: users, to: users },
    thinkMs: 1_000,
    amount: AMOUNT,
    fees: FEES,
    audit: { everySeconds: 5, fromSecondsAgo: 15, toSecondsAgo: 2, compare: "each" },
    books: "processors",
    outages: [{ atSeconds: 0, default: state, fallback: state }],
  }, "report");
}

/** What goes on beside the load. */
class Beside {
  readonly watch: ProcessWatch;
  readonly through = histogram();
  readonly direct = histogram();
  readonly machineLag = histogram();
  inFlightMax = 0;
  connectionsMax = 0;
  activeMax = 0;
  readonly #system: ReportSystem;
  readonly #database: Database;
  readonly #idle = new Worker(new URL("./idle_timer.ts", import.meta.url), { type: "module" });
  #ended = false;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(system: ReportSystem, database: Database) {
    this.#system = system;
    this.#database = database;
    this.watch = new ProcessWatch(system.postgresPid);
  }

  async start(): Promise<void> {
    await this.watch.start();
    this.#loops = Promise.all([this.#edge(), this.#look()]);
    // the caller of stop() gets the error
    this.#loops.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#ended = true;
    const late = Promise.withResolvers<readonly number[]>();
    this.#idle.onmessage = ({ data }) => late.resolve(data);
    this.#idle.postMessage("");
    for (const ms of await late.promise) add(this.machineLag, ms);
    this.#idle.terminate();
    await this.#loops;
  }

  async #edge(): Promise<void> {
    const { addresses, sockets } = this.#system;
    const through = new Probe(addresses.router);
    const direct = [new Probe(sockets.a), new Probe(sockets.b)];
    for (let turn = 0; !this.#ended; turn++) {
      // Caddy takes the replicas in turn as well
      add(this.direct, (await direct[turn % 2]!.send("GET", "/livez")).ms);
      await sleep(EDGE_EVERY_MS / 2);
      add(this.through, (await through.send("GET", "/livez")).ms);
      await sleep(EDGE_EVERY_MS / 2);
    }
    for (const probe of [through, ...direct]) probe.close();
  }

  async #look(): Promise<void> {
    const { sockets } = this.#system;
    while (!this.#ended) {
      await this.watch.look();
      const { open, active } = await this.#database.connections();
      this.connectionsMax = Math.max(this.connectionsMax, open);
      this.activeMax = Math.max(this.activeMax, active);
      for (const socket of [sockets.a, sockets.b]) {
        const { processors } = JSON.parse(await once(socket, "GET", "/readyz"));
        this.inFlightMax = Math.max(this.inFlightMax, processors.default.inFlight, processors.fallback.inFlight);
      }
      await sleep(LOOK_EVERY_MS);
    }
  }
}

/** Payments one by one on an idle system, the very first one apart. */
async function singleRequests({ addresses, sockets }: ReportSystem): Promise<Figures["single"]> {
  const cold = async (target: string) => {
    const probe = new Probe(target);
    const { ms } = await probe.send("POST", "/payments", payment());
    probe.close();
    return ms;
  };
  return {
    cold: await cold(addresses.router),
    coldDirect: await cold(sockets.a),
    warm: await times(addresses.router, "POST", "/payments", SINGLE_REQUESTS, payment),
    warmDirect: await times(sockets.a, "POST", "/payments", SINGLE_REQUESTS, payment),
  };
}

function payment(): string {
  return JSON.stringify({ correlationId: crypto.randomUUID(), amount: AMOUNT });
}

/** The same request again and again on one connection that is open already. */
async function times(
  ...[target, method, path, count, body]: [string, string, string, number, (() => string)?]
): Promise<Spread> {
  const probe = new Probe(target);
  const all = histogram();
  await probe.send(method, path, body?.());
  for (let sent = 0; sent < count; sent++) add(all, (await probe.send(method, path, body?.())).ms);
  probe.close();
  return spread(all);
}

async function once(target: string, method: string, path: string): Promise<string> {
  const probe = new Probe(target);
  const { body } = await probe.send(method, path);
  probe.close();
  return body;
}

/** Waits until nothing is pending and Postgres holds what is settled; milliseconds, or undefined after a minute. */
async function untilStored({ sockets }: ReportSystem, database: Database): Promise<number | undefined> {
  const startMs = performance.now();
  while (performance.now() - startMs < CATCH_UP_MS) {
    const { pending, settled } = JSON.parse(await once(sockets.a, "GET", "/readyz"));
    if (pending === 0 && await database.settled() === settled) return performance.now() - startMs;
    await sleep(20);
  }
  return undefined;
}

function booksOf(summary: Record<"default" | "fallback", { totalRequests: number; totalAmount: number }>): BothBooks {
  const of = (name: "default" | "fallback") => ({
    count: summary[name].totalRequests,
    cents: Math.round(summary[name].totalAmount * 100),
  });
  return { default: of("default"), fallback: of("fallback") };
}

/** @param scrapes of both replicas, before the run and after it */
function timingsOf(scrapes: readonly [readonly string[], readonly string[]]): Figures["timings"] {
  const of = (name: string, labels: string[] = [], scale = 1_000) => growth(`galo_${name}`, labels, scrapes, scale);
  return {
    post: of("http_request_duration_seconds", ['method="POST"', 'route="/payments"']),
    "route-wait": of("dispatch_wait_seconds"),
    processor: of("processor_call_duration_seconds"),
    "store-write": of("store_write_duration_seconds"),
    "store-rows": of("store_batch_payments", [], 1),
    "loop-lag": of("event_loop_lag_seconds"),
  };
}

function histogram(): hdr.Histogram {
  return hdr.build({ lowestDiscernibleValue: 1, highestTrackableValue: HIGHEST, numberOfSignificantValueDigits: 3 });
}

function add(histogram: hdr.Histogram, ms: number): void {
  histogram.recordValue(Math.min(HIGHEST, Math.max(1, Math.round(ms * 1_000))));
}

function spread(histogram: hdr.Histogram): Spread {
  const { totalCount: count, mean, maxValue } = histogram;
  if (count === 0) return { count, mean: 0, median: 0, p99: 0, max: 0 };
  // a bucket stands for its highest value, which may be above the largest that was seen
  const at = (percentile: number) => Math.min(maxValue, histogram.getValueAtPercentile(percentile)) / 1_000;
  return { count, mean: mean / 1_000, median: at(50), p99: at(99), max: maxValue / 1_000 };
}

function spreadOfSummary({ count, medianMs, p99Ms, maxMs }: RunRecord["payments"]): Figures["client"] {
  return { count, median: medianMs, p99: p99Ms, max: maxMs };
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
