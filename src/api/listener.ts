/** Where a replica takes connections: a TCP port or a UNIX socket, opened again when it fails. @module */
import { type Listen, placeOf } from "../config.ts";
import { errorLine, StartError } from "../start_error.ts";

/** How long a replica that cannot take connections waits before it listens again, in milliseconds. */
const REOPEN_MS = 200;

export interface ListenerParts {
  readonly listen: Listen;
  /** whether both replicas of one machine may listen on one port */
  readonly shared: boolean;
  readonly handler: (request: Request) => Response | Promise<Response>;
  /** it takes no connections for a moment */
  failed(why: string): void;
}

export class Listener {
  readonly #parts: ListenerParts;
  #server: Deno.HttpServer | undefined;
  #stopping = false;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
  }

  /**
   * Takes connections from now on.
   *
   * @returns where: a URL, or the path of a socket
   * @throws StartError where it cannot listen there
   */
  open(): string {
    const { listen } = this.#parts;
    this.#server = this.#serve();
    // too many open files end every connection, and need not end the replica
    this.#server.finished.catch((error) => this.#reopen(error));
    return "path" in listen
      ? listen.path
      : `http://${placeOf({ ...listen, port: (this.#server.addr as Deno.NetAddr).port })}`;
  }

  /** Takes no new connections; resolved once all requests are answered. */
  async shutdown(): Promise<void> {
    this.#stopping = true;
    await this.#server?.shutdown();
  }

  #reopen(error: unknown): void {
    if (this.#stopping) return;
    this.#parts.failed(errorLine(error));
    setTimeout(() => {
      if (this.#stopping) return;
      try {
        this.open();
      } catch (error) {
        this.#reopen(error);
      }
    }, REOPEN_MS);
  }

  #serve(): Deno.HttpServer {
    const { listen, shared, handler } = this.#parts;
    const onListen = () => {};
    try {
      if ("port" in listen) return Deno.serve({ ...listen, reusePort: shared, onListen }, handler);
      removeSocket(listen.path);
      const server = Deno.serve({ ...listen, onListen }, handler);
      Deno.chmodSync(listen.path, 0o660);
      return server as unknown as Deno.HttpServer;
    } catch (error) {
      throw new StartError(`cannot listen on ${placeOf(listen)}: ${errorLine(error)}`);
    }
  }
}

/** The replica's process lock is held, so that a socket of its name is a dead process's; anything else is somebody's. */
function removeSocket(path: string): void {
  try {
    if (!Deno.lstatSync(path).isSocket) throw new StartError("something that is no socket is there");
    if (isServed(path)) throw new StartError("another process listens there");
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a process of this container listens on a socket (proc(5)): one of something else, or of another DATA_DIR. */
function isServed(path: string): boolean {
  try {
    const listening = / 00010000 0001 \d\d +\d+ (.+)$/;
    return Deno.readTextFileSync("/proc/net/unix").split("\n").some((line) => listening.exec(line)?.[1] === path);
  } catch {
    return false;
  }
}
