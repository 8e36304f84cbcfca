/**
 * One replica as a process: builds the production ports, serves HTTP, and stops in good order.
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Config, ConfigError, type Listen, operationsOf } from "./config.ts";
import { FileLock } from "./membership/file_lock.ts";
import { UnixTransport } from "./peer/unix_socket.ts";
import { createApp } from "./api/app.ts";
import { Listener } from "./api/listener.ts";
import { HttpProcessorClient } from "./processor/client.ts";
import { Replica } from "./replica.ts";
import { reason, StartError } from "./start_error.ts";
import { PostgresStore } from "./store/postgres.ts";
import { systemClock } from "./system_clock.ts";
import galo from "../deno.json" with { type: "json" };
import type { Histograms } from "./telemetry/histograms.ts";
import { Meters } from "./telemetry/meters.ts";
import type { Traces } from "./telemetry/traces.ts";
import { Watch } from "./console/watch.ts";
import { both, timedClient, timedPayments, timedStore } from "./telemetry/timed.ts";

/** A broken invariant ends the process with this code (sysexits.h: internal software error). */
export const EXIT_INVARIANT = 70;
/** How long requests in flight may take to finish when the replica stops, in milliseconds. */
const REQUESTS_MS = 300;
/** How often a starting replica looks whether it is ready, in milliseconds. */
const READY_MS = 10;

/** A replica that runs. */
export interface Host {
  /**
   * Resolved to where it takes payments, a URL or the path of a socket, once it has recovered what was known before;
   * rejected with a StartError where it cannot listen there.
   */
  readonly serving: Promise<string>;
  /** Takes nothing new, lets calls finish, stores what is known; resolves to whether the next start finds everything. */
  stop(): Promise<boolean>;
}

/**
 * Starts the replica that `config` describes.
 *
 * @param timings measures where its time goes, for `TIMINGS`
 * @param traces tells of every payment's way, for `OTEL_DENO`
 * @throws StartError, ConfigError with one clear line
 */
