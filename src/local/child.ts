/** A child process that restarts when it dies unasked. @module */
import { execFile } from "node:child_process";
import { setTimeout as after } from "node:timers/promises";
import { promisify } from "node:util";
import { getLogger } from "@logtape/logtape";
import { errorLine, EXIT_RESTART, StartError } from "../errors.ts";
import { makeFolder } from "../file_system.ts";

/** Pause before a process that died restarts, in milliseconds. */
const RESTART_MS = 250;
/** How long a child may take to stop before it is killed by default, in milliseconds. */
const KILL_MS = 2_000;
/** How long to wait for the remains of an earlier server, and for a server to stop before it is killed, in milliseconds. */
export const REMAINS_MS = 10_000;
/** How often it is checked whether they have ended, in milliseconds. */
export const REMAINS_POLL_MS = 50;
/** How often a port is tried until it answers, in milliseconds, and how often at most. */
const CONNECT_MS = 20;
const CONNECT_TRIES = 500;

/** What to start, and how it shows that it is ready. */
export interface ChildSpec {
  /** for log lines and errors */
  readonly name: string;
  /** a path, or a name on the PATH */
  readonly program: string;
  /** the program's arguments */
  readonly args: readonly string[];
  /** added to this process's own environment */
  readonly env: Readonly<Record<string, string>>;
  /** its working directory; this process's own if left out */
  readonly cwd?: string;
  /** whether it is started again when it dies */
  readonly restarts: boolean;
  /** how long the child may take to stop before it is killed, in milliseconds */
  readonly killMs?: number;
  /** ready when this answers; without one, when the child writes to its standard output */
  readonly at?: Deno.ConnectOptions | undefined;
  /** in a process group of its own, so that what a terminal sends does not reach it */
  readonly detached?: boolean;
}

/** A child process of `start`. */
export class Child {
  readonly #ready = Promise.withResolvers<void>();
  /** resolved when the child is ready; rejected with a {@link StartError} when it ended before */
  readonly ready = this.#ready.promise;
  #process: Deno.ChildProcess;
  #stopping = false;

  /** Starts it. @throws StartError if there is no such program */
  constructor(private readonly spec: ChildSpec) {
    // even if nothing waits for it any more
    this.ready.catch(() => {});
    this.#process = this.#spawn();
    if (spec.at) this.#listens(spec.at);
    this.#watch();
  }

  /** Asks it to end, and kills it if it does not. @returns whether it ended in good order */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    return await endProcess(this.#process, "SIGTERM", this.spec.killMs ?? KILL_MS);
  }

  #spawn(): Deno.ChildProcess {
    const { program, args, env, cwd = ".", at, detached = false } = this.spec;
    const options = { args: [...args], env, cwd, detached };
    try {
      const command = new Deno.Command(program, { ...options, stdin: "piped", stdout: "piped", stderr: "inherit" });
      const child = command.spawn();
      if (!at) this.#speaks(child);
      return child;
    } catch (error) {
      throw new StartError(`cannot start ${program}: ${errorLine(error)}`);
    }
  }

  async #speaks({ stdout, status }: Deno.ChildProcess): Promise<void> {
    const reader = stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    // its later output is of no interest, but must not block it
    stdout.pipeTo(new WritableStream()).catch(() => {});
    if (!done) return this.#ready.resolve();
    // a child that asks for a restart gets one, and may be ready then
    if ((await status).code !== EXIT_RESTART) this.#ready.reject(new StartError(`${this.spec.name} did not start`));
  }

  async #listens(at: Deno.ConnectOptions): Promise<void> {
    for (let tries = 0; tries < CONNECT_TRIES; tries++) {
      try {
        (await Deno.connect(at)).close();
        return this.#ready.resolve();
      } catch {
        await after(CONNECT_MS);
      }
    }
    this.#ready.reject(new StartError(`${this.spec.name} does not answer on port ${at.port}`));
  }

  async #watch(): Promise<void> {
    const { name, restarts } = this.spec;
    const logger = getLogger(["galo", "cluster"]);
    for (;;) {
      const { code, signal } = await this.#process.status;
      if (this.#stopping || !restarts) return;
      // it has logged why itself
      if (code === EXIT_RESTART) logger.info(`${name} restarts, as it asked to`);
      else logger.error(`${name} ended with ${signal ?? `code ${code}`}: starting it again`);
      await after(RESTART_MS);
      for (let said = ""; !this.#stopping; await after(RESTART_MS)) {
        try {
          this.#process = this.#spawn();
          break;
        } catch (error) {
          // no memory or no file for a moment: that may pass
          const why = errorLine(error);
          if (why !== said) logger.error(why);
          said = why;
        }
      }
    }
  }
}

