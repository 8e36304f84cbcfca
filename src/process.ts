/** One replica as a process: builds the production ports, serves HTTP, and stops in good order. @module */
import { getLogger, type Logger } from "@logtape/logtape";
import galo from "../deno.json" with { type: "json" };
import { createApp } from "./api/app.ts";
import { Listener } from "./api/listener.ts";
import type { Handler } from "./api/port.ts";
import { within } from "./clock.ts";
import { checkReplicaConfig, type Config, type Listen, operationsOf, RECALL_MS, STOP_MS } from "./config.ts";
import { Watch } from "./console/watch.ts";
import { makeFolder, peerSocket, remoteKind } from "./file_system.ts";
import { FileSegments } from "./ledger/file_segments.ts";
import { RECORD_BYTES } from "./ledger/record.ts";
import { keepRoster } from "./ledger/roster_file.ts";
import { REREADS, SEGMENT_RECORDS } from "./ledger/segment_log.ts";
import { memoryLimits } from "./memory.ts";
import { FileLocks } from "./membership/file_lock.ts";
import { POLL_MS } from "./membership/health_poller.ts";
import type { Processor } from "./payment/fact.ts";
import { ASKING_MAX } from "./routing/dispatcher.ts";
import { dispatchPerSecond } from "./routing/turns.ts";
import { UnixTransport } from "./peer/unix_socket.ts";
import { Roster } from "./payment/roster.ts";
import { HttpProcessorClient } from "./processor/client.ts";
import { Replica, type ReplicaSettings } from "./replica.ts";
import { errorLine, EXIT_INVARIANT, EXIT_RESTART, isOfFiles, StartError } from "./errors.ts";
import { PostgresStore } from "./store/postgres.ts";
import { COVER_MS } from "./store/projector.ts";
import { bootNumber, systemClock } from "./system_clock.ts";
import { Meters } from "./telemetry/meters.ts";
import type { Observer } from "./service/observer.ts";
import type { Traces } from "./telemetry/traces.ts";

/** How long requests in flight may take to finish when the replica stops, in milliseconds: a part of {@link STOP_MS}. */
const REQUESTS_MS = 300;
/** A segment of the log in MiB. */
const SEGMENT_MB = SEGMENT_RECORDS * RECORD_BYTES / 2 ** 20;
/** How often a starting replica checks whether it is ready, in milliseconds. */
const READY_MS = 10;
/** How often the same trouble of the log is logged, in milliseconds. */
const SAID_MS = 10_000;

/** A replica that runs. */
interface Host {
  /**
   * Resolved to where it takes payments, a URL or the path of a socket, once it has read the store and the log, or to
   * undefined if it is stopped sooner; rejected with a StartError if it cannot listen there.
   */
  readonly serving: Promise<string | undefined>;
  /** Takes nothing new, lets calls finish, writes the store; resolves to whether no call was cut off and the store is complete. */
  stop(): Promise<boolean>;
}

/**
 * Starts the replica that `config` describes.
 *
 * @param traces the traces of payments, if Deno sends any
 * @throws StartError, ConfigError with one clear line
 */
export async function startReplica(config: Config, traces?: Traces): Promise<Host> {
  checkReplicaConfig(config);
  const logger = getLogger(["galo", "replica", config.REPLICA]);
  const fail = failing(logger);
  const { leave, roster, ...log } = await logOf(config, logger, fail);
  const kind = config.LOG === "file" ? "file" : "nats";
  const meters = new Meters(config.REPLICA, galo.version);
  const say = (level: "info" | "warning", message: string, fields?: Record<string, unknown>) =>
    logger[level](message, fields);
  const { DATABASE_URL: url } = config;
  const watch = new Watch({
    self: config.REPLICA,
    roster,
    clock: systemClock,
    log: kind,
    fees: config.FEES,
    memory: () => Deno.memoryUsage().rss,
    recall: async (id) => await store?.story(id),
    late: (ms) => meters.late(ms),
    say,
  });
  const store: PostgresStore | undefined = url
    ? new PostgresStore({ url, roster, story: (id) => watch.stored(id) })
    : undefined;
  const observers: readonly Observer[] = [watch, meters, ...traces ? [traces] : []];
  const client = clientOf(config, observers);
  const replica = new Replica(settingsOf(config, roster), {
    ...{ ...log, clock: systemClock, random: Math.random, client, observers, say, fail },
    uuid: () => crypto.randomUUID(),
    store,
    restart(why) {
      logger.warning("this replica must restart, to read the store and the log again", { why });
      Deno.exit(EXIT_RESTART);
    },
  });
  const app = (internal: boolean) =>
    createApp({
      payments: replica,
      allowPurge: config.ALLOW_PURGE,
      adminToken: config.ADMIN_TOKEN,
      now: systemClock.now,
      onInvariant: fail,
      watching: watch,
      internal,
      observers,
      scrape: () => meters.scrape(replica),
    }).fetch;
  const front = await frontOf(config, (internal) => traces?.activating(app(internal)) ?? app(internal), logger);
  const { operations } = front;
  const { ACK: ack, REPLICAS } = config;
  const replicas = REPLICAS.join();
  const { version } = galo;
  logger.info("starting", { version, ack, replicas, log: kind, store: !!store, ...operations && { operations } });
  watch.start(replica);
  replica.start();
  return {
    serving: serve(replica, front, logger),
    stop: () => stop({ logger, front, replica, leave, store, client, watch }),
  };
}