export function startReplica(config: Config, timings?: Histograms, traces?: Traces): Host {
  if (!config.PROCESSOR_DEFAULT_URL) throw new ConfigError("PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: not set");
  const logger = getLogger(["galo", "replica", config.REPLICA]);
  const fail = (error: unknown) => {
    logger.fatal("stopping at once: {error}", { error });
    Deno.exit(EXIT_INVARIANT);
  };
  makeFolder(config.DATA_DIR);
  const lock = new FileLock(config.DATA_DIR);
  if (!lock.tryAcquire(`process-${config.REPLICA}`)) {
    throw new StartError(`replica ${config.REPLICA} is running already in ${config.DATA_DIR}`);
  }
  const meters = new Meters(galo.version);
  const measured = timings ? both(timings, meters) : meters;
  const told = traces ? both(measured, traces) : measured;
  const client = new HttpProcessorClient({
    urls: { default: config.PROCESSOR_DEFAULT_URL, fallback: config.PROCESSOR_FALLBACK_URL },
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    connectionsMax: config.MAX_IN_FLIGHT,
  });
  const log = (level: "info" | "warning", message: string, fields?: Record<string, unknown>) =>
    logger[level](message, fields);
  const watch = new Watch({
    self: config.REPLICA,
    clock: systemClock,
    watchersMax: config.WATCHERS_MAX,
    queueMax: config.QUEUE_MAX,
    fees: { default: config.FEE_DEFAULT, fallback: config.FEE_FALLBACK },
    memory: () => Deno.memoryUsage().rss,
    recall: async (id) => await store?.story(id),
    log,
  });
  const { DATABASE_URL: url, STORE_POOL: poolMax } = config;
  const store: PostgresStore | undefined = url
    ? new PostgresStore({ url, poolMax, story: (id) => watch.stored(id) })
    : undefined;
  const replica = new Replica({
    self: config.REPLICA,
    ack: config.ACK,
    patienceMs: config.PATIENCE_MS,
    slowMs: config.SLOW_MS,
    maxInFlight: config.MAX_IN_FLIGHT,
    dispatchPerSecond: config.DISPATCH_PER_SECOND,
    queueMax: config.QUEUE_MAX,
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    recallMs: config.RECALL_MS,
    drainMs: config.DRAIN_MS,
    batchMax: config.STORE_BATCH,
    intervalMs: config.STORE_INTERVAL_MS,
    backlogMax: config.STORE_BACKLOG_MAX,
  }, {
    clock: systemClock,
    random: Math.random,
    client: timedClient(told, traces ? traces.client(client) : client),
    lock,
    ...config.REPLICAS === 2 && { transport: new UnixTransport(`${config.DATA_DIR}/gossip.sock`, fail) },
    ...store && { store: timedStore(told, store) },
    timings: told,
    witness: watch,
    incarnation: crypto.randomUUID(),
    log,
    fail,
  });
  const payments = timings ? timedPayments(timings, replica) : replica;
  const app = (internal: boolean) => {
    const { fetch } = createApp(traces ? traces.payments(payments) : payments, {
      allowPurge: config.ALLOW_PURGE,
      ...config.ADMIN_TOKEN && { adminToken: config.ADMIN_TOKEN },
      now: systemClock.now,
      onInvariant: fail,
      bodyTimeoutMs: config.BODY_TIMEOUT_MS,
      watching: watch,
      internal,
      metrics: watch.over(meters),
    });
    return timings ? timings.served(config.REPLICA, fetch, internal) : fetch;
  };
  const shared = config.REPLICAS === 2;
  const listener = (listen: Listen, internal: boolean) =>
    new Listener({
      ...{ listen, shared, handler: app(internal) },
      failed: (why) => logger.error("takes no connections for a moment: {why}", { why }),
    });
  const operations = operationsOf(config);
  const callers = config.LISTEN ? { path: config.LISTEN } : { hostname: config.HOST, port: config.PORT };
  const front = listener(callers, !operations);
  // open before payments are taken: who operates a replica wants to see it start
  const back = operations && listener(operations, true);
  const backAt = back?.open();
  logger.info("starting", {
    version: galo.version,
    ack: config.ACK,
    replicas: config.REPLICAS,
    store: store !== undefined,
    ...backAt && { operations: backAt },
  });
  const startedMs = systemClock.monotonic();
  timings?.start();
  meters.start(replica, () => replica.vitals);
  watch.start({ payments: replica, vitals: () => replica.vitals, totals: () => replica.book.summary() });
  replica.start();
  return {
    // before it has recovered it could only refuse what the other replica takes
    serving: untilReady(replica).then(() => {
      const where = front.open();
      const afterMs = Math.round(systemClock.monotonic() - startedMs);
      const { pending, settled } = replica.readiness();
      logger.info("ready", { where, afterMs, pending, settled });
      return where;
    }),
    async stop() {
      logger.info("stopping");
      const stoppingMs = systemClock.monotonic();
      // a stream never ends by itself
      watch.stop();
      // callers first: a replica that stops takes nothing new
      const late = new Promise((resolve) => setTimeout(resolve, REQUESTS_MS));
      await Promise.race([Promise.all([front.shutdown(), back?.shutdown()]), late]);
      const clean = await replica.stop();
      await client.close();
      timings?.stop();
      meters.stop();
      logger.info("stopped", { clean, afterMs: Math.round(systemClock.monotonic() - stoppingMs) });
      return clean;
    },
  };
}

/** Makes a folder that nobody else may look into. */
export function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StartError(`cannot use the folder ${path}: ${reason(error)}`);
  }
}

function untilReady(replica: Replica): Promise<void> {
  return new Promise((resolve) => {
    const look = () => replica.readiness().ready ? resolve() : setTimeout(look, READY_MS);
    look();
  });
}
