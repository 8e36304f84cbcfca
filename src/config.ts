/**
 * Every setting, and the only reader of the environment: name, default, unit, and what a higher or lower value does.
 * @module
 */
import { z } from "@zod/zod";
import { fitsSocket } from "./file_system.ts";

/** A setting that is not valid; the message is one line for the person who set it. */
export class ConfigError extends Error {
  /** what a stack shows */
  override name = "ConfigError";
}

/**
 * What a 202 promises: `log`: the log holds the payment, which survives the death of every process; `store`: Postgres has
 * committed it as well, so that it survives the machine.
 */
export const ACK_LEVELS = ["log", "store"] as const;
/** One of {@link ACK_LEVELS}. */
export type AckLevel = typeof ACK_LEVELS[number];

const whole = (min: number, max: number, error?: string) => z.coerce.number().int().min(min, error).max(max);
const ms = (max: number) => whole(0, max);
const share = z.number().min(0).max(1);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");
const address = z.string()
  .refine((text) => text === "" || /^https?:\/\//i.test(text) && URL.canParse(text), {
    error: "not an http or https URL",
    abort: true,
  })
  .refine((text) => !/[?#]|\/\/[^/]*@/.test(text), "a user, password, query or fragment is never sent: remove it")
  .refine((text) => text === "" || new URL(text).port !== "0", { error: "nothing listens on port 0" });
const place = z.string().transform((text, context): Listen | undefined => {
  const listen = parseListen(text);
  if (text && !listen) context.addIssue({ code: "custom", message: "neither a port nor a path" });
  return listen;
});
const fees = z.string().transform((text) => text.split(",").map((part) => part.trim() ? Number(part) : NaN))
  .pipe(z.tuple([share, share])).transform(([first, second]) => ({ default: first, fallback: second }));

/** The oldest NATS servers that may hold the log: older ones let several win one compare-and-set (nats-server issue 4320). */
export const NATS_OLDEST = [2, 12] as const;

/** NATS servers that hold the log, in the words of their client. */
export interface NatsServers {
  /** `host:port`, the nearest one first */
  readonly servers: readonly string[];
  /** whether a server without TLS is refused */
  readonly tls: boolean;
  /** the user, with `pass`; missing: no user, or `token` */
  readonly user?: string;
  /** the user's password */
  readonly pass?: string;
  /** instead of a user and a password */
  readonly token?: string;
}

const log = z.string().transform((text, context): "file" | NatsServers => {
  const log = text === "file" ? text : natsServersOf(text);
  if (typeof log !== "string" || log === "file") return log;
  context.addIssue({ code: "custom", message: log });
  return "file";
});

const SERVER = /^(?:([a-z]+):\/\/)?([\w.-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?$/i;

/** The servers of `nats://[user:password@]host[:port],…`. @returns what is wrong, if something is */
function natsServersOf(text: string): NatsServers | string {
  const [, scheme, access, list] = /^(nats|tls):\/\/(?:([^@,]*)@)?(.*)$/i.exec(text) ?? [];
  if (!scheme) return "write file, or servers such as nats://host:4222,host:4222";
  const tls = scheme.toLowerCase() === "tls";
  if (list!.includes("@")) {
    return "user and password stand once, before the first server, with %40 for @ and %2C for a comma";
  }
  const servers: string[] = [];
  // each server may repeat the scheme
  for (const part of list!.split(",").map((part) => part.trim())) {
    const [, other, host, port = "4222"] = SERVER.exec(part) ?? [];
    if (other && other.toLowerCase() !== scheme.toLowerCase()) return "all servers have the same scheme";
    if (!host || Number(port) < 1 || Number(port) > 65_535) return "a server is host or host:port, and a comma follows";
    servers.push(`${host}:${Number(port)}`);
  }
  if (new Set(servers).size < servers.length) return "a server is listed twice";
  const [user, pass] = access?.split(/:(.*)/s).map(decoded) ?? [];
  if (access !== undefined && (!user || pass === "")) return "an empty user, password or token";
  return { servers, tls, ...pass !== undefined ? { user: user!, pass } : user ? { token: user } : {} };
}

/** Without the escapes of a URL. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A code of a replica has five bits in a record. */
const REPLICAS_MAX = 32;
const NAME = /^[a-z][a-z0-9-]{0,15}$/;
/** Names of files and locks in DATA_DIR. */
const TAKEN = /^(?:log|poll|(?:peer|process)-.*)$/;
const names = z.string().transform((text) => text.split(",").map((name) => name.trim()))
  .refine((all) => all.every((name) => NAME.test(name)), "a name has up to 16 of a-z, 0-9 and -, from a-z on")
  .refine((all) => !all.some((name) => TAKEN.test(name)), "log, poll, peer-… and process-… are no names of replicas")
  .refine((all) => new Set(all).size === all.length, "a name is listed twice")
  .refine((all) => all.length <= REPLICAS_MAX, `at most ${REPLICAS_MAX} names`);

/** A base URL that the command line gives. @throws ConfigError */
export function addressOf(name: string, text: string): string {
  const { error } = address.safeParse(text);
  if (error) throw new ConfigError(`${name}: ${error.issues[0]!.message}`);
  return text;
}

/** Where to listen: a TCP port, or a UNIX socket. */
export type Listen = { readonly hostname: string; readonly port: number } | { readonly path: string };

/** An address or a path. @returns undefined if the text is neither; an IPv6 address is in brackets */
export function parseListen(text: string): Listen | undefined {
  if (text.includes("/")) return { path: text };
  const [, ipv6, name, digits] = /^(?:(?:\[([\da-f:.]+)\]|([^:[\]\s]+)):)?(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  return port <= 65_535 ? { hostname: ipv6 ?? name ?? "127.0.0.1", port } : undefined;
}

/** A place to listen as text. */
export function placeOf(listen: Listen): string {
  if ("path" in listen) return listen.path;
  const { hostname, port } = listen;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Where this replica's pages for operators are, if not at LISTEN. A port can be shared, a path cannot. */
export function operationsOf(config: Config): Listen | undefined {
  const { OPS_LISTEN: listen, REPLICAS, REPLICA } = config;
  return listen && "path" in listen && REPLICAS.length > 1 ? { path: `${listen.path}.${REPLICA}` } : listen;
}

/** How long after a loss ids that come in are looked up at the processors, in milliseconds. */
export const RECALL_MS = 60_000;
/** How long stopping may take in all, in milliseconds: a supervisor must wait longer before it kills. */
export const STOP_MS = 3_000;

const LATEST = "the longest that gateways hold a request plus the longest that a processor takes";

/** Every setting by its name in the environment: its schema, its default (empty: not set), and its unit. */
export const SETTINGS = {
  LISTEN: [place.transform((listen) => listen!), "0.0.0.0:9999", "[address:]port or path"],
  OPS_LISTEN: [place, "", "[address:]port or path"],
  PROCESSOR_DEFAULT_URL: [address, "", "URL"],
  PROCESSOR_FALLBACK_URL: [address, "", "URL"],
  PROCESSOR_TOKEN: [z.string(), "", "secret"],
  FEES: [fees, "0.05,0.15", "two shares"],
  PATIENCE_MS: [ms(86_400_000), "75000", "ms"],
  SLOW_MS: [ms(600_000), "1200", "ms"],
  MAX_IN_FLIGHT: [whole(1, 10_000), "300", "calls"],
  REQUEST_TIMEOUT_MS: [whole(1, 600_000), "10000", "ms"],
  HORIZON_MS: [whole(1_000, 86_400_000, `it must exceed ${LATEST}: at least 1000`), "30000", "ms"],
  ACK: [z.enum(ACK_LEVELS), "log", "log|store"],
  QUEUE_MAX: [whole(1, 10_000_000), "50000", "payments"],
  REPLICAS: [names, "a,b", "names"],
  LOG: [log, "file", "file or nats://[user:password@]host:port,…"],
  DATA_DIR: [z.string().min(1), ".galo", "path"],
  DATABASE_URL: [z.string(), "", "URL"],
  STORE_INTERVAL_MS: [ms(10_000), "100", "ms"],
  LOG_MAX_MB: [whole(8, 1_000_000), "1024", "MiB"],
  REPLICA: [z.string(), "", "name"],
  LOG_LEVEL: [z.enum(["debug", "info", "warning", "error", "off"]), "info", "level"],
  ADMIN_TOKEN: [z.string(), "", "secret"],
  ALLOW_PURGE: [flag, "false", "true|false"],
} as const;

type Name = keyof typeof SETTINGS;

const HELP = `Listening:
LISTEN where callers connect; without an address that is 127.0.0.1, and port 0 is any free port
OPS_LISTEN where the live page and /metrics are, instead of at LISTEN; to a path each of several replicas appends a dot and its name

Processors:
PROCESSOR_DEFAULT_URL the cheaper processor; if it is set, \`start\` brings no stand-ins
PROCESSOR_FALLBACK_URL the dearer processor; set both or none
PROCESSOR_TOKEN the token of the processors' admin API, which only \`audit\` calls
FEES the shares that default and fallback charge, for stand-ins and reports
PATIENCE_MS how long a payment waits for a default that refuses: more saves fees, less settles sooner
SLOW_MS if the default takes longer than this, payments go to a faster fallback: less settles sooner and costs fees, more risks late bookings
MAX_IN_FLIGHT calls to a processor at once, per replica: more drains slow ones faster, less spares them and memory
REQUEST_TIMEOUT_MS when a call is given up: less frees places sooner, but it must exceed the longest that a processor takes
HORIZON_MS how long a call that was given up, or that a gateway answered with 5xx (but a plain 500), may still be booked: it must exceed ${LATEST}; less frees payments sooner, too little charges twice

Promises:
ACK what a 202 says: the payment survives the death of every process (log), or of the machine too, which takes longer (store)
QUEUE_MAX pending payments of all replicas: more bridges longer outages, less needs less memory; beyond it POST answers 503
REPLICAS the names of all replicas, the same list at each; names are only added or removed at its end, since the log knows a replica by its place. A single one takes no payments while it is down, and loses nothing

Store:
LOG where the log is: file, in DATA_DIR, for one machine; for several, their NATS servers, this host's own first: 2.12 or newer, with JetStream and sync_interval: always; tls:// encrypts; in a user or password write %40 for @
DATA_DIR a folder on a local disk that all replicas share: the log, locks, sockets of the peers, embedded Postgres; a replica whose LOG is NATS keeps nothing there
DATABASE_URL the Postgres that stores payments, sslmode as in libpq, except allow and prefer; without it \`start\` brings its own, and \`replica\` has only the log
STORE_INTERVAL_MS the least time between two batches: more is cheaper, less loses less when the machine dies
LOG_MAX_MB how far the log may grow while Postgres is away, or without one; beyond it POST answers 503, and accepted payments go on

Operating:
REPLICA which of REPLICAS this process is; not set: the first
LOG_LEVEL the lowest level that is written to stderr
ADMIN_TOKEN the bearer token that allows a purge
ALLOW_PURGE whether everybody may purge: for challenges and tests only

OTEL_DENO=true is Deno's own setting: it sends traces to the OpenTelemetry collector at OTEL_EXPORTER_OTLP_ENDPOINT.`;

const OUT = "unset it";
/** Settings of earlier versions, or values of one, and what to write instead. */
const REMOVED: Readonly<Record<string, string>> = {
  PORT: "write LISTEN, such as LISTEN=0.0.0.0:9999",
  HOST: "write LISTEN, such as LISTEN=127.0.0.1:9999; for a stand-in `processor --host`",
  FEE_DEFAULT: "write FEES, such as FEES=0.05,0.15",
  FEE_FALLBACK: "write FEES, such as FEES=0.05,0.15",
  STAND_IN_PORT: "write `start --stand-in-port PORT`",
  CADDY: "write `start --caddy PATH`",
  DISPATCH_PER_SECOND: `${OUT}, or write MAX_IN_FLIGHT, which it follows`,
  WATCHERS_MAX: `${OUT}: 16 may watch a replica`,
  BODY_TIMEOUT_MS: `${OUT}: a body has 10 s on a port, and no limit on a socket`,
  STORE_POOL: `${OUT}: a replica has two connections`,
  RECALL_MS: `${OUT}: ids are looked up for 60 s`,
  STOP_MS: `${OUT}: stopping takes 3 s at most`,
  DRAIN_MS: `${OUT}: stopping takes 3 s at most`,
  STORE_BATCH: `${OUT}: batches no longer need a limit`,
  STORE_BACKLOG_MAX: `${OUT}, or write LOG_MAX_MB: what waits for Postgres is in the log`,
  TIMINGS: `${OUT}: GET /metrics has it`,
  "ACK=peer": "write ACK=log, which loses nothing when all replicas die",
  "REPLICAS=1": "write the names of the replicas, here REPLICAS=a",
  "REPLICAS=2": "write the names of the replicas, here REPLICAS=a,b",
  "ACK=memory": "write ACK=log, which is as fast and loses nothing when a replica dies",
};

/** The value of every setting. */
export type Config = { readonly [N in Name]: z.output<(typeof SETTINGS)[N][0]> };

/**
 * Reads every setting.
 *
 * @param environment names and values, by default those of the process
 * @throws ConfigError naming the first setting that is not valid
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = Deno.env.toObject()): Config {
  for (const [what, instead] of Object.entries(REMOVED)) {
    const [name, value = ""] = what.split("=") as [string, string?];
    const text = environment[name]?.trim();
    if (value ? text === value : text) throw new ConfigError(`${what} was removed: ${instead}`);
  }
  const config: Record<string, unknown> = {};
  for (const [name, [schema, preset, unit]] of Object.entries(SETTINGS)) {
    const text = environment[name]?.trim() || preset;
    const parsed = schema.safeParse(text);
    if (!parsed.success) {
      const shown = /TOKEN|DATABASE_URL/.test(name) || text.includes("@")
        ? "its value"
        : JSON.stringify(text.slice(0, 80));
      throw new ConfigError(`${name}: ${shown} is not valid (${unit}): ${parsed.error.issues[0]!.message}`);
    }
    config[name] = parsed.data;
  }
  config.REPLICA ||= (config as Config).REPLICAS[0];
  const { PROCESSOR_DEFAULT_URL: first, PROCESSOR_FALLBACK_URL: second, DATABASE_URL: url } = config as Config;
  const { REPLICA, REPLICAS } = config as Config;
  if (!REPLICAS.includes(REPLICA)) throw new ConfigError(`REPLICA: ${REPLICA} is none of REPLICAS=${REPLICAS}`);
  if (Boolean(first) !== Boolean(second)) {
    throw new ConfigError("PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: set both or none");
  }
  // libpq reads from these where the server is and how to trust it; pg does not
  const unheeded = /^PG(?:SSL|SERVICE$|HOSTADDR$|REQUIRE|CHANNELBINDING$|TARGETSESSIONATTRS$)/;
  const says = (name: string) => url === "" || url.includes(`${name.slice(2).toLowerCase()}=`);
  const unsaid = Object.keys(environment).find((name) => unheeded.test(name) && environment[name] && !says(name));
  if (unsaid) throw new ConfigError(`${unsaid}: write it in DATABASE_URL, or remove it`);
  const operations = operationsOf(config as Config);
  for (const [name, listen] of Object.entries({ LISTEN: (config as Config).LISTEN, OPS_LISTEN: operations })) {
    if (listen && "path" in listen && !fitsSocket(listen.path)) {
      throw new ConfigError(`${name}: ${listen.path} is too long for a socket: at most 103 bytes`);
    }
  }
  // port 0 is a different port each time
  const where = (listen: Listen) => "path" in listen ? listen.path : listen.port || listen;
  if (operations && where(operations) === where((config as Config).LISTEN)) {
    throw new ConfigError("OPS_LISTEN: LISTEN has this address already");
  }
  return config as Config;
}

/** Removes libpq's variables, so that the shell cannot change how a cluster reaches its own Postgres. */
export function forgetLibpq(): void {
  for (const name of Object.keys(Deno.env.toObject())) if (name.startsWith("PG")) Deno.env.delete(name);
}

/** Checks the settings of a replica. @throws ConfigError if one is not set that a replica needs, and that `start` would bring */
export function checkReplicaConfig({ PROCESSOR_DEFAULT_URL, ACK, DATABASE_URL }: Config): void {
  if (!PROCESSOR_DEFAULT_URL) throw new ConfigError("PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: not set");
  if (ACK === "store" && !DATABASE_URL) throw new ConfigError("ACK: store needs a DATABASE_URL; without one write log");
}

/** Whether Deno sends traces to an OpenTelemetry collector, to which a replica adds its payments. */
export function isTraced(): boolean {
  return /^(?:true|1)$/i.test(Deno.env.get("OTEL_DENO") ?? "");
}

/** The part of `--help` that lists every setting. */
export function settingsHelp(): string {
  return HELP.replace(/^([A-Z_]+) (.*)$/gm, (_, name: Name, help) => {
    const [, preset, unit] = SETTINGS[name];
    return `  ${name.padEnd(23)} ${help} [${preset || "not set"}, ${unit}]`;
  });
}