/** The listeners: `open` lets callers in; operators get in at once, since they want to see a replica start. */
async function frontOf(config: Config, app: (internal: boolean) => Handler, logger: Logger) {
  const listener = (listen: Listen, internal: boolean) =>
    new Listener({
      ...{ listen, shared: config.REPLICAS.length > 1, handler: app(internal) },
      failed: (why) => logger.error("cannot accept connections, tries again", { why }),
    });
  const place = operationsOf(config);
  const callers = listener(config.LISTEN, !place);
  const operators = place && listener(place, true);
  return {
    /** where the operators' pages are, if not with the payments */
    operations: await operators?.open(),
    open: () => callers.open(),
    close: () => within(systemClock, REQUESTS_MS, callers.shutdown(false)),
    shutdown: () => Promise.all([callers.shutdown(), operators?.shutdown()]),
  };
}

type Front = Awaited<ReturnType<typeof frontOf>>;

/**
 * Lets callers in once the replica serves: before that it could only refuse payments that another replica takes. If
 * no replica takes any, it lets callers in to answer 503.
 */
async function serve(replica: Replica, front: Front, logger: Logger): Promise<string | undefined> {
  const startedMs = systemClock.monotonic();
  const afterMs = () => Math.round(systemClock.monotonic() - startedMs);
  const isStarting = () => ["starting", "reading"].includes(replica.readiness().phase);
  let where: string | undefined;
  while (isStarting()) {
    const refuses = replica.isAwaitingStore && afterMs() >= COVER_MS;
    if (refuses && !where) where = await front.open();
    if (!refuses && where) where = void await front.close();
    await new Promise((resolve) => setTimeout(resolve, READY_MS));
  }
  const { phase, pending, settled } = replica.readiness();
  where ??= await front.open();
  if (phase !== "serving" || where === undefined) return undefined;
  logger.info("payments are taken", { where, afterMs: afterMs(), pending, settled });
  return where;
}

interface RunningProcess {
  readonly logger: Logger;
  readonly front: Front;
  readonly replica: Replica;
  readonly leave: () => Promise<void>;
  readonly store: PostgresStore | undefined;
  readonly client: HttpProcessorClient;
  readonly watch: Watch;
}

/** Stops within {@link STOP_MS}. @returns whether nothing was cut off */
async function stop({ logger, front, replica, leave, store, client, watch }: RunningProcess): Promise<boolean> {
  logger.info("stopping");
  const stoppingMs = systemClock.monotonic();
  // a stream never ends by itself
  watch.stop();
  // callers first: a replica that stops takes nothing new
  await within(systemClock, REQUESTS_MS, front.shutdown().catch(() => {}));
  const clean = await replica.stop();
  await client.close();
  const afterMs = Math.round(systemClock.monotonic() - stoppingMs);
  const left = Promise.allSettled([store?.close(), leave()]);
  await within(systemClock, Math.max(0, STOP_MS - afterMs), left);
  if (clean) logger.info("stopped; the next start finds everything", { afterMs });
  else logger.warning("stopped before everything had ended; the next start continues from the log", { afterMs });
  return clean;
}

