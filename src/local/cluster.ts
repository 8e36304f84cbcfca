/**
 * A whole cluster on this machine: stand-in processors, Postgres, replicas and, if there is one, Caddy, each a process of
 * its own; and, to show several hosts on one machine, a NATS server a replica. A replica or server that dies is started
 * again.
 * @module
 */
import { once } from "node:events";
import { resolve } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { Child, type ChildSpec, claim, endEarlier, freePort, versionOf } from "./child.ts";
import { backoffMs } from "../clock.ts";
import { type Config, ConfigError, forgetLibpq, placeOf, SETTINGS, STOP_MS } from "../config.ts";
import { makeFolder, peerSocket } from "../file_system.ts";
import { errorLine } from "../errors.ts";
import { PROCESSORS } from "../payment/fact.ts";
import { Roster } from "../payment/roster.ts";
import { PostgresStore } from "../store/postgres.ts";
import { StoreError } from "../store/store.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.ts";
import { startNatsServers } from "./nats_server.ts";

const LOOPBACK = "127.0.0.1";
/** A replica that takes longer to stop is killed, in milliseconds. */
const KILL_MS = STOP_MS + 1_000;
/** How long a store may take to come up, and how often it is checked, in milliseconds. */
const STORE_UP_MS = 5_000;
const STORE_ASK_MS = 100;
/** The first backoff before Postgres restarts, in milliseconds; it doubles up to {@link AGAIN_MS_MAX}. */
const AGAIN_MS_MIN = 250;
const AGAIN_MS_MAX = 5_000;
/** How long Postgres must run to count as back, in milliseconds. */
const BACK_MS = 3_000;
const ROOT = resolve(import.meta.dirname!, "../..");
/** The packages that run, without those of tests. */
const CONFIG = `${ROOT}/src/packages/deno.json`;

/** A cluster that runs. */
interface Cluster {
  /** where payments are taken */
  readonly url: string;
  /** Stops every process; resolves to whether all of them stopped in good order. */
  stop(): Promise<boolean>;
}

/** What the command line says of a cluster. */
interface ClusterOptions {
  /** of the default's stand-in, the fallback's is the next one; 0: any free ones */
  readonly standInPort: number;
  /** a program to put in front of the replicas; hosts have the one on the PATH by default */
  readonly caddy?: string | undefined;
  /** how many hosts there are to be, each with a replica and a NATS server; none: two replicas share a log of files */
  readonly hosts?: number | undefined;
  /** aborted when it is to stop: it is not waited for any more, if it does not serve yet */
  readonly signal: AbortSignal;
}

/** What runs: what takes payments stops before what it relies on. */
interface Parts {
  readonly roster: Roster;
  readonly front: Child[];
  readonly back: Child[];
  /** of the folder of Caddy, which a start without Caddy has as well */
  readonly caddyLock: Deno.FsFile;
  stopNats?: () => Promise<void>;
  stopPostgres?: () => Promise<void>;
}

/**
 * Starts everything and waits until it serves.
 *
 * @param say called with what listens where, and with what is being done if that takes long
 * @throws StartError, StoreError with one clear line; what was started by then is stopped again
 */
