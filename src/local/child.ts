/** A child process that is started again when it dies although nobody stopped it. @module */
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
  /** ready when this port answers; otherwise when the child says the first word on its standard output */
  readonly port?: number;
}

export class Child {
  /** resolved when the child is ready; rejected with a {@link StartError} when it ended before */
  readonly ready: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  readonly #spec: ChildSpec;
  #process: Deno.ChildProcess;
  #stopping = false;

  /** @throws StartError where there is no such program */
  constructor(spec: ChildSpec) {
    this.#spec = spec;
    this.#process = this.#spawn();
    this.ready = this.#ready.promise;
    // also where nobody waits for it any more
    this.ready.catch(() => {});
    const ready = spec.port === undefined ? this.#speaks() : this.#listens(spec.port);
    ready.catch((error) => this.#ready.reject(error));
    this.#watch();
  }

  /** @returns whether it ended in good order */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), this.#spec.killMs ?? KILL_MS);
    const { success } = await this.#process.status;
    clearTimeout(timer);
    return success;
  }

  #spawn(): Deno.ChildProcess {
    const { program, args, env, cwd } = this.#spec;
    const options = { args: [...args], env, ...cwd && { cwd } };
    try {
      return new Deno.Command(program, { ...options, stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
    } catch (error) {
      throw new StartError(`cannot start ${program}: ${errorLine(error)}`);
    }
  }

  async #speaks(): Promise<void> {
    const { stdout } = this.#process;
    const reader = stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    // what it says later is of no interest, but must not block it
    stdout.pipeTo(new WritableStream()).catch(() => {});
    if (!done) return this.#ready.resolve();
    // who has to be started again is, and then it may be ready
    const { code } = await this.#process.status;
    if (code !== EXIT_RESTART) throw new StartError(`${this.#spec.name} did not start`);
  }

  async #listens(port: number): Promise<void> {
    for (let tries = 0; tries < CONNECT_TRIES; tries++) {
      try {
        (await Deno.connect({ port })).close();
        return this.#ready.resolve();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, CONNECT_MS));
      }
    }
    throw new StartError(`${this.#spec.name} does not answer on port ${port}`);
  }

  async #watch(): Promise<void> {
    for (;;) {
      const { code, signal } = await this.#process.status;
      if (this.#stopping || !this.#spec.restarts) return;
      const { name } = this.#spec;
      const logger = getLogger(["galo", "cluster"]);
      // it has said why itself
      if (code === EXIT_RESTART) logger.info(`${name} is started again, as it asked for`);
      else logger.error(`${name} ended with ${signal ?? `code ${code}`}: starting it again`);
      await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
      if (this.#stopping) return;
      this.#process = this.#spawn();
      if (this.#spec.port === undefined) this.#speaks().catch((error) => this.#ready.reject(error));
    }
  }

  #signal(name: Deno.Signal): void {
    try {
      this.#process.kill(name);
    } catch {
      // it has ended already
    }
  }
}
