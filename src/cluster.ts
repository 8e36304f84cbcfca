/**
 * A whole cluster on this machine: stand-in processors, Postgres, two replicas and, where there is one, Caddy, each a
 * process of its own. A replica that dies is started again.
 * @module
 */
import { Child, type ChildSpec } from "./child.ts";
import type { Config } from "./config.ts";
import { makeFolder } from "./host.ts";
import { reason, StartError } from "./start_error.ts";
import { REPLICAS } from "./payment/fact.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./store/embedded.ts";

/** Where the stand-in processors listen when none are configured. */
const STAND_IN_PORTS = { default: 8001, fallback: 8002 } as const;
const MAIN = new URL("../main.ts", import.meta.url).pathname;
const CADDYFILE = new URL("../Caddyfile", import.meta.url).pathname;

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
export async function startCluster(config: Config, say: (line: string) => void): Promise<Cluster> {
  makeFolder(config.DATA_DIR);
  const dataDir = await Deno.realPath(config.DATA_DIR);
  const children: Child[] = [];
  let postgres: EmbeddedPostgres | undefined;
  const stop = async () => {
    // caddy and the replicas first, then what they rely on
    const clean = await Promise.all(children.reverse().map((child) => child.stop()));
    await postgres?.stop();
    return clean.every(Boolean);
  };
  try {
    const port = freePort(config.PORT, config.HOST);
    const lines: string[] = [];
    const start = (spec: Omit<ChildSpec, "program">) => {
      const args = ["run", "-A", "--quiet", MAIN, ...spec.args, "--parent"];
      const child = new Child({ ...spec, program: Deno.execPath(), args });
      children.push(child);
      return child.ready;
    };

    let urls = { default: config.PROCESSOR_DEFAULT_URL, fallback: config.PROCESSOR_FALLBACK_URL };
    if (!urls.default) {
      urls = { default: "http://127.0.0.1:8001", fallback: "http://127.0.0.1:8002" };
      const fees = { default: config.FEE_DEFAULT, fallback: config.FEE_FALLBACK };
      await Promise.all((["default", "fallback"] as const).map((processor) => {
        const standInPort = freePort(STAND_IN_PORTS[processor], "127.0.0.1");
        lines.push(`stand-in processor, ${processor.padEnd(8)} ${urls[processor]}  fee ${100 * fees[processor]} %`);
        const args = ["processor", "--port", `${standInPort}`, "--fee", `${fees[processor]}`];
        return start({ name: `processor ${processor}`, args, env: {}, restarts: false });
      }));
    }
    if (!config.DATABASE_URL) postgres = await startEmbeddedPostgres(`${dataDir}/postgres`, say);
    lines.push(`Postgres ${postgres ? `embedded, files in ${dataDir}/postgres` : "from DATABASE_URL"}`);

    const url = `http://127.0.0.1:${port}`;
    await Promise.all(
      REPLICAS.slice(0, config.REPLICAS).map((replica) => {
        const env = {
          REPLICA: replica,
          DATA_DIR: dataDir,
          PORT: `${port}`,
          PROCESSOR_DEFAULT_URL: urls.default,
          PROCESSOR_FALLBACK_URL: urls.fallback,
          DATABASE_URL: config.DATABASE_URL || postgres!.url,
          ...config.CADDY && { LISTEN: `${dataDir}/${replica}.sock` },
        };
        return start({ name: `replica ${replica}`, args: ["replica"], env, restarts: true });
      }),
    );
    if (config.CADDY) {
      const env = { GALO_PORT: `${port}`, GALO_SOCKETS: dataDir };
      const args = ["run", "--adapter", "caddyfile", "--config", CADDYFILE];
      children.push(new Child({ name: "caddy", program: config.CADDY, args, env, restarts: true, port }));
      await children.at(-1)!.ready;
    }
    const replicas = `${config.REPLICAS} replica${config.REPLICAS === 2 ? "s" : ""}`;
    lines.push(`${replicas} ${config.CADDY ? "behind Caddy on" : "on"} ${url}`);
    return { url, processors: urls, lines, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function freePort(port: number, hostname: string): number {
  try {
    const listener = Deno.listen({ port, hostname });
    const free = (listener.addr as Deno.NetAddr).port;
    listener.close();
    return free;
  } catch (error) {
    throw new StartError(`cannot listen on ${hostname}:${port}: ${reason(error)}`);
  }
}
