/**
 * What the report looks at: stand-ins, Postgres, two replicas on sockets of their own and Caddy in front, with the
 * addresses of each, since the report asks them one by one.
 * @module
 */
import { Child } from "../../src/local/child.ts";
import { readConfig } from "../../src/config.ts";
import { startEmbeddedPostgres } from "../../src/local/embedded.ts";
import type { Addresses } from "../graded/api.ts";
import type { Scenario } from "../graded/scenario.ts";
import { type Caddy, SystemError } from "../graded/system.ts";
import { freePort } from "../../tests/support/free_port.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const CADDYFILE = new URL("../../Caddyfile", import.meta.url).pathname;
/** How often a stand-in is asked until it answers, in milliseconds, and how often at most. */
const STAND_IN_MS = 50;
const STAND_IN_TRIES = 200;

/** What to start it with. */
export interface SystemOptions {
  readonly fees: Scenario["fees"];
  readonly caddy: Caddy;
  /** of the replicas, beside their defaults */
  readonly settings: Readonly<Record<string, string>>;
  /** what a replica runs instead of `main.ts`: a test's, with a handicap */
  readonly entry?: string | undefined;
}

/** A system that runs. */
export interface ReportSystem {
  readonly addresses: Addresses;
  /** the replicas' sockets */
  readonly sockets: { readonly a: string; readonly b: string };
  readonly databaseUrl: string;
  readonly postgresPid: number;
  /** what of its settings the rules look at */
  readonly settings: {
    readonly STORE_INTERVAL_MS: number;
    readonly MAX_IN_FLIGHT: number;
    readonly ACK: string;
  };
  stop(): Promise<void>;
}

/**
 * Starts everything and waits until it serves.
 *
 * @throws SystemError, StartError, StoreError; what was started by then is stopped again
 */
export async function startReportSystem(options: SystemOptions): Promise<ReportSystem> {
  const dataDir = await Deno.makeTempDir({ prefix: "galo-report-" });
  // the processes that embedded Postgres runs as may be another user's
  await Deno.chmod(dataDir, 0o755);
  const stops: (() => Promise<unknown>)[] = [() => Deno.remove(dataDir, { recursive: true })];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  const start = (name: string, program: string, args: string[], env: Record<string, string>, port?: number) => {
    const child = new Child({
      ...{ name, program, args, env: { LOG_LEVEL: "error", ...env }, restarts: false },
      at: port === undefined ? undefined : { port },
    });
    stops.push(() => child.stop());
    return child.ready;
  };
  const deno = (name: string, entry: string, args: string[], env: Record<string, string>) =>
    start(name, Deno.execPath(), ["run", "-A", "--quiet", entry, ...args, "--parent"], env);
  try {
    const processors = {} as Record<"default" | "fallback", string>;
    for (const name of ["default", "fallback"] as const) {
      const port = freePort();
      const args = ["processor", "--port", `${port}`, "--host", "127.0.0.1", "--fee", `${options.fees[name]}`];
      await deno(`processor ${name}`, MAIN, args, {});
      processors[name] = `http://127.0.0.1:${port}`;
      await untilAnswers(`${processors[name]}/payments/service-health`);
    }
    const postgres = await startEmbeddedPostgres(`${dataDir}/postgres`);
    stops.push(() => postgres.stop());
    const port = freePort();
    const sockets = { a: `${dataDir}/a.sock`, b: `${dataDir}/b.sock` };
    const shared = {
      DATA_DIR: dataDir,
      PROCESSOR_DEFAULT_URL: processors.default,
      PROCESSOR_FALLBACK_URL: processors.fallback,
      DATABASE_URL: postgres.url,
      ALLOW_PURGE: "true",
      ...options.settings,
    };
    await Promise.all(
      (["a", "b"] as const).map((replica) =>
        deno(`replica ${replica}`, options.entry ?? MAIN, ["replica"], {
          ...shared,
          REPLICA: replica,
          LISTEN: sockets[replica],
        })
      ),
    );
    const upstreams = Object.values(sockets).map((path) => `unix/${path}`).join(" ");
    const args = ["run", "--adapter", "caddyfile", "--config", CADDYFILE];
    await start("caddy", options.caddy.path, args, { GALO_PORT: `${port}`, GALO_UPSTREAMS: upstreams }, port);
    return {
      addresses: { router: `http://127.0.0.1:${port}`, processors },
      sockets,
      databaseUrl: postgres.url,
      postgresPid: postgres.pid,
      settings: readConfig(shared),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A stand-in may write its first line before it listens. */
async function untilAnswers(url: string): Promise<void> {
  for (let tries = 0; tries < STAND_IN_TRIES; tries++) {
    try {
      await (await fetch(url)).body?.cancel();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, STAND_IN_MS));
    }
  }
  throw new SystemError(`${url} does not answer`);
}
