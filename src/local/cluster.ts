/**
 * A whole cluster on this machine: stand-in processors, Postgres, the replicas and, if there is one, Caddy, each a
 * process of its own. A replica that dies is started again.
 * @module
 */
import { resolve } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { Child, type ChildSpec } from "./child.ts";
import { backoffMs } from "../clock.ts";
import { type Config, ConfigError, forgetLibpq, placeOf, STOP_MS } from "../config.ts";
import { makeFolder, peerSocket } from "../file_system.ts";
import { errorLine, StartError } from "../errors.ts";
import { PROCESSORS } from "../payment/fact.ts";
import { Roster } from "../payment/roster.ts";
import { PostgresStore } from "../store/postgres.ts";
import { StoreError } from "../store/store.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.ts";

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

/**
 * Starts everything and waits until it serves.
 *
 * @param say called with what listens where, and with what is being done if that takes long
 * @param standInPort of the default's stand-in, the fallback's is the next one; 0: any free ones
 * @param caddy a program to put in front of the replicas
 * @throws StartError, StoreError with one clear line; what was started by then is stopped again
 */
export async function startCluster(
  config: Config,
  say: (line: string) => void,
  standInPort: number,
  caddy?: string,
): Promise<Cluster> {
  const { LISTEN: listen, FEES: fees } = config;
  if ("path" in listen) throw new ConfigError("LISTEN: `start` takes payments on a port");
  makeFolder(config.DATA_DIR);
  const roster = new Roster(config.REPLICAS);
  const dataDir = await Deno.realPath(config.DATA_DIR);
  for (const replica of config.REPLICAS) peerSocket(dataDir, replica); // throws where the path is too long
  const hostname = /^[0.:]+$/.test(listen.hostname) ? LOOPBACK : listen.hostname; // 0.0.0.0 and :: are every address
  const reached = { hostname, port: freePort(listen.port, listen.hostname) };
  const url = `http://${placeOf(reached)}`;
  // what takes payments stops before what it relies on
  const front: Child[] = [];
  const back: Child[] = [];
  let stopPostgres: (() => Promise<void>) | undefined;
  const stop = async () => {
    const clean = await Promise.all(front.map((child) => child.stop()));
    await Promise.all(back.map((child) => child.stop()));
    await stopPostgres?.();
    return clean.every(Boolean);
  };
  try {
    const processors = { default: config.PROCESSOR_DEFAULT_URL, fallback: config.PROCESSOR_FALLBACK_URL };
    if (!processors.default) {
      for (const [n, name] of PROCESSORS.entries()) {
        const at = freePort(standInPort && standInPort + n, LOOPBACK);
        processors[name] = `http://${LOOPBACK}:${at}`;
        const args = ["processor", "--port", `${at}`, "--fee", `${fees[name]}`, "--host", LOOPBACK];
        back.push(child({ name: `processor ${name}`, args, env: {}, restarts: false }));
        say(`stand-in processor ${name}: ${processors[name]}, fee ${100 * fees[name]} %`);
      }
    }
    let database = config.DATABASE_URL;
    let where = "at DATABASE_URL";
    if (!database) {
      forgetLibpq();
      const folder = `${dataDir}/postgres`;
      const server = await startEmbeddedPostgres(folder, say);
      stopPostgres = startAgain(folder, server, roster);
      database = server.url;
      const why = server.account && `, as ${server.account}, since it refuses to run as root`;
      where = `embedded, in ${folder}${why ?? ""}`;
    }
    await storeUp(database, roster);
    say(`Postgres: ${where}`);
    await Promise.all(back.map(({ ready }) => ready));
    for (const replica of config.REPLICAS) {
      const env = {
        REPLICA: replica,
        DATA_DIR: dataDir,
        LISTEN: caddy ? `${dataDir}/${replica}.sock` : placeOf({ ...listen, port: reached.port }),
        PROCESSOR_DEFAULT_URL: processors.default,
        PROCESSOR_FALLBACK_URL: processors.fallback,
        DATABASE_URL: database,
      };
      front.push(child({ name: `replica ${replica}`, args: ["replica"], env, restarts: true, killMs: KILL_MS }));
    }
    if (caddy) {
      const upstreams = config.REPLICAS.map((replica) => `unix/./${replica}.sock`).join(" ");
      const env = { GALO_HOST: listen.hostname, GALO_PORT: `${reached.port}`, GALO_UPSTREAMS: upstreams };
      front.unshift(caddyIn(dataDir, caddy, env, reached));
    }
    await Promise.all(front.map(({ ready }) => ready));
    const { length } = config.REPLICAS;
    say(`${length} replica${length === 1 ? "" : "s"} ${caddy ? "behind Caddy on" : "on"} ${url}`);
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Caddy, run in a folder, since a Caddyfile cannot name every one. */
function caddyIn(cwd: string, caddy: string, env: Record<string, string>, at: Deno.ConnectOptions): Child {
  const args = ["run", "--adapter", "caddyfile", "--config", `${ROOT}/Caddyfile`];
  const program = caddy.includes("/") ? resolve(caddy) : caddy;
  return new Child({ name: "caddy", program, args, env, cwd, restarts: true, at });
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

function freePort(port: number, hostname: string): number {
  try {
    const listener = Deno.listen({ port, hostname });
    const free = (listener.addr as Deno.NetAddr).port;
    listener.close();
    return free;
  } catch (error) {
    throw new StartError(`cannot listen on ${hostname}:${port}: ${errorLine(error)}`);
  }
}
