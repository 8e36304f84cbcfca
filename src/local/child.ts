/** A child process that is started again when it dies although nobody stopped it. @module */
import { setTimeout as after } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { errorLine, EXIT_RESTART, StartError } from "../errors.ts";

/** Pause before a process that died is started again, in milliseconds. */
const RESTART_MS = 250;
/** After so long a child that was asked to stop is killed, in milliseconds, where nothing else is said. */
const KILL_MS = 2_000;
/** How often a port is tried until it answers, in milliseconds, and how often at most. */
const CONNECT_MS = 20;
const CONNECT_TRIES = 500;

/** What to start, and how it shows that it is ready. */
export interface ChildSpec {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** added to this process's own environment */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly restarts: boolean;
  /** after so long a child that was asked to stop is killed, in milliseconds */
  readonly killMs?: number;
  /** ready when this answers; otherwise when the child says the first word on its standard output */
  readonly at?: Deno.ConnectOptions;
}

/** A process that `start` brings. */
export class Child {
  readonly #ready = Promise.withResolvers<void>();
  /** resolved when the child is ready; rejected with a {@link StartError} when it ended before */
  readonly ready = this.#ready.promise;
  #process: Deno.ChildProcess;
  #stopping = false;

  /** @throws StartError where there is no such program */
  constructor(private readonly spec: ChildSpec) {
    // also where nobody waits for it any more
    this.ready.catch(() => {});
    this.#process = this.#spawn();
    if (spec.at) this.#listens(spec.at);
    this.#watch();
  }

  /** @returns whether it ended in good order */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    return await endProcess(this.#process, "SIGTERM", this.spec.killMs ?? KILL_MS);
  }

  #spawn(): Deno.ChildProcess {
    const { program, args, env, cwd, at } = this.spec;
    const options = { args: [...args], env, ...cwd && { cwd } };
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
    // what it says later is of no interest, but must not block it
    stdout.pipeTo(new WritableStream()).catch(() => {});
    if (!done) return this.#ready.resolve();
    // one that has to be started again is, and then it may be ready
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
      // it has said why itself
      if (code === EXIT_RESTART) logger.info(`${name} is started again, as it asked for`);
      else logger.error(`${name} ended with ${signal ?? `code ${code}`}: starting it again`);
      await after(RESTART_MS);
      if (this.#stopping) return;
      this.#process = this.#spawn();
    }
  }
}

/** Asks a process to end, and kills it after so many milliseconds. @returns whether it ended in good order */
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
    // the number of a child that has ended may be another process's: Deno sends it nothing
  }
}
