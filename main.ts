/** Galo's command line. @module */
import { parseArgs } from "node:util";
import { addressOf, type Config, ConfigError, isTraced, readConfig, settingsHelp } from "./src/config.ts";
import { StoreError } from "./src/store/store.ts";
import { errorLine, isOfFiles, StartError } from "./src/errors.ts";
import { configureLogs } from "./src/logging.ts";

const HELP = `Galo books each payment exactly once, at the cheapest payment processor that takes it.

Usage: deno task start [COMMAND]

Commands:
  start       a whole cluster on this machine: stand-in processors, Postgres, two replicas (the default)
              [--stand-in-port PORT] of the default's stand-in; the fallback's has the next one; 0: any free ports [8001]
              [--caddy PATH] puts this Caddy in front of the replicas; without it they share LISTEN's port
              [--hosts 3] as on 3 machines, or 5: replicas that each have a NATS server, which keep the log, and Caddy
              in front if it is on the PATH; it takes nats-server, 2.12 or newer
  replica     one replica, for a cluster that you put together yourself
  processor   a stand-in payment processor   --port PORT (0: any)  --fee SHARE  [--host ADDRESS]
  audit       whether router, Postgres and both processors agree   [--url URL] [--from ISO] [--to ISO] [--deep] [--json]
              without --to it ends REQUEST_TIMEOUT_MS + STORE_INTERVAL_MS + 2 s ago: give it the replicas' settings
              PROCESSOR_TOKEN is the processors' admin token; without --deep the audit asks for ids only where totals
              differ, so two mistakes can hide each other; exit code 0: all agree, 1: they do not, 2: one cannot be
              asked, the audit was stopped, or an option is wrong

Settings come from the environment.

${settingsHelp()}

Try:
${example("http://127.0.0.1:9999")}`;

function example(url: string): string {
  return `  curl -i ${url}/payments --json '{"correlationId":"${crypto.randomUUID()}","amount":19.9}'
  curl ${url}/payments-summary`;
}

/** Writes a line to stdout, and goes on if that fails: nothing reads it any more, or its disk is full. */
function say(text: string): void {
  try {
    console.log(text);
  } catch {
    // no reason to stop
  }
}

const COMMANDS: readonly string[] = ["start", "replica", "processor", "audit"];

/** The options of the command line, and the one command that has each; all commands have those without one. */
const OPTIONS = {
  help: { type: "boolean", short: "h" },
  // stop when the standard input ends: then the process that started this one is dead
  parent: { type: "boolean" },
  "stand-in-port": { type: "string", of: "start" },
  caddy: { type: "string", of: "start" },
  hosts: { type: "string", of: "start" },
  host: { type: "string", of: "processor" },
  port: { type: "string", of: "processor" },
  fee: { type: "string", of: "processor" },
  url: { type: "string", of: "audit" },
  from: { type: "string", of: "audit" },
  to: { type: "string", of: "audit" },
  deep: { type: "boolean", of: "audit" },
  json: { type: "boolean", of: "audit" },
} as const;

/** How long a payment may take from its `requestedAt` until it is stored, beside its call and the wait for a batch. */
const AUDIT_LAG_MS = 2_000;

type Stop = () => Promise<boolean>;
type Options = ReturnType<typeof parse>["values"];

/**
 * Runs a command. Each one loads only its own code: a replica has little memory.
 *
 * @param signal aborted when this process is to stop, also if the command does not serve yet
 */
async function run(args: string[], signal: AbortSignal): Promise<Stop | undefined> {
  const { values, positionals: [command = "start", ...rest] } = parse(args);
  if (rest.length > 0) throw new ConfigError(`one command at a time, not also ${JSON.stringify(rest[0])}`);
  if (values.help) {
    console.log(HELP);
    return undefined;
  }
  checkCommand(command, values);
  const config = readConfig();
  configureLogs(config.LOG_LEVEL, !Deno.stderr.isTerminal());
  if (values.parent) stopWithParent();
  switch (command) {
    case "start": {
      const { startCluster } = await import("./src/local/cluster.ts");
      const cluster = await startCluster(config, say, {
        standInPort: number("--stand-in-port", values["stand-in-port"] ?? "8001", 65_534),
        caddy: values.caddy,
        hosts: values.hosts === undefined ? undefined : hosts(values.hosts),
        signal,
      });
      if (!signal.aborted) say(`\nTry:\n${example(cluster.url)}\n\nCtrl-C stops all of it.`);
      return cluster.stop;
    }
    case "replica": {
      const { startReplica } = await import("./src/process.ts");
      const { REPLICA } = config;
      const traces = isTraced() ? new (await import("./src/telemetry/traces.ts")).Traces(REPLICA) : undefined;
      const host = await startReplica(config, traces);
      host.serving.then((where) => where && say(`replica ${REPLICA} takes payments on ${where}`), refuse);
      return host.stop;
    }
    case "processor": {
      const { startStandIn } = await import("./src/local/standin.ts");
      const port = number("--port", values.port ?? "8001", 65_535);
      const feeRate = number("--fee", values.fee ?? `${config.FEES.default}`, 1);
      const standIn = await startStandIn({ port, hostname: values.host ?? "0.0.0.0", feeRate }).catch((error) => {
        throw new StartError(`cannot listen on port ${port}: ${errorLine(error)}`);
      });
      say(`stand-in processor on ${standIn.url}`);
      return () => standIn.close().then(() => true);
    }
    case "audit":
      signal.addEventListener("abort", () => {
        console.error("galo audit: stopped before it was done");
        Deno.exit(2);
      });
      return Deno.exit(await audit(config, values));
  }
}

