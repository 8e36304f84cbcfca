/**
 * The HTTP server of a stand-in processor, which runs beside the router on the same cores. `Deno.serve` cannot end one
 * connection without a status line, whatever it is answered with. `node:http` can, for 75 µs of CPU a payment at 3,000 in
 * a second, and 135 MB; this takes 43 µs and 69 MB (`Deno.serve` with nothing behind it: 25 to 31 µs, 54 MB).
 * @module
 */
import { RequestError, RequestReader, type StandInRequest } from "./standin_request.ts";

/** Connections at once: further ones are closed as soon as they are made. */
export const CONNECTIONS_MAX = 4_096;
/** A port that was closed may be another's for a moment: how often it is tried again, and after how many milliseconds. */
const REOPEN_TRIES_MAX = 500;
const REOPEN_MS = 10;

/** An answer; `body` becomes JSON. */
export interface StandInAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** runs once all of the answer is handed to the kernel */
  readonly after?: () => void;
}

/** How a call ends: with an answer, with the end of its connection, or not at all until the signal is aborted. */
export type Ending = StandInAnswer | "drop" | { readonly hangUntil: AbortSignal };

/** A promise of an ending that never settles is a call that goes on until the server is closed. */
export type Handler = (request: StandInRequest) => Ending | Promise<Ending>;

const encoder = new TextEncoder();
const REASONS: Readonly<Record<number, string>> = { 200: "OK", 204: "No Content", 404: "Not Found" };

/** A server on one port, which can be closed and opened again. */
export class StandInServer {
  readonly port: number;
  #listener: Deno.TcpListener | undefined;
  #open = new Set<Deno.TcpConn>();
  #wanted = true;
  #accepting: Promise<void> = Promise.resolve();

  /** @throws Deno.errors.AddrInUse where the port is taken; 0 takes any free one */
  constructor(port: number, private readonly hostname: string, private readonly handle: Handler) {
    this.port = this.#listen(port);
  }

  /**
   * Ends every connection; calls go on, only that nobody hears of their end. Resolved once connections are refused, which
   * the kernel does when the accept under way has ended, and not when the listener is closed.
   */
  async close(): Promise<void> {
    this.#wanted = false;
    this.#listener?.close();
    this.#listener = undefined;
    for (const conn of this.#open) this.#end(conn);
    await this.#accepting;
  }

  /** Takes connections again, on the same port. @throws where the port stays taken */
  async reopen(): Promise<void> {
    this.#wanted = true;
    for (let tries = 1; this.#wanted && !this.#listener; tries++) {
      try {
        this.#listen(this.port);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse) || tries === REOPEN_TRIES_MAX) throw error;
        await new Promise((resolve) => setTimeout(resolve, REOPEN_MS));
      }
    }
  }

  #listen(port: number): number {
    const listener = Deno.listen({ port, hostname: this.hostname });
    this.#listener = listener;
    this.#accepting = this.#accept(listener);
    return listener.addr.port;
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    while (this.#listener === listener) {
      try {
        const conn = await listener.accept();
        // one that came while the listener was being closed is too late as well
        if (this.#listener === listener && this.#open.size < CONNECTIONS_MAX) void this.#serve(conn);
        else conn.close();
      } catch {
        // closed; or the caller has left again; or there are no file descriptors, until other connections end
        if (this.#listener === listener) await new Promise((resolve) => setTimeout(resolve, REOPEN_MS));
      }
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    this.#open.add(conn);
    try {
      conn.setNoDelay();
      const reader = new RequestReader(conn);
      let request: StandInRequest | undefined;
      while ((request = await reader.next())) {
        const ending = await this.handle(request);
        if (ending === "drop") return;
        if ("hangUntil" in ending) return await this.#hang(conn, ending.hangUntil);
        await write(conn, encode(ending, request.keepAlive));
        ending.after?.();
        if (!request.keepAlive) return;
      }
    } catch (error) {
      if (error instanceof RequestError) {
        const { status, message } = error;
        await write(conn, encode({ status, body: { message } }, false)).catch(() => {/* the caller has left */});
      } else if (!isGone(error)) throw error;
    } finally {
      this.#end(conn);
    }
  }

  /** Until the caller leaves, or `until`: what it sends meanwhile is not looked at. */
  async #hang(conn: Deno.TcpConn, until: AbortSignal): Promise<void> {
    const unread = new Uint8Array(1 << 10);
    const end = () => this.#end(conn);
    until.addEventListener("abort", end);
    try {
      while (!until.aborted && await conn.read(unread) !== null);
    } finally {
      until.removeEventListener("abort", end);
    }
  }

  #end(conn: Deno.TcpConn): void {
    if (this.#open.delete(conn)) conn.close();
  }
}

function encode({ status, body, headers = {} }: StandInAnswer, keepAlive: boolean): Uint8Array {
  const bytes = body === undefined ? undefined : encoder.encode(JSON.stringify(body));
  let head = `HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n`;
  if (bytes) head += `Content-Type: application/json\r\nContent-Length: ${bytes.length}\r\n`;
  else if (status !== 204) head += "Content-Length: 0\r\n";
  if (!keepAlive) head += "Connection: close\r\n";
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  const start = encoder.encode(`${head}\r\n`);
  if (!bytes) return start;
  const all = new Uint8Array(start.length + bytes.length);
  all.set(start);
  all.set(bytes, start.length);
  return all;
}

async function write(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** Whether an error says no more than that one side has closed the connection. */
function isGone(error: unknown): boolean {
  const kinds = ["BadResource", "Interrupted", "ConnectionReset", "ConnectionAborted", "BrokenPipe", "NotConnected"];
  return error instanceof Error && kinds.includes(error.name) || error instanceof Deno.errors.UnexpectedEof;
}
