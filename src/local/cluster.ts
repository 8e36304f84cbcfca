/**
 * A whole cluster on this machine: stand-in processors, Postgres, two replicas and, where there is one, Caddy, each a
 * process of its own. A replica that dies is started again.
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { Child, type ChildSpec } from "./child.ts";
import { type Config, ConfigError, placeOf, STOP_MS } from "../config.ts";
import { makeFolder } from "../file_system.ts";
import { errorLine, StartError } from "../start_error.ts";
import { PROCESSORS, REPLICAS } from "../payment/fact.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.ts";

const LOOPBACK = "127.0.0.1";
/** A replica that takes so much longer to stop than it may is killed, in milliseconds. */
const KILL_AFTER_MS = 1_000;
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** The packages that run, without those of tests. */
const CONFIG = new URL("../packages/deno.json", import.meta.url).pathname;
const CADDYFILE = new URL("../../Caddyfile", import.meta.url).pathname;

/** What a cluster has that a replica has not. */
export interface ClusterOptions {
  /** of the default's stand-in, the fallback's is the next one; 0: any free ones */
  readonly standInPort: number;
  /** a Caddy to put in front of both replicas */
  readonly caddy: string | undefined;
}

/** A cluster that runs. */
export interface Cluster {
  /** where payments are taken */
  readonly url: string;
  readonly processors: { readonly default: string; readonly fallback: string };
  /** lines for people: what listens where */
  readonly lines: readonly string[];
  /** Stops every process; resolves to whether all of them stopped in good order. */
  stop(): Promise<boolean>;
}

/**
 * Starts everything and waits until it serves.
 *
 * @param say told what is being done whenever it takes long
 * @throws StartError with one clear line; what was started by then is stopped again
 */
export async function startCluster(
  config: Config,
  say: (line: string) => void,
  { standInPort, caddy }: ClusterOptions,
): Promise<Cluster> {
  const { LISTEN: listen, FEES: fees } = config;
  if ("path" in listen) throw new ConfigError("LISTEN: `start` takes payments on a port");
  makeFolder(config.DATA_DIR);
  const dataDir = await Deno.realPath(config.DATA_DIR);
  const port = freePort(listen.port, listen.hostname);
  const url = `http://127.0.0.1:${port}`;
  // what takes payments stops before what it relies on
  const front: Child[] = [];
  const back: Child[] = [];
  let postgres: RestartedPostgres | undefined;
  const stop = async () => {
    const clean = await Promise.all(front.map((child) => child.stop()));
    await Promise.all(back.map((child) => child.stop()));
    await postgres?.stop();
    return clean.every(Boolean);
  };
  try {
    const lines: string[] = [];
    let processors = { default: config.PROCESSOR_DEFAULT_URL, fallback: config.PROCESSOR_FALLBACK_URL };
    if (!processors.default) {
      const first = freePort(standInPort, LOOPBACK);
      const ports = { default: first, fallback: freePort(standInPort && first + 1, LOOPBACK) };
      processors = { default: `http://${LOOPBACK}:${ports.default}`, fallback: `http://${LOOPBACK}:${ports.fallback}` };
      for (const name of PROCESSORS) {
        const args = ["processor", "--port", `${ports[name]}`, "--fee", `${fees[name]}`, "--host", LOOPBACK];
        back.push(child({ name: `processor ${name}`, args, env: {}, restarts: false }));
        lines.push(`stand-in processor ${name}: ${processors[name]}, fee ${100 * fees[name]} %`);
      }
    }
    if (!config.DATABASE_URL) postgres = await RestartedPostgres.start(`${dataDir}/postgres`, say);
    lines.push(`Postgres: ${postgres ? `embedded, in ${dataDir}/postgres` : "at DATABASE_URL"}`);
    await Promise.all(back.map(({ ready }) => ready));

    const killMs = STOP_MS + KILL_AFTER_MS;
    for (const replica of REPLICAS.slice(0, config.REPLICAS)) {
      const env = {
        REPLICA: replica,
        DATA_DIR: dataDir,
        LISTEN: caddy ? `${dataDir}/${replica}.sock` : placeOf({ ...listen, port }),
        PROCESSOR_DEFAULT_URL: processors.default,
        PROCESSOR_FALLBACK_URL: processors.fallback,
        DATABASE_URL: postgres?.url ?? config.DATABASE_URL,
      };
      front.push(child({ name: `replica ${replica}`, args: ["replica"], env, restarts: true, killMs }));
    }
    if (caddy) {
      const env = { GALO_PORT: `${port}`, GALO_SOCKETS: dataDir };
      const args = ["run", "--adapter", "caddyfile", "--config", CADDYFILE];
      front.unshift(new Child({ name: "caddy", program: caddy, args, env, restarts: true, port }));
    }
    await Promise.all(front.map(({ ready }) => ready));
    const replicas = `${config.REPLICAS} replica${config.REPLICAS === 2 ? "s" : ""}`;
    lines.push(`${replicas} ${caddy ? "behind Caddy on" : "on"} ${url}`);
    return { url, processors, lines, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A child that runs a command of this program, and ends when this process does. */
function child(spec: Omit<ChildSpec, "program">): Child {
  const args = ["run", "-A", "--quiet", "--config", CONFIG, MAIN, ...spec.args, "--parent"];
  return new Child({ ...spec, program: Deno.execPath(), args });
}

/** An embedded Postgres that is started again, at the same place, when it dies. */
class RestartedPostgres {
  #stopping = false;

  private constructor(private readonly folder: string, private server: EmbeddedPostgres) {
    this.#watch();
  }

  static async start(folder: string, say: (line: string) => void): Promise<RestartedPostgres> {
    return new RestartedPostgres(folder, await startEmbeddedPostgres(folder, say));
  }

  get url(): string {
    return this.server.url;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.server.stop();
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.server.exited;
      if (this.#stopping) return;
      getLogger(["galo", "cluster"]).error("Postgres ended: starting it again");
      try {
        this.server = await startEmbeddedPostgres(this.folder);
      } catch (error) {
        // the replicas go on without it and say so
        return getLogger(["galo", "cluster"]).error("Postgres does not start again: {why}", { why: errorLine(error) });
      }
    }
  }
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