/** Audits. @returns the exit code */
async function audit(config: Config, options: Options): Promise<number> {
  const { auditCommand } = await import("./src/local/audit/command.ts");
  const { PROCESSOR_DEFAULT_URL, PROCESSOR_FALLBACK_URL, DATABASE_URL, PROCESSOR_TOKEN } = config;
  if (!PROCESSOR_DEFAULT_URL) throw new ConfigError("PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: not set");
  if (!DATABASE_URL) throw new ConfigError("DATABASE_URL: not set, so there is nothing to compare with");
  const addresses = {
    router: addressOf("--url", options.url || "http://127.0.0.1:9999").replace(/\/+$/, ""),
    processors: { default: PROCESSOR_DEFAULT_URL, fallback: PROCESSOR_FALLBACK_URL },
    database: DATABASE_URL,
    token: PROCESSOR_TOKEN,
  };
  const from = await instant("--from", options.from) ?? 0;
  // payments under way are no difference
  const lagMs = config.REQUEST_TIMEOUT_MS + config.STORE_INTERVAL_MS + AUDIT_LAG_MS;
  const to = await instant("--to", options.to) ?? Date.now() - lagMs;
  if (from > to) {
    throw new ConfigError(`--from: is later than --to, which is ${lagMs / 1_000} s ago if it is left out`);
  }
  return await auditCommand(addresses, { from, to }, options);
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new ConfigError(`${errorLine(error)}: see --help`);
  }
}

/** @throws ConfigError for what is no command, and for an option of another command */
function checkCommand(command: string, given: Options): void {
  if (!COMMANDS.includes(command)) throw new ConfigError(`unknown command ${JSON.stringify(command)}: see --help`);
  for (const name of Object.keys(given) as (keyof Options)[]) {
    const option = OPTIONS[name];
    if (!("of" in option) || option.of === command) continue;
    const listens = command !== "audit" && (name === "host" || name === "port");
    const instead = listens ? ": write LISTEN=ADDRESS:PORT" : "";
    throw new ConfigError(`--${name}: an option of \`${option.of}\`, not of \`${command}\`${instead}`);
  }
}

function number(name: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= max) return value;
  throw new ConfigError(`${name}: ${JSON.stringify(text)} is not a number from 0 to ${max}`);
}

function hosts(text: string): number {
  if (text === "3" || text === "5") return Number(text);
  throw new ConfigError(
    `--hosts: ${JSON.stringify(text)} is neither 3 nor 5`,
  );
}

async function instant(name: string, text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { parseInstant } = await import("./src/payment/instant.ts");
  const parsed = parseInstant(text);
  if (parsed) return parsed.ms;
  throw new ConfigError(`${name}: ${JSON.stringify(text.slice(0, 80))} is not a time such as 2025-07-01T12:00:00Z`);
}

async function stopWithParent(): Promise<void> {
  for await (const _ of Deno.stdin.readable);
  Deno.kill(Deno.pid, "SIGTERM");
}

/** Whether this process was started to ignore SIGHUP (proc(5)); call it before Deno handles signals itself. */
function ignoresHangup(): boolean {
  try {
    return /^SigIgn:\s*[\da-f]*[13579bdf]$/m.test(Deno.readTextFileSync("/proc/self/status"));
  } catch {
    return false;
  }
}

/**
 * Prints an error that a person can fix as one line; any other is a bug of ours and shows its stack. Exit code 2 where an
 * option or setting is wrong, else 1.
 */
function refuse(error: unknown): never {
  const expected = [ConfigError, StartError, StoreError, Deno.errors.NotCapable, Deno.errors.AddrInUse];
  if (!isOfFiles(error) && !expected.some((kind) => error instanceof kind)) throw error;
  console.error(`galo: ${errorLine(error)}`);
  Deno.exit(error instanceof ConfigError ? 2 : 1);
}

if (import.meta.main) {
  const stopping = new AbortController();
  let running: Promise<Stop | undefined> | undefined;
  const stop = async () => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    const stopAll = await running?.catch(() => undefined);
    Deno.exit(await stopAll?.() === false ? 1 : 0);
  };
  try {
    // nohup lets a process outlive its terminal; a part of a cluster leaves that to the whole cluster
    const outlives = ignoresHangup() || Deno.args.includes("--parent");
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR2", "SIGALRM"] as const) {
      Deno.addSignalListener(signal, stop);
    }
    // a file at its size limit is like a full disk
    Deno.addSignalListener("SIGXFSZ", () => {});
    Deno.addSignalListener("SIGHUP", outlives ? () => {} : stop);
    running = run(Deno.args, stopping.signal);
    if (!await running) Deno.exit(0);
  } catch (error) {
    refuse(error);
  }
}
