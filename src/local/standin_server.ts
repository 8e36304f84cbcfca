/** The HTTP server of a stand-in processor: it can end a connection without an answer, and close and reopen its port. @module */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as after } from "node:timers/promises";

/** A caller may keep its connection for as long as it likes. */
const OPTIONS = { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0, requireHostHeader: false };
/** The longest body that is read; a longer one counts as empty. */
const BODY_CHARS_MAX = 16 << 10;
/** When a port that is taken is tried again. */
const REOPEN_MS = 10;

/** A whole request. */
export interface StandInRequest {
  /** in capitals */
  readonly method: string;
  /** without the query */
  readonly path: string;
  /** the query's parameters */
  readonly query: URLSearchParams;
  /** by names in lower case */
  readonly headers: IncomingMessage["headers"];
  /** the body as text; empty if it is longer than 16 KiB */
  readonly body: string;
}

/** An answer; `body` becomes JSON. */
export interface StandInAnswer {
  /** the HTTP status */
  readonly status: number;
  /** any JSON value; left out for no body */
  readonly body?: unknown;
  /** beside the content type */
  readonly headers?: Readonly<Record<string, string>>;
  /** runs once all of the answer is handed to the kernel */
  readonly after?: () => void;
}

/** How a call ends: with an answer, or with the end of its connection. */
export type StandInEnd = StandInAnswer | "drop";

/** A promise that never settles is a call that goes on until the server is closed. */
export type StandInHandler = (request: StandInRequest) => StandInEnd | Promise<StandInEnd>;

/** A server on one port, which can be closed and opened again. */
export class StandInServer {
  #server: Server | undefined;
  #wanted = false;

  /** Listens nowhere yet. @param port 0 takes any free one, which is then kept */
  constructor(public port: number, private readonly hostname: string, private readonly handle: StandInHandler) {}

  /** Where it listens; with port 0 only once it is open. */
  get url(): string {
    return `http://${this.hostname}:${this.port}`;
  }

  /** Takes connections. @throws an error with the code EADDRINUSE if the port is taken, after that many tries */
  async open(tries = 1): Promise<void> {
    this.#wanted = true;
    while (this.#wanted && !this.#server) {
      const server = createServer(OPTIONS, (request, response) => this.#receive(request, response));
      this.#server = server;
      // ends a connection that was accepted while the port closed
      server.on("connection", (socket) => void (this.#server === server || socket.destroy())).on("error", () => {});
      try {
        server.listen(this.port, this.hostname);
        await Promise.race([once(server, "listening"), once(server, "close")]);
        this.port = (server.address() as AddressInfo | null)?.port ?? this.port;
      } catch (error) {
        this.#server = undefined;
        if ((error as { code?: string }).code !== "EADDRINUSE" || --tries === 0) throw error;
        await after(REOPEN_MS);
      }
    }
  }

  /** Refuses connections and ends the open ones; their calls continue, but their answers go nowhere. */
  async close(): Promise<void> {
    this.#wanted = false;
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const { method, url, headers } = request;
    const [path, query] = url!.split("?", 2);
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => body = body.length > BODY_CHARS_MAX ? body : body + text);
    request.on("end", async () => {
      if (body.length > BODY_CHARS_MAX) body = "";
      const end = await this.handle({ method: method!, path: path!, query: new URLSearchParams(query), headers, body });
      if (end === "drop") return void request.socket.destroy();
      if (end.after) response.on("close", end.after);
      response.statusCode = end.status;
      for (const name in end.headers) response.setHeader(name, end.headers[name]!);
      if (end.body === undefined) return void response.end();
      response.setHeader("content-type", "application/json").end(JSON.stringify(end.body));
    });
  }
}
