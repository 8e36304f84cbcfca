/**
 * One keep-alive HTTP/1.1 connection that costs next to nothing: a virtual user's, and the bench's own. It knows just
 * enough of the protocol to send one request after the other and to find where each answer ends.
 * @module
 */

/** Answers are read into this many bytes, the body too: more than a payment's or a summary's has reason to be. */
const BUFFER_BYTES = 16_384;
const CR_LF_CR_LF = "\r\n\r\n";
const encoder = new TextEncoder();

/** The parts of an answer that are read. Its body is read as Latin-1, which for JSON's numbers makes no difference. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** from just before the request was written until the answer's last byte was read, in milliseconds */
  readonly ms: number;
}

/** A connection that failed, timed out or spoke no HTTP; the message says which. */
export class ConnectionError extends Error {
  override name = "ConnectionError";
}

export class Connection {
  readonly #hostname: string;
  readonly #port: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #latin1 = new TextDecoder("latin1");
  #conn: Deno.TcpConn | undefined;
  #since = 0;
  #timedOut = false;

  /** @param url where to; only its host and port count. Nothing is opened before the first request. */
  constructor(url: URL) {
    this.#hostname = url.hostname.replace(/^\[|\]$/g, "");
    this.#port = Number(url.port || 80);
  }

  /**
   * Sends a request and reads the answer to it. Opening the connection, where that is needed, is not part of the time,
   * as it is not in k6's `http_req_duration`.
   *
   * @param request head and body
   * @throws ConnectionError; the next request then opens a new connection
   */
  async send(request: Uint8Array): Promise<Answer> {
    try {
      this.#conn ??= await this.#open();
      const start = this.#since = performance.now();
      for (let sent = 0; sent < request.length;) sent += await this.#conn.write(request.subarray(sent));
      const { status, body, keep } = await this.#read(this.#conn);
      const ms = performance.now() - start;
      this.#since = 0;
      if (!keep) this.close();
      return { status, body, ms };
    } catch (error) {
      this.close();
      if (this.#timedOut) throw new ConnectionError("timeout");
      if (error instanceof ConnectionError) throw error;
      throw new ConnectionError((error as Error).name);
    }
  }

  /** Gives up the request under way where it has waited for longer than `ms`. */
  expire(now: number, ms: number): void {
    if (this.#since === 0 || now - this.#since <= ms) return;
    this.#timedOut = true;
    this.close();
  }

  close(): void {
    this.#since = 0;
    try {
      this.#conn?.close();
    } catch {
      // it is closed already
    }
    this.#conn = undefined;
  }

  async #open(): Promise<Deno.TcpConn> {
    this.#timedOut = false;
    const conn = await Deno.connect({ hostname: this.#hostname, port: this.#port });
    conn.setNoDelay(true);
    return conn;
  }

  async #read(conn: Deno.TcpConn): Promise<{ status: number; body: string; keep: boolean }> {
    let filled = 0;
    let text = "";
    let bodyStart = -1;
    const more = async () => {
      if (filled === BUFFER_BYTES) throw new ConnectionError(`answer over ${BUFFER_BYTES} bytes`);
      const count = await conn.read(this.#buffer.subarray(filled));
      if (count === null) return false;
      filled += count;
      text = this.#latin1.decode(this.#buffer.subarray(0, filled));
      return true;
    };
    while (bodyStart < 0) {
      if (!await more()) throw new ConnectionError(filled === 0 ? "closed" : "closed in the middle of an answer");
      const end = text.indexOf(CR_LF_CR_LF);
      if (end >= 0) bodyStart = end + CR_LF_CR_LF.length;
    }
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? NaN);
    if (Number.isNaN(status)) throw new ConnectionError("no HTTP/1.1");
    const head = text.slice(0, bodyStart).toLowerCase();
    const keep = !head.includes("\r\nconnection: close");
    if (status === 204 || status === 304) return { status, body: "", keep };
    const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
    if (length !== undefined) {
      while (filled < bodyStart + Number(length)) if (!await more()) throw new ConnectionError("closed in a body");
      return { status, body: text.slice(bodyStart), keep };
    }
    if (head.includes("\r\ntransfer-encoding: chunked")) {
      let body: string | undefined;
      while ((body = chunks(text, bodyStart)) === undefined) {
        if (!await more()) throw new ConnectionError("closed in a body");
      }
      return { status, body, keep };
    }
    // neither: the body ends with the connection
    while (await more());
    return { status, body: text.slice(bodyStart), keep: false };
  }
}

/** A chunked body, undefined where more of it is to come; trailers are not looked for. */
function chunks(text: string, bodyStart: number): string | undefined {
  let body = "";
  for (let at = bodyStart;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = parseInt(text.slice(at, lineEnd), 16);
    if (Number.isNaN(size)) throw new ConnectionError("a chunk without a size");
    at = lineEnd + 2 + size + 2;
    if (at > text.length) return undefined;
    if (size === 0) return body;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
  }
}

/** The bytes of a request with a JSON body, or with none. */
export function encodeRequest(
  method: string,
  url: URL,
  path: string,
  body = "",
  headers: Readonly<Record<string, string>> = {},
): Uint8Array {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${url.host}`,
    "User-Agent: galo-bench",
    ...body === "" ? [] : ["Content-Type: application/json"],
    ...method === "GET" ? [] : [`Content-Length: ${body.length}`],
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return encoder.encode(`${lines.join("\r\n")}${CR_LF_CR_LF}${body}`);
}
