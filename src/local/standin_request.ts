/**
 * Reads HTTP/1.1 requests off a connection, one after the other: as much of the protocol as callers of a payment
 * processor use. Bodies come with a length or in chunks; trailers and `Expect` are not looked at.
 * @module
 */

/** The longest head and the longest body that are read, in bytes. */
export const HEAD_BYTES_MAX = 16 << 10;
export const BODY_BYTES_MAX = 16 << 10;
/** What a connection reads into at first: a payment fits several times. */
const BUFFER_BYTES = 2 << 10;
/** Chunks have lines around them, which no body may be inflated by for ever. */
const BUFFER_BYTES_MAX = HEAD_BYTES_MAX + 2 * BODY_BYTES_MAX;

const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder();

/** A whole request. */
export interface StandInRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  /** whether the caller sends another one over the same connection */
  readonly keepAlive: boolean;
  /** @returns the value, trimmed; undefined where there is no such header */
  header(name: string): string | undefined;
}

/** Something that is no request, and the status it is answered with before its connection ends. */
export class RequestError extends Error {
  override name = "RequestError";

  constructor(readonly status: 400 | 431, message: string) {
    super(message);
  }
}

/** The requests of one connection. */
export class RequestReader {
  #buffer = new Uint8Array(BUFFER_BYTES);
  #filled = 0;

  constructor(private readonly conn: Pick<Deno.Conn, "read">) {}

  /**
   * The next request.
   *
   * @returns undefined where the caller has closed the connection
   * @throws RequestError where the bytes are no request, or too many
   */
  async next(): Promise<StandInRequest | undefined> {
    let end = -1;
    while ((end = this.#headEnd()) < 0) {
      if (this.#filled > HEAD_BYTES_MAX) throw new RequestError(431, `a head is at most ${HEAD_BYTES_MAX} bytes`);
      if (!await this.#more()) return undefined;
    }
    const head = latin1.decode(this.#buffer.subarray(0, end));
    const [method, target, version] = head.slice(0, head.indexOf("\r\n")).split(" ");
    if (!target?.startsWith("/") || !version?.startsWith("HTTP/1.")) throw new RequestError(400, "no HTTP/1.1 request");
    const header = (name: string) => headerOf(head, name);
    const body = header("transfer-encoding")?.toLowerCase().includes("chunked")
      ? await this.#chunked(end)
      : await this.#sized(end, header("content-length"));
    if (body === undefined) return undefined;
    const [path, query] = split(target, target.indexOf("?"));
    const connection = header("connection")?.toLowerCase();
    const keepAlive = version === "HTTP/1.0" ? connection === "keep-alive" : connection !== "close";
    return { method: method!, path, query: new URLSearchParams(query), body, keepAlive, header };
  }

  /** Where the head ends that the buffer begins with, its empty line included; -1 where it has not ended yet. */
  #headEnd(): number {
    const bytes = this.#buffer;
    for (let at = bytes.indexOf(13); at >= 0 && at + 3 < this.#filled; at = bytes.indexOf(13, at + 1)) {
      if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
    }
    return -1;
  }

  async #sized(start: number, length = "0"): Promise<string | undefined> {
    if (!/^\d+$/.test(length)) throw new RequestError(400, "a Content-Length is a whole number");
    if (Number(length) > BODY_BYTES_MAX) return await this.#skip(start + Number(length));
    const end = start + Number(length);
    while (this.#filled < end) if (!await this.#more()) return undefined;
    const body = utf8.decode(this.#buffer.subarray(start, end));
    this.#consume(end);
    return body;
  }

  /** Reads a body to its end that is too long: closing on bytes that were not read would take the answer back. */
  async #skip(end: number): Promise<undefined> {
    for (let left = end - this.#filled; left > 0;) {
      const count = await this.conn.read(this.#buffer);
      if (count === null) return undefined;
      left -= count;
    }
    throw tooLong();
  }

  async #chunked(start: number): Promise<string | undefined> {
    const parts: Uint8Array[] = [];
    for (let at = start, total = 0;;) {
      const lineEnd = this.#buffer.subarray(0, this.#filled).indexOf(10, at);
      const line = lineEnd < 0 ? undefined : latin1.decode(this.#buffer.subarray(at, lineEnd));
      if (line !== undefined && !/^[0-9a-f]{1,8}[ \t]*(?:;.*)?\r$/i.test(line)) {
        throw new RequestError(400, "a chunk begins with its size");
      }
      const size = line === undefined ? 0 : parseInt(line, 16);
      if ((total += size) > BODY_BYTES_MAX) throw tooLong();
      const next = lineEnd + 1 + size + 2;
      if (line === undefined || this.#filled < next) {
        if (!await this.#more()) return undefined;
        total -= size;
        continue;
      }
      // copied, since a buffer that grows or is shifted is another one
      parts.push(this.#buffer.slice(lineEnd + 1, lineEnd + 1 + size));
      at = next;
      if (size > 0) continue;
      this.#consume(at);
      return await new Blob(parts as BlobPart[]).text();
    }
  }

  /** @returns false at the connection's end */
  async #more(): Promise<boolean> {
    if (this.#filled === this.#buffer.length) {
      if (this.#filled >= BUFFER_BYTES_MAX) {
        throw tooLong();
      }
      const larger = new Uint8Array(2 * this.#filled);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    const count = await this.conn.read(this.#buffer.subarray(this.#filled));
    this.#filled += count ?? 0;
    return count !== null;
  }

  /** What follows a request begins the next one. */
  #consume(bytes: number): void {
    this.#buffer.copyWithin(0, bytes, this.#filled);
    this.#filled -= bytes;
  }
}

function tooLong(): RequestError {
  return new RequestError(400, `a body is at most ${BODY_BYTES_MAX} bytes`);
}

function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\r\n${name}:[ \t]*([^\r]*?)[ \t]*\r\n`, "i").exec(head)?.[1];
}

function split(text: string, at: number): [string, string] {
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