/** The log, whose it is, the way to the peers, and how to leave them; what NATS needs is loaded only where `LOG` names servers. */
async function logOf(config: Config, logger: Logger, fail: (error: unknown) => void) {
  const { LOG: servers, DATA_DIR, REPLICA: self, REPLICAS: names } = config;
  const isAlone = names.length === 1;
  if (servers === "file") {
    const transport = isAlone ? undefined : new UnixTransport(DATA_DIR, self, fail);
    const { longest, ...ports } = claimFolder(config, logger);
    const roster = new Roster(names, longest);
    return { ...ports, roster, boot: bootNumber(), transport, leave: () => Promise.resolve() };
  }
  const { LateEngine } = await import("./nats/late_engine.ts");
  const bytesMax = config.LOG_MAX_MB * 2 ** 20;
  const engine = new LateEngine(servers, { self, names, bytesMax, pollMs: POLL_MS, clock: systemClock, fail });
  await engine.check();
  return {
    roster: new Roster(names),
    streams: engine,
    claimHealth: (processor: Processor) => engine.claimHealth(processor),
    transport: isAlone ? undefined : engine,
    leave: () => engine.leave(),
  };
}

/** Makes the folders, and takes the lock that one process of this replica has there. */
function claimFolder({ DATA_DIR, REPLICAS, REPLICA }: Config, logger: Logger) {
  const folder = `${DATA_DIR}/log`;
  // throws if the path is too long, before anything is made
  peerSocket(DATA_DIR, REPLICA);
  makeFolder(folder);
  checkFileSystem(folder);
  const locks = new FileLocks(DATA_DIR);
  // never released: it ends with the process
  if (!locks.tryAcquire(`process-${REPLICA}`)) {
    throw new StartError(`replica ${REPLICA} is running already in ${DATA_DIR}`);
  }
  const files = new FileSegments(folder, untaken(logger), REPLICA);
  return { locks, files, longest: keepRoster(DATA_DIR, REPLICAS, files.list()) };
}

function clientOf(config: Config, observers: readonly Observer[]): HttpProcessorClient {
  return new HttpProcessorClient({
    observers,
    urls: { default: config.PROCESSOR_DEFAULT_URL, fallback: config.PROCESSOR_FALLBACK_URL },
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    // lookups and health never wait for calls
    connectionsMax: config.MAX_IN_FLIGHT + ASKING_MAX + 1,
  });
}

function settingsOf(config: Config, roster: Roster): ReplicaSettings {
  return {
    self: config.REPLICA,
    roster,
    ack: config.ACK,
    patienceMs: config.PATIENCE_MS,
    slowMs: config.SLOW_MS,
    maxInFlight: config.MAX_IN_FLIGHT,
    dispatchPerSecond: dispatchPerSecond(config.MAX_IN_FLIGHT),
    queueMax: config.QUEUE_MAX,
    // replicas of a log of files are on one machine
    memory: memoryLimits(config.LOG === "file" ? config.REPLICAS.length : 1),
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    horizonMs: config.HORIZON_MS,
    recallMs: RECALL_MS,
    stopMs: STOP_MS - REQUESTS_MS,
    storeIntervalMs: config.STORE_INTERVAL_MS,
    segmentsMax: Math.max(2, Math.floor(config.LOG_MAX_MB / SEGMENT_MB)),
    segmentRecords: SEGMENT_RECORDS,
    rereads: REREADS,
  };
}

/** Ends the process if an invariant is broken; nothing may continue then. */
function failing(logger: Logger): (error: unknown) => void {
  const fail = (error: unknown) => {
    if (isOfFiles(error)) {
      logger.fatal("stopping at once", { why: errorLine(error) });
      Deno.exit(1);
    }
    logger.fatal("stopping at once: an invariant is broken", { error });
    Deno.exit(EXIT_INVARIANT);
  };
  globalThis.addEventListener("unhandledrejection", ({ reason }) => fail(reason));
  globalThis.addEventListener("error", ({ error }) => fail(error));
  return fail;
}

/** @throws StartError if the replicas' writes to the log might not be atomic, or the log might be another machine's */
function checkFileSystem(folder: string): void {
  const kind = remoteKind(folder);
  if (!kind) return;
  const instead = "DATA_DIR must be on a disk of this machine, such as ext4, xfs or a Docker volume";
  throw new StartError(
    `cannot keep the log in ${folder}: that is ${kind}, a file system of another machine: ${instead}`,
  );
}

/** Logs why the log takes nothing, once for each reason within {@link SAID_MS}. */
function untaken(logger: Logger): (error: unknown) => void {
  let said = "";
  let saidMs = -Infinity;
  return (error) => {
    const why = errorLine(error);
    if (why === said && performance.now() < saidMs + SAID_MS) return;
    said = why;
    saidMs = performance.now();
    logger.error("the log cannot be written: POST is answered 503 until it can", { why });
  };
}
