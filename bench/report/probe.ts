/**
 * One keep-alive HTTP/1.1 connection over TCP or a UNIX socket, so that the same request can be timed through Caddy and
 * directly at a replica. Answers have a length; anything else is an error.
 * @module
 */
import { encodeRequest } from "../graded/connection.ts";

/** An answer is read into this many bytes: `/metrics` is the longest. */
const BUFFER_BYTES = 1 << 18;
const HEAD_END = "\r\n\r\n";

/** Where to: `http://127.0.0.1:9999`, or the path of a socket. */
export type Target = string;

export class Probe {
  readonly #target: Target;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #latin1 = new TextDecoder("latin1");
  #conn: Deno.Conn | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  /**
   * Sends a request and reads its answer; the first opens the connection, which is part of its time.
   *
   * @returns the answer, and milliseconds until its last byte
   * @throws where the answer has no length or ends early
   */
  async send(method: string, path: string, body?: string): Promise<{ status: number; body: string; ms: number }> {
    const url = new URL(this.#target.startsWith("/") ? "http://replica" : this.#target);
    const request = encodeRequest(method, url, path, body);
    const startMs = performance.now();
    const conn = this.#conn ??= await this.#open(url);
    for (let sent = 0; sent < request.length;) sent += await conn.write(request.subarray(sent));
    let filled = 0;
    for (;;) {
      const count = await conn.read(this.#buffer.subarray(filled));
      if (count === null || filled + count === BUFFER_BYTES) throw new Error(`${method} ${path}: no whole answer`);
      filled += count;
      const text = this.#latin1.decode(this.#buffer.subarray(0, filled));
      const end = text.indexOf(HEAD_END);
      if (end < 0) continue;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1] ?? NaN);
      if (Number.isNaN(length)) throw new Error(`${method} ${path}: an answer without a length`);
      const start = end + HEAD_END.length;
      if (filled < start + length) continue;
      return { status: Number(text.slice(9, 12)), body: text.slice(start), ms: performance.now() - startMs };
    }
  }

  close(): void {
    this.#conn?.close();
    this.#conn = undefined;
  }

  async #open(url: URL): Promise<Deno.Conn> {
    if (this.#target.startsWith("/")) return await Deno.connect({ transport: "unix", path: this.#target });
    const conn = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
    conn.setNoDelay(true);
    return conn;
  }
}