export async function startCluster(
  config: Config,
  say: (line: string) => void,
  options: ClusterOptions,
): Promise<Cluster> {
  const { LISTEN: listen } = config;
  const { hosts, signal } = options;
  const caddy = options.caddy ?? (hosts ? await findCaddy(say) : undefined);
  if ("path" in listen) throw new ConfigError("LISTEN: `start` takes payments on a port");
  const names = namesOf(config, hosts);
  makeFolder(config.DATA_DIR);
  const dataDir = await Deno.realPath(config.DATA_DIR);
  for (const replica of names) peerSocket(dataDir, replica); // throws where the path is too long
  const caddyFolder = `${dataDir}/caddy`;
  const caddyLock = await claim(caddyFolder, "Caddy");
  await endEarlier(caddyFolder, "Caddy", `--pidfile ${caddyFolder}/pid`); // which holds the port
  const hostname = /^[0.:]+$/.test(listen.hostname) ? LOOPBACK : listen.hostname; // 0.0.0.0 and :: are every address
  const reached = { hostname, port: freePort(listen.port, listen.hostname) };
  const url = `http://${placeOf(reached)}`;
  const parts: Parts = { roster: new Roster(names), front: [], back: [], caddyLock };
  const { front, back } = parts;
  try {
    const processors = startProcessors(config, parts, options.standInPort, say);
    const nats = hosts ? await startNats(names, `${dataDir}/nats`, parts, say) : undefined;
    const database = config.DATABASE_URL || await startPostgres(`${dataDir}/postgres`, parts, say);
    if (config.DATABASE_URL) {
      await storeUp(database, parts.roster);
      say("Postgres: at DATABASE_URL");
    }
    await Promise.all(back.map(({ ready }) => ready));
    for (const [place, replica] of names.entries()) {
      const env = {
        REPLICA: replica,
        DATA_DIR: dataDir,
        LISTEN: caddy ? `${dataDir}/${replica}.sock` : placeOf({ ...listen, port: reached.port }),
        PROCESSOR_DEFAULT_URL: processors.default,
        PROCESSOR_FALLBACK_URL: processors.fallback,
        DATABASE_URL: database,
        ...nats && { LOG: nats.logOf(place), REPLICAS: names.join(",") },
      };
      front.push(child({ name: `replica ${replica}`, args: ["replica"], env, restarts: true, killMs: KILL_MS }));
    }
    if (caddy) {
      const upstreams = names.map((name) => `unix/./${name}.sock`).join(" ");
      const env = { GALO_HOST: listen.hostname, GALO_PORT: `${reached.port}`, GALO_UPSTREAMS: upstreams };
      front.unshift(caddyIn(dataDir, caddy, env, reached));
    }
    // a replica that cannot begin waits for as long as it takes
    await Promise.race([Promise.all(front.map(({ ready }) => ready)), aborted(signal)]);
    const { length } = names;
    if (!signal.aborted) say(`${length} replica${length > 1 ? "s" : ""} ${caddy ? "behind Caddy on" : "on"} ${url}`);
    return { url, stop: () => stop(parts) };
  } catch (error) {
    await stop(parts);
    throw error;
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

async function stop({ front, back, caddyLock, stopNats, stopPostgres }: Parts): Promise<boolean> {
  const clean = await Promise.all(front.map((child) => child.stop()));
  await Promise.all([stopNats?.(), ...back.map((child) => child.stop())]);
  await stopPostgres?.();
  caddyLock.close();
  return clean.every(Boolean);
}

/** The names of the replicas. @throws ConfigError where settings and command line do not fit together */
function namesOf({ LOG, REPLICAS: replicas }: Config, hosts: number | undefined): readonly string[] {
  if (LOG !== "file") {
    throw new ConfigError("LOG: `start` brings its own: write `start --hosts 3`, or `replica` on each host");
  }
  if (!hosts) return replicas;
  if (`${replicas}` !== SETTINGS.REPLICAS[1]) {
    throw new ConfigError("REPLICAS: `start --hosts` names its replicas itself");
  }
  return Array.from({ length: hosts }, (_, n) => `h${n + 1}`);
}

/** The Caddy on the PATH. @returns undefined if there is none, or one that this Caddyfile is not for */
async function findCaddy(say: (line: string) => void): Promise<string | undefined> {
  const [major = 0, minor = 0, patch = 0] = await versionOf("caddy", "version") ?? [];
  if (major === 2 && (minor > 11 || minor === 11 && patch >= 4 && patch !== 7)) return "caddy";
  say("Caddy: none on the PATH of version 2.11.4 or newer (but 2.11.7): the replicas share a port");
  return undefined;
}

/** Starts stand-ins unless the settings name processors. @returns where the processors are */
function startProcessors(config: Config, { back }: Parts, standInPort: number, say: (line: string) => void) {
  const { PROCESSOR_DEFAULT_URL, PROCESSOR_FALLBACK_URL, FEES: fees } = config;
  const urls = { default: PROCESSOR_DEFAULT_URL, fallback: PROCESSOR_FALLBACK_URL };
  if (urls.default) return urls;
  for (const [n, name] of PROCESSORS.entries()) {
    const at = freePort(standInPort && standInPort + n, LOOPBACK);
    urls[name] = `http://${LOOPBACK}:${at}`;
    const args = ["processor", "--port", `${at}`, "--fee", `${fees[name]}`, "--host", LOOPBACK];
    back.push(child({ name: `processor ${name}`, args, env: {}, restarts: false }));
    say(`stand-in processor ${name}: ${urls[name]}, fee ${100 * fees[name]} %`);
  }
  return urls;
}

async function startNats(names: readonly string[], folder: string, parts: Parts, say: (line: string) => void) {
  const nats = await startNatsServers(names, folder);
  parts.stopNats = nats.stop;
  await nats.ready;
  say(`NATS: ${names.length} servers on ${LOOPBACK}, ports ${nats.ports.join(", ")}, in ${folder}`);
  return nats;
}

/** Starts an embedded Postgres. @returns its URL */
async function startPostgres(folder: string, parts: Parts, say: (line: string) => void): Promise<string> {
  forgetLibpq();
  const server = await startEmbeddedPostgres(folder, say);
  parts.stopPostgres = startAgain(folder, server, parts.roster);
  await storeUp(server.url, parts.roster);
  const why = server.account && `, as ${server.account}, since it refuses to run as root`;
  say(`Postgres: embedded, in ${folder}${why ?? ""}`);
  return server.url;
}

/** Caddy, run in the data's folder, since a Caddyfile cannot name every one. */
function caddyIn(dataDir: string, caddy: string, env: Record<string, string>, at: Deno.ConnectOptions): Child {
  const args = ["run", "--adapter", "caddyfile", "--config", `${ROOT}/Caddyfile`, "--pidfile", `${dataDir}/caddy/pid`];
  const program = caddy.includes("/") ? resolve(caddy) : caddy;
  return new Child({ name: "caddy", program, args, env, cwd: dataDir, restarts: true, at });
}

/** A child that runs a command of this program, and ends with this process. */
function child(spec: Omit<ChildSpec, "program">): Child {
  const args = ["run", "-A", "--quiet", "--config", CONFIG, `${ROOT}/main.ts`, ...spec.args, "--parent"];
  return new Child({ ...spec, program: Deno.execPath(), args });
}

/**
 * Waits until the store works and can be written: otherwise a user would notice only after the machine has died.
 *
 * @throws StoreError with the reason, {@link STORE_UP_MS} later at the latest
 */
async function storeUp(url: string, roster: Roster): Promise<void> {
  const store = new PostgresStore({ url, roster, statementTimeoutMs: STORE_UP_MS });
  const untilMs = performance.now() + STORE_UP_MS;
  try {
    for (;; await after(STORE_ASK_MS)) {
      const error = await store.stored(true).then(() => undefined, (thrown) => thrown);
      if (!error) return;
      const passes = error instanceof StoreError && error.kind === "unavailable";
      if (!passes || performance.now() > untilMs) throw error;
    }
  } finally {
    await store.close();
  }
}

/**
 * Restarts an embedded Postgres, in the same folder, whenever it dies and until it runs. Logs each outage once, and its
 * end: if it dies again at once, that is the same outage.
 *
 * @returns what ends that, and the server
 */
function startAgain(folder: string, server: EmbeddedPostgres, roster: Roster): () => Promise<void> {
  const logger = getLogger(["galo", "cluster"]);
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = (ms: number) => after(ms, true, { signal }).catch(() => false);
  const watch = async () => {
    for (let tries = 0; !signal.aborted; tries++) {
      const used = async () => await pause(BACK_MS) && await storeUp(server.url, roster).then(() => "", errorLine);
      const trouble = tries > 0 && await Promise.race([used(), server.exited]);
      if (typeof trouble === "string" && !signal.aborted) {
        if (trouble) logger.error(`Postgres runs again, but cannot be used: ${trouble}`);
        else logger.info("Postgres runs again");
        tries = 0;
      }
      await server.exited;
      await pause(tries > 0 ? backoffMs(AGAIN_MS_MIN, AGAIN_MS_MAX, tries - 1, Math.random) : 0);
      if (signal.aborted) return;
      const again = await startEmbeddedPostgres(folder, undefined, server.sockets).catch(errorLine);
      const failed = typeof again === "string";
      if (!failed) server = again;
      if (tries > 0) continue;
      if (failed) logger.error(`Postgres ended, and restarts until it runs: ${again}`);
      else logger.error("Postgres ended, and restarted");
    }
  };
  const watching = watch();
  return async () => {
    stopping.abort();
    await server.stop();
    await watching;
    // one that was being started
    await server.stop();
  };
}
