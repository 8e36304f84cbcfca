/**
 * The system under test: what runs already, or two stand-in processors and a whole cluster, each a process of its own.
 * The only file that knows how Galo is started.
 * @module
 */
import type { Addresses } from "./api.ts";
import { freePort } from "../../tests/support/free_port.ts";
import { TextLineStream } from "./lines.ts";
import type { Scenario } from "./scenario.ts";

const LOOPBACK = "127.0.0.1";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** How long a process may take until it says where it listens, in milliseconds; Postgres is initialised in it. */
const START_MS = 60_000;
/** How long a process may take to stop before it is killed, in milliseconds. */
const KILL_MS = 8_000;
/** Older ones do not send the whole body again when they retry. */
const CADDY_MIN = [2, 11] as const;

/** A system that could not be started; the message says what was not ready. */
export class SystemError extends Error {
  override name = "SystemError";
}

/** A system that runs. */
export interface System {
  readonly addresses: Addresses;
  /** one line for people: what it is made of */
  readonly description: string;
  stop(): Promise<void>;
}

/** Caddy, as a path and a version; undefined where there is none that is new enough. */
export interface Caddy {
  readonly path: string;
  readonly version: string;
}

/** The Caddy that `GALO_CADDY` names, or else the one on the PATH. */
export async function findCaddy(): Promise<Caddy | undefined> {
  const path = Deno.env.get("GALO_CADDY") || "caddy";
  try {
    const { success, stdout } = await new Deno.Command(path, { args: ["version"] }).output();
    const version = new TextDecoder().decode(stdout).trim().split(/\s/)[0]!;
    const [major = 0, minor = 0] = (version.match(/\d+/g) ?? []).map(Number);
    const recent = major > CADDY_MIN[0] || major === CADDY_MIN[0] && minor >= CADDY_MIN[1];
    if (!success || !recent) return undefined;
    return { path: path.includes("/") ? path : await which(path), version };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Starts stand-in processors with the scenario's fees, and the cluster against them: behind Caddy where there is one,
 * else both replicas share the port.
 *
 * @param settings of the cluster, beside its defaults
 * @throws SystemError; what was started by then is stopped again
 */
export async function startSystem(
  { fees }: Pick<Scenario, "fees">,
  caddy: Caddy | undefined,
  settings: Readonly<Record<string, string>> = {},
): Promise<System> {
  const dataDir = await Deno.makeTempDir({ prefix: "galo-bench-" });
  // the processes that embedded Postgres runs as may be another user's
  await Deno.chmod(dataDir, 0o755);
  const started: GaloProcess[] = [];
  const stop = async () => {
    for (const process of started.reverse()) await process.stop();
    await Deno.remove(dataDir, { recursive: true });
  };
  const start = (args: string[], env: Record<string, string> = {}) => {
    const process = new GaloProcess([...args, "--parent"], env);
    started.push(process);
    return process.says(/https?:\/\/\S+:\d+/g);
  };
  try {
    const processors = {
      default: await start(["processor", "--port", "0", "--host", LOOPBACK, "--fee", `${fees.default}`]),
      fallback: await start(["processor", "--port", "0", "--host", LOOPBACK, "--fee", `${fees.fallback}`]),
    };
    const router = await start(["start", ...caddy ? ["--caddy", caddy.path] : []], {
      LISTEN: `${LOOPBACK}:${freePort()}`,
      DATA_DIR: dataDir,
      PROCESSOR_DEFAULT_URL: processors.default,
      PROCESSOR_FALLBACK_URL: processors.fallback,
      FEES: `${fees.default},${fees.fallback}`,
      ALLOW_PURGE: "true",
      ...settings,
    });
    const front = caddy
      ? `Caddy ${caddy.version} in front of two replicas`
      : "two replicas that share the port (no Caddy)";
    return { addresses: { router, processors }, description: `processes: ${front}, Postgres, two stand-ins`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A process of ours, stopped by the end of its standard input should this one die. */
class GaloProcess {
  readonly #name: string;
  readonly #process: Deno.ChildProcess;

  constructor(args: string[], env: Record<string, string>) {
    this.#name = `main.ts ${args.join(" ")}`;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", MAIN, ...args],
      env: { LOG_LEVEL: "error", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  }

  /** The last match in the first line of its standard output that has one. */
  async says(pattern: RegExp): Promise<string> {
    const timer = setTimeout(() => this.#kill("SIGKILL"), START_MS);
    const lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    try {
      for await (const line of lines.values({ preventCancel: true })) {
        const found = line.match(pattern)?.at(-1);
        if (found) return found;
      }
    } finally {
      clearTimeout(timer);
      // what it says later is of no interest, but must not block it
      lines.pipeTo(new WritableStream()).catch(() => {});
    }
    throw new SystemError(`${this.#name} ended before it said where it listens`);
  }

  async stop(): Promise<void> {
    this.#kill("SIGTERM");
    const timer = setTimeout(() => this.#kill("SIGKILL"), KILL_MS);
    await this.#process.status;
    clearTimeout(timer);
    await this.#process.stdin.close().catch(() => {});
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // it has ended
    }
  }
}

async function which(name: string): Promise<string> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${name}`;
    if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
  }
  return name;
}
