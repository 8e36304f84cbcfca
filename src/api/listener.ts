/** Where a replica takes connections: a TCP port or a UNIX socket, opened again when it fails. @module */
import { type Listen, placeOf } from "../config.ts";
import { errorLine, StartError } from "../errors.ts";
import { type Handler, servePort } from "./port.ts";

/** How long a replica that cannot take connections waits before it listens again, in milliseconds. */
const REOPEN_MS = 200;

interface ListenerParts {
  readonly listen: Listen;
  /** whether several replicas of one machine may listen on one port */
  readonly shared: boolean;
  readonly handler: Handler;
  /** called when it cannot accept connections for a moment */
  failed(why: string): void;
}

/** Listens for callers, and again after a failure. */
export class Listener {
  #server: { readonly addr: Deno.Addr; shutdown(): Promise<void> } | undefined;
  #stopping = false;

  /** Opens nothing yet. */
  constructor(private readonly parts: ListenerParts) {}

  /**
   * Takes connections from now on.
   *
   * @returns where: a URL, or the path of a socket; undefined once it is shut down
   * @throws StartError if it cannot listen there
   */
  async open(): Promise<string | undefined> {
    const { listen } = this.parts;
    try {
      if ("path" in listen) await removeStale(listen.path);
      if (this.#stopping) return undefined;
      this.#server = this.#serve();
    } catch (error) {
      throw new StartError(`cannot listen on ${placeOf(listen)}: ${errorLine(error)}`);
    }
    return "path" in listen
      ? listen.path
      : `http://${placeOf({ ...listen, port: (this.#server.addr as Deno.NetAddr).port })}`;
  }

  /**
   * Takes no new connections until it is opened again; resolved once all requests are answered.
   *
   * @param forGood it cannot be opened again
   */
  async shutdown(forGood = true): Promise<void> {
    this.#stopping ||= forGood;
    await this.#server?.shutdown();
  }

  #reopen(error: unknown): void {
    if (this.#stopping) return;
    this.parts.failed(errorLine(error));
    setTimeout(() => this.open().catch((error) => this.#reopen(error)), REOPEN_MS);
  }

  #serve() {
    const { listen, shared, handler, failed } = this.parts;
    if ("port" in listen) {
      return servePort(Deno.listen({ ...listen, reusePort: shared }), handler, (error) => failed(errorLine(error)));
    }
    const server = Deno.serve({ ...listen, onListen() {} }, handler);
    Deno.chmodSync(listen.path, 0o660);
    // too many open files end every connection, but need not end the replica
    server.finished.catch((error) => this.#reopen(error));
    return server;
  }
}

/** Removes the socket of a dead process: nothing answers there. It leaves any other file alone. */
async function removeStale(path: string): Promise<void> {
  try {
    if (!Deno.lstatSync(path).isSocket) throw new StartError("the file there is not a socket");
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.ConnectionRefused) return Deno.removeSync(path);
    throw error;
  }
  throw new StartError("another process listens there");
}