/** Asks a process to end, and kills it after `killMs`. @returns whether it ended in good order */
export async function endProcess(process: Deno.ChildProcess, name: Deno.Signal, killMs: number): Promise<boolean> {
  const timer = setTimeout(() => signalTo(process, "SIGKILL"), killMs);
  signalTo(process, name);
  const { success } = await process.status;
  clearTimeout(timer);
  return success;
}

/** Sends a signal, unless the process has ended. */
export function signalTo(process: Pick<Deno.ChildProcess, "kill">, name: Deno.Signal): void {
  try {
    process.kill(name);
  } catch {
    // the number of a child that has ended may be another process's: Deno sends that no signal
  }
}

/**
 * Ends a server whose starter was killed.
 *
 * @param pid its number, as it wrote that down: it may be another process's by now
 * @param isIt whether a process with this command line is that server
 * @param name what asks it to end, before it is killed
 * @returns whether it has ended
 */
export async function endRemains(
  pid: number,
  isIt: (commandLine: string) => boolean,
  name: Deno.Signal,
): Promise<boolean> {
  const server = { kill: (name?: Deno.Signal) => Deno.kill(pid, name) };
  for (let waitedMs = 0; isIt(await commandLineOf(pid)); waitedMs += REMAINS_POLL_MS) {
    if (waitedMs === 0) signalTo(server, name);
    if (waitedMs === REMAINS_MS) signalTo(server, "SIGKILL");
    if (waitedMs > 2 * REMAINS_MS) return false;
    await after(REMAINS_POLL_MS);
  }
  return true;
}

/**
 * Takes a folder for the servers of this process alone, which it makes.
 *
 * @param name of the servers, for the error
 * @returns its lock, held until it is closed: what runs in the folder already is a leftover
 * @throws StartError if another process has it
 */
export async function claim(folder: string, name: string): Promise<Deno.FsFile> {
  makeFolder(folder);
  const lock = await lockIn(folder);
  if (lock) return lock;
  throw new StartError(`another process uses the ${name} in ${folder}`);
}

/** The lock of a folder that is there, held until it is closed; undefined if another process has it. */
export async function lockIn(folder: string): Promise<Deno.FsFile | undefined> {
  const lock = await Deno.open(`${folder}/lock`, { create: true, write: true, mode: 0o600 });
  if (await lock.tryLock(true)) return lock;
  lock.close();
  return undefined;
}

/**
 * Ends the server of a start that was killed.
 *
 * @param folder where it wrote its number, into the file `pid`
 * @param name of the server, for the error
 * @param argument only its command line has this
 * @throws StartError if it does not stop
 */
export async function endEarlier(folder: string, name: string, argument: string): Promise<void> {
  const pid = parseInt(await Deno.readTextFile(`${folder}/pid`).catch(() => ""));
  if (await endRemains(pid, (line) => line.includes(argument), "SIGTERM")) return;
  throw new StartError(`the ${name} of an earlier start in ${folder} (${pid}) does not stop`);
}

/** The program of a process and its arguments; empty if there is no such process. */
async function commandLineOf(pid: number): Promise<string> {
  // macOS has no /proc
  const ps = () => promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", `${pid}`]).then(({ stdout }) => stdout);
  const line = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(ps).catch(() => "");
  return line.replaceAll("\0", " ");
}

/** The ports that {@link freePort} chose: whoever is to listen there may not do so yet. */
const chosen = new Set<number>();

/** A port that nothing listens on now. @param port 0: any, another one each time @throws StartError if it is taken */
export function freePort(port: number, hostname: string): number {
  try {
    for (;;) {
      const listener = Deno.listen({ port, hostname });
      const free = (listener.addr as Deno.NetAddr).port;
      listener.close();
      if (port === 0 && chosen.has(free)) continue;
      chosen.add(free);
      return free;
    }
  } catch (error) {
    throw new StartError(`cannot listen on ${hostname}:${port}: ${errorLine(error)}`);
  }
}

/**
 * The version of a program on the PATH, as numbers.
 *
 * @param arg what makes it say its version
 * @returns undefined if there is no such program, or it says none
 */
export async function versionOf(program: string, arg: string): Promise<readonly [number, number, number] | undefined> {
  try {
    const { stdout } = await new Deno.Command(program, { args: [arg], stderr: "null" }).output();
    const [, ...parts] = /\bv?(\d+)\.(\d+)\.(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
    return parts.length > 0 ? parts.map(Number) as [number, number, number] : undefined;
  } catch {
    return undefined;
  }
}
