/**
 * Every setting, and the only reader of the environment: name, default, unit, and what turning it either way does.
 * @module
 */
import { z } from "@zod/zod";

/** A setting that is not as it must be; the message is one line for the person who set it. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const share = z.coerce.number().min(0).max(1);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");
const address = z.url({ protocol: /^https?$/ });
const ms = (max: number) => whole(0, max);

/** Where to listen: a TCP port, or a UNIX socket. */
export type Listen = { readonly hostname: string; readonly port: number } | { readonly path: string };

/** @returns undefined where the text says neither; an IPv6 address is in brackets */
export function parseListen(text: string): Listen | undefined {
  if (text.includes("/")) return { path: text };
  const [, ipv6, name, digits] = /^(?:(?:\[([\da-f:.]+)\]|([^:[\]\s]+)):)?(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  return port <= 65_535 ? { hostname: ipv6 ?? name ?? "127.0.0.1", port } : undefined;
}

/** Where this replica's pages for operators are, where they have a place of their own. A port is shared, a path cannot be. */
export function operationsOf({ OPS_LISTEN, REPLICAS, REPLICA }: Config): Listen | undefined {
  const listen = parseListen(OPS_LISTEN);
  return listen && "path" in listen && REPLICAS === 2 ? { path: `${listen.path}.${REPLICA}` } : listen;
}

/** One line of `--help`. */
interface Setting {
  readonly schema: z.ZodType;
  readonly fallback: string;
  readonly unit: string;
  readonly help: string;
}

const setting = <T extends z.ZodType>(schema: T, fallback: string, unit: string, help: string) => ({
  schema,
  fallback,
  unit,
  help,
});

/** All of them, by their names in the environment; an empty default means: not set. */
export const SETTINGS = {
  PORT: setting(whole(0, 65535), "9999", "TCP port", "where payments are taken; 0 takes any free one"),
  HOST: setting(z.string(), "0.0.0.0", "address", "what PORT is bound to; 127.0.0.1 keeps others out"),
  OPS_LISTEN: setting(
    z.string().refine((text) => text === "" || parseListen(text) !== undefined, { error: "is neither port nor path" }),
    "",
    "[address:]port or path",
    "where the live page and /metrics are, instead of on PORT, where everybody is; without an address 127.0.0.1; of two replicas each adds .a or .b to a path",
  ),
  WATCHERS_MAX: setting(whole(0, 1_000), "16", "browsers", "that may have a replica's live page open; 0 has none"),
  LISTEN: setting(z.string(), "", "path", "a UNIX socket for payments instead of PORT"),
  PROCESSOR_DEFAULT_URL: setting(
    z.union([z.literal(""), address]),
    "",
    "URL",
    "the cheaper processor; when set, no stand-in starts",
  ),
  PROCESSOR_FALLBACK_URL: setting(
    z.union([z.literal(""), address]),
    "",
    "URL",
    "the dearer processor; set both or none",
  ),
  STAND_IN_PORT: setting(
    whole(0, 65534),
    "8001",
    "TCP port",
    "of the default's stand-in; the fallback's is the next one; 0 takes any free ones",
  ),
  FEE_DEFAULT: setting(share, "0.05", "share", "what the default charges; used by stand-ins and reports"),
  FEE_FALLBACK: setting(share, "0.15", "share", "what the fallback charges; used by stand-ins and reports"),
  PATIENCE_MS: setting(
    ms(86_400_000),
    "75000",
    "ms",
    "how long a payment waits for a default that refuses: more saves fees, less settles sooner",
  ),
  SLOW_MS: setting(
    ms(600_000),
    "1200",
    "ms",
    "a default slower than this is left for a faster fallback: less settles sooner and costs fees, more risks late bookings",
  ),
  MAX_IN_FLIGHT: setting(
    whole(1, 10_000),
    "300",
    "calls",
    "per processor and replica: more drains slow processors faster, less spares them and memory",
  ),
  REQUEST_TIMEOUT_MS: setting(
    whole(1, 600_000),
    "10000",
    "ms",
    "after which a call counts as lost and its payment is bound: less frees places sooner, but must exceed what a processor ever takes",
  ),
  DISPATCH_PER_SECOND: setting(
    whole(1, 100_000),
    "800",
    "payments/s",
    "per replica: more drains a backlog faster, less leaves more CPU for answers",
  ),
  QUEUE_MAX: setting(
    whole(1, 10_000_000),
    "50000",
    "payments",
    "pending at once at both replicas: more takes longer outages, less takes less memory; beyond it POST answers 503",
  ),
  BODY_TIMEOUT_MS: setting(
    ms(600_000),
    "10000",
    "ms",
    "how long the body of a payment may take to come: less is rid of slow senders sooner, more bears with slow networks; 0 is for ever, where a load balancer sends whole bodies",
  ),
  ALLOW_PURGE: setting(flag, "false", "true|false", "whether anybody may purge: for challenges and tests only"),
  PROCESSOR_TOKEN: setting(
    z.string(),
    "",
    "secret",
    "what the processors' admin API asks for: `audit` alone calls that",
  ),
  ADMIN_TOKEN: setting(z.string(), "", "secret", "bearer token that may purge"),
  LOG_LEVEL: setting(z.enum(["debug", "info", "warning", "error", "off"]), "info", "level", "what is logged to stderr"),
  REPLICA: setting(z.enum(["a", "b"]), "a", "a|b", "which of the two replicas this process is"),
  REPLICAS: setting(
    z.enum(["1", "2"]).transform(Number),
    "2",
    "1|2",
    "1 has no other replica: half the memory and CPU, and no payments are taken while it is down; nothing acknowledged is lost",
  ),
  DATA_DIR: setting(
    z.string().min(1),
    ".galo",
    "path",
    "a folder on a local disk that both replicas share: the log, locks, the socket of the peer link, embedded Postgres",
  ),
  ACK: setting(
    z.enum(["log", "store"]),
    "log",
    "level",
    "what a 202 means: log: the log on this machine's disk has the payment, which survives every process; store: Postgres has committed it too, which survives the machine and takes longer",
  ),
  DATABASE_URL: setting(
    z.string(),
    "",
    "URL",
    "a Postgres to store payments in; not set: `start` brings its own, `replica` has the log only",
  ),
  STORE_POOL: setting(whole(1, 50), "2", "connections", "to Postgres per replica; writes use one, stories another"),
  STORE_INTERVAL_MS: setting(
    ms(10_000),
    "100",
    "ms",
    "between two batches at least: more is cheaper, less loses less when the machine dies",
  ),
  LOG_MAX_MB: setting(
    whole(8, 1_000_000),
    "1024",
    "MiB",
    "how long the log may be: it grows while Postgres is away, or without one; beyond it POST answers 503, and what was accepted goes on",
  ),
  RECALL_MS: setting(
    ms(86_400_000),
    "60000",
    "ms",
    "after the log may have lost something, as when the machine died: how long ids that come in are looked up at the processors first",
  ),
  HORIZON_MS: setting(
    ms(86_400_000),
    "30000",
    "ms",
    "for so long after a call was given up, or something in between answered 5xx for the processor, it may still be booked: must exceed the longest that gateways hold a request plus the longest that a processor takes; less frees such payments sooner, too little charges twice",
  ),
  STOP_MS: setting(
    whole(100, 600_000),
    "3000",
    "ms",
    "on SIGTERM, how long stopping may take in all: calls in flight finish, and Postgres is brought up to date; whoever kills what does not stop must wait longer",
  ),
  OTEL_DENO: setting(
    z.string().transform((text) => /^(?:true|1)$/i.test(text)),
    "false",
    "true|false",
    "whether Deno tells an OpenTelemetry collector what a replica does, to which a replica adds a payment's way; Deno's other OTEL_ variables say where it is",
  ),
  CADDY: setting(
    z.string(),
    "",
    "path",
    "a Caddy binary: `start` puts it in front of both replicas; not set: they share PORT",
  ),
} satisfies Record<string, Setting>;

type Name = keyof typeof SETTINGS;

/** Settings of earlier versions, and what to do instead. */
const REMOVED: Readonly<Record<string, string>> = {
  DRAIN_MS: "write STOP_MS, how long stopping may take in all",
  STORE_BATCH: "take it out: batches need no limit any more",
  STORE_BACKLOG_MAX: "take it out, or write LOG_MAX_MB: what waits for Postgres is in the log",
  TIMINGS: "take it out: GET /metrics has it",
};

/** Values of `ACK` in earlier versions, and what to do instead. */
const REMOVED_LEVELS: Readonly<Record<string, string>> = {
  peer: "write log, which loses nothing when both replicas die",
  memory: "write log, which is as fast and loses nothing when a replica dies",
};

/** The value of every setting. */
export type Config = { readonly [N in Name]: z.output<(typeof SETTINGS)[N]["schema"]> };

/**
 * Reads every setting.
 *
 * @param environment names and values, by default those of the process
 * @throws ConfigError naming the first setting that is not as it must be
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = Deno.env.toObject()): Config {
  for (const [name, instead] of Object.entries(REMOVED)) {
    if (environment[name]?.trim()) throw new ConfigError(`${name} is no more: ${instead}`);
  }
  const level = environment.ACK?.trim() ?? "";
  if (Object.hasOwn(REMOVED_LEVELS, level)) {
    throw new ConfigError(`ACK: "${level}" is no more: ${REMOVED_LEVELS[level]}`);
  }
  const config: Record<string, unknown> = {};
  for (const [name, { schema, fallback, unit }] of Object.entries(SETTINGS)) {
    const text = environment[name]?.trim() || fallback;
    const parsed = schema.safeParse(text);
    if (!parsed.success) {
      const shown = name === "ADMIN_TOKEN" || name === "PROCESSOR_TOKEN" || name === "DATABASE_URL"
        ? "its value"
        : JSON.stringify(text.slice(0, 80));
      throw new ConfigError(`${name}: ${shown} will not do (${unit}): ${parsed.error.issues[0]!.message}`);
    }
    config[name] = parsed.data;
  }
  const { PROCESSOR_DEFAULT_URL: first, PROCESSOR_FALLBACK_URL: second } = config as Config;
  if (Boolean(first) !== Boolean(second)) {
    throw new ConfigError("PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: set both or none");
  }
  const operations = operationsOf(config as Config);
  const { LISTEN, PORT } = config as Config;
  const callers = LISTEN || PORT;
  if (operations && callers !== 0 && callers === ("path" in operations ? operations.path : operations.port)) {
    throw new ConfigError("OPS_LISTEN: that is where payments are taken");
  }
  return config as Config;
}

/** The part of `--help` that lists every setting. */
export function settingsHelp(): string {
  return Object.entries(SETTINGS).map(([name, { fallback, unit, help }]) => {
    const value = `${fallback || "not set"}, ${unit}`;
    return `  ${name.padEnd(23)} ${help} [${value}]`;
  }).join("\n");
}
