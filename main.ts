/** Galo's command line. @module */
import { parseArgs } from "node:util";
import { addressOf, ConfigError, isTraced, readConfig, settingsHelp } from "./src/config.ts";
import { StoreError } from "./src/store/store.ts";
import { errorLine, isOfFiles, StartError } from "./src/errors.ts";
import { configureLogs } from "./src/logging.ts";

const HELP = `Galo routes payments to the cheapest payment processor that can carry them, each exactly once.

Usage: deno task start [COMMAND]

Commands:
  start       a whole cluster on this machine: stand-in processors, Postgres, two replicas (the default)
              [--stand-in-port PORT] of the default's stand-in, the fallback's is the next one; 0: any free ones [8001]
              [--caddy PATH] that Caddy is put in front of both replicas; without one they share LISTEN's port
  replica     one replica, for a cluster that something else puts together
  processor   a stand-in payment processor   --port PORT (0: any)  --fee SHARE  [--host ADDRESS]
  audit       whether router, Postgres and both processors agree   [--url URL] [--from ISO] [--to ISO] [--deep] [--json]
              the processors' admin token comes from PROCESSOR_TOKEN; without --deep ids are asked for only where totals
              differ, and mistakes that make up for one another stay hidden; exit code 0 all agree, 1 not, 2 cannot ask

Settings come from the environment.

${settingsHelp()}

Try:
${example("http://127.0.0.1:9999")}`;

function example(url: string): string {
  return `  curl -i ${url}/payments --json '{"correlationId":"${crypto.randomUUID()}","amount":19.9}'
  curl ${url}/payments-summary`;
}

/** Tells people something, whatever became of stdout: nobody reads it any more, or its disk is full. */
function say(text: string): void {
  try {
    console.log(text);
  } catch {
    // no reason to stop
  }
}

/** What the command line can say beside the command. */
const OPTIONS = {
  help: { type: "boolean", short: "h" },
  "stand-in-port": { type: "string", default: "8001" },
  caddy: { type: "string" },
  host: { type: "string", default: "0.0.0.0" },
  port: { type: "string" },
  fee: { type: "string" },
  url: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  deep: { type: "boolean" },
  json: { type: "boolean" },
  // stop when the standard input ends, which it does when the process that started this one dies
  parent: { type: "boolean" },
} as const;

/** An audit ends so long ago, in milliseconds, where it is not told otherwise. */
const AUDIT_LAG_MS = 2_000;

type Stop = () => Promise<boolean>;

/** Each command loads its own code only: a replica has little memory. */
async function run(args: string[]): Promise<Stop | undefined> {
  const { values, positionals: [command = "start", ...rest] } = parse(args);
  if (rest.length > 0) throw new ConfigError(`one command at a time, not also ${JSON.stringify(rest[0])}`);
  if (values.help) {
    console.log(HELP);
    return undefined;
  }
  const config = readConfig();
  configureLogs(config.LOG_LEVEL, !Deno.stderr.isTerminal());
  if (values.parent) stopWithParent();
  switch (command) {
    case "start": {
      const { startCluster } = await import("./src/local/cluster.ts");
      const standInPort = number("--stand-in-port", values["stand-in-port"], 65_534);
      const cluster = await startCluster(config, say, standInPort, values.caddy);
      say(`\nTry:\n${example(cluster.url)}\n\nCtrl-C stops all of it.`);
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
      const standIn = await startStandIn({ port, hostname: values.host, feeRate }).catch((error) => {
        throw new StartError(`cannot listen on port ${port}: ${errorLine(error)}`);
      });
      say(`stand-in processor on ${standIn.url}`);
      return () => standIn.close().then(() => true);
    }
    case "audit": {
      const { auditCommand } = await import("./src/local/audit/command.ts");
      const { PROCESSOR_DEFAULT_URL, PROCESSOR_FALLBACK_URL, DATABASE_URL, PROCESSOR_TOKEN } = config;
      if (!PROCESSOR_DEFAULT_URL) throw new ConfigError("PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: not set");
      if (!DATABASE_URL) throw new ConfigError("DATABASE_URL: not set, so there is nothing to compare with");
      const addresses = {
        router: addressOf("--url", values.url || "http://127.0.0.1:9999").replace(/\/+$/, ""),
        processors: { default: PROCESSOR_DEFAULT_URL, fallback: PROCESSOR_FALLBACK_URL },
        database: DATABASE_URL,
        token: PROCESSOR_TOKEN,
      };
      const from = await instant("--from", values.from) ?? 0;
      // what is under way is no difference
      const to = await instant("--to", values.to) ?? Date.now() - AUDIT_LAG_MS;
      return Deno.exit(await auditCommand(addresses, { from, to }, values));
    }
    default:
      throw new ConfigError(`no command ${JSON.stringify(command)}: see --help`);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new ConfigError(`${errorLine(error)}: see --help`);
  }
}

function number(name: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= max) return value;
  throw new ConfigError(`${name}: ${JSON.stringify(text)} is no number from 0 to ${max}`);
}

async function instant(name: string, text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { parseInstant } = await import("./src/payment/instant.ts");
  const parsed = parseInstant(text);
  if (parsed) return parsed.ms;
  throw new ConfigError(`${name}: ${JSON.stringify(text.slice(0, 80))} is no time such as 2025-07-01T12:00:00Z`);
}

async function stopWithParent(): Promise<void> {
  for await (const _ of Deno.stdin.readable);
  Deno.kill(Deno.pid, "SIGTERM");
}

/** Whether who started this process had it ignore SIGHUP (proc(5)): to be asked before Deno takes signals itself. */
function ignoresHangup(): boolean {
  try {
    return /^SigIgn:\s*[\da-f]*[13579bdf]$/m.test(Deno.readTextFileSync("/proc/self/status"));
  } catch {
    return false;
  }
}

/** What a person can mend is one line; anything else is a mistake of ours and shows its stack. */
function refuse(error: unknown): never {
  const expected = [ConfigError, StartError, StoreError, Deno.errors.NotCapable, Deno.errors.AddrInUse];
  if (!isOfFiles(error) && !expected.some((kind) => error instanceof kind)) throw error;
  console.error(`galo: ${errorLine(error)}`);
  Deno.exit(1);
}

if (import.meta.main) {
  let stopping = false;
  let running: Promise<Stop | undefined> | undefined;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    const stopAll = await running?.catch(() => undefined);
    Deno.exit(await stopAll?.() === false ? 1 : 0);
  };
  try {
    // what nohup starts outlives its terminal, and a part of a cluster leaves that to the whole
    const outlives = ignoresHangup() || Deno.args.includes("--parent");
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR2", "SIGALRM"] as const) {
      Deno.addSignalListener(signal, stop);
    }
    // a file that may grow no more is a disk that is full
    Deno.addSignalListener("SIGXFSZ", () => {});
    Deno.addSignalListener("SIGHUP", outlives ? () => {} : stop);
    running = run(Deno.args);
    if (!await running) Deno.exit(0);
  } catch (error) {
    refuse(error);
  }
}
