/**
 * Just enough HTTP/1.1 to call a processor: keep-alive connections over Deno's own sockets, one request at a time on
 * each, answers read by Node's parser (llhttp), and nothing is ever sent twice. Libraries cost more than twice the CPU
 * (bench/client_bench.ts).
 * @module
 */

import { HTTPParser } from "node:_http_common";
import { errorLine } from "../errors.ts";

/** The longest answer that is read, head and body, in bytes. */
const ANSWER_BYTES_MAX = 64 << 10;
/** What is read at once, in bytes. */
const READ_BYTES = 4 << 10;
/** How often calls are checked for their timeout, in milliseconds. */
const SWEEP_MS = 1_000;
/** How often connections are checked for their idle time while there is no call, in milliseconds. */
const IDLE_SWEEP_MS = 10_000;
/** A connection that is idle for this long is not used again, and is closed when it is checked next; in milliseconds. */
const IDLE_MS = 30_000;
/** How long before the end that a server announces (Keep-Alive) a connection is no longer used, in milliseconds; at most half of its time. */
const MARGIN_MS = 1_000;

/** How a request ended. Text is read as Latin-1, which for numbers, times and ids makes no difference. */
export interface Ended {
  /** undefined if no whole head of an answer came */
  readonly status: number | undefined;
  /** the part of the body that came, without a byte order mark */
  readonly text: string;
  /** the header Retry-After, in lower case */
  readonly retryAfter: string | undefined;
  /** whether any byte of the request may have left: false is proof that the other side knows nothing of it */
  readonly sent: boolean;
  /** why it did not end with a whole answer */
  readonly error: string | undefined;
}

/** The connections to one server. */
export class HttpPool {
  readonly #base: string;
  readonly #all = new Set<HttpConnection>();
  /** the one that was used last is used first */
  readonly #idle: HttpConnection[] = [];
  /** in the order in which they began */
  readonly #calls = new Set<HttpCall>();
  readonly #waiting: HttpCall[] = [];
  /** one timer for all calls, while there is a call or a connection */
  #sweeping: ReturnType<typeof setTimeout> | undefined;
  /** whether that one was set while there was no call */
  #sweepsIdle = false;
  #closed = false;

  /**
   * Connects to nothing yet.
   *
   * @param url `http` or `https`; a path in it goes before those of requests
   * @param timeoutMs milliseconds from {@link request} to the whole answer: it may be up to {@link SWEEP_MS} less
   */
  constructor(
    private readonly url: URL,
    private readonly connectionsMax: number,
    private readonly timeoutMs: number,
  ) {
    this.#base = url.pathname.replace(/\/+$/, "");
  }

  /**
   * Sends a request over a connection of its own; it waits while all are in use.
   *
   * @param headers whole lines, beyond host and those of the body
   */
  async request(method: "GET" | "POST", path: string, body = "", headers = ""): Promise<Ended> {
    const { length } = new TextEncoder().encode(body);
    const ofBody = method === "GET" ? "" : `content-type: application/json\r\ncontent-length: ${length}\r\n`;
    // without these some servers send pages, compress, or refuse
    const ours = "accept: application/json\r\naccept-encoding: identity\r\nuser-agent: galo\r\n";
    const head = `${method} ${this.#base}${path} HTTP/1.1\r\nhost: ${this.url.host}\r\n${ours}${ofBody}${headers}\r\n`;
    const call = new HttpCall(head + body, this.timeoutMs);
    this.#calls.add(call);
    if (this.#closed) call.end("the client is closed");
    else this.#sweepLater();
    this.#waiting.push(call);
    this.#assign();
    const ended = await call.ended;
    this.#calls.delete(call);
    return ended;
  }

  /** Ends every call and every connection. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#sweeping);
    for (const call of this.#calls) call.end("the client is closed");
    for (const connection of this.#all) connection.end("the client is closed");
  }

  #sweepLater(): void {
    const isIdle = this.#calls.size === 0;
    if (this.#sweeping !== undefined && (isIdle || !this.#sweepsIdle)) return;
    clearTimeout(this.#sweeping);
    this.#sweepsIdle = isIdle;
    const callMs = Math.min(SWEEP_MS, this.timeoutMs / 4);
    this.#sweeping = setTimeout(() => {
      this.#sweeping = undefined;
      this.#sweep(callMs);
      if (this.#calls.size + this.#all.size > 0) this.#sweepLater();
    }, isIdle ? IDLE_SWEEP_MS : callMs);
  }

  /** Gives up calls whose time ends within `soonMs`, and closes idle connections. */
  #sweep(soonMs: number): void {
    const now = performance.now();
    for (const call of this.#calls) {
      if (now + soonMs < call.untilMs) break;
      call.end(call.late);
    }
    for (const connection of this.#all) {
      if (connection.call?.done || !connection.call && now > connection.untilMs) connection.end("idle");
    }
  }

  #assign(): void {
    const now = performance.now();
    for (let last; (last = this.#idle.at(-1)) && now > last.untilMs;) last.end("idle");
    while (this.#waiting.length > 0 && (this.#idle.length > 0 || this.#all.size < this.connectionsMax)) {
      const call = this.#waiting.shift()!;
      if (!call.done) (this.#idle.pop() ?? this.#open()).send(call);
    }
  }

  #open(): HttpConnection {
    const connection = new HttpConnection(this.url, (free) => {
      if (free) this.#idle.push(connection);
      else {
        this.#all.delete(connection);
        const at = this.#idle.indexOf(connection);
        if (at >= 0) this.#idle.splice(at, 1);
      }
      this.#assign();
    });
    this.#all.add(connection);
    return connection;
  }
}

/** One request. */
class HttpCall {
  readonly bytes: Uint8Array;
  /** from then on nothing of it may leave */
  readonly untilMs: number;
  readonly ended: Promise<Ended>;
  sent = false;
  done = false;
  status: number | undefined;
  retryAfter: string | undefined;
  text = "";
  #end!: (ended: Ended) => void;

  constructor(text: string, private readonly timeoutMs: number) {
    this.untilMs = performance.now() + timeoutMs;
    this.bytes = new TextEncoder().encode(text);
    this.ended = new Promise((resolve) => this.#end = resolve);
  }

  /** Why it ends at that time. */
  get late(): string {
    return `no answer within ${this.timeoutMs} ms`;
  }

  /** The first end counts. */
  end(error: string | undefined): void {
    if (this.done) return;
    this.done = true;
    const { status, retryAfter, sent } = this;
    this.#end({ status, text: this.text.replace(/^\u00ef\u00bb\u00bf/, ""), retryAfter, sent, error });
  }
}

/** One connection, opened for its first call. */
class HttpConnection {
  call: HttpCall | undefined;
  /** when it is closed if no call is on it */
  untilMs = Infinity;
  #socket: Deno.Conn | undefined;
  #closed = false;
  /** the length of the answer so far, and its fields if they are so many that they come in parts; names and values alternate */
  #bytes = 0;
  #fields: string[] = [];
  #whole = false;
  #keeps = false;
  /** how long the server keeps it, in milliseconds, and for how many more calls */
  #idleMs = IDLE_MS;
  #left = Infinity;
  readonly #parser = new HTTPParser();
  readonly #latin1 = new TextDecoder("latin1");

  /** @param release called with whether it can be used again, or is closed */
  constructor(private readonly url: URL, private readonly release: (free: boolean) => void) {
    const parser = this.#parser;
    parser.initialize(HTTPParser.RESPONSE, {}, ANSWER_BYTES_MAX);
    parser[HTTPParser.kOnMessageBegin] = () => [this.#fields, this.#keeps] = [[], false];
    parser[HTTPParser.kOnHeaders] = (fields: readonly string[]) => this.#fields.push(...fields);
    parser[HTTPParser.kOnHeadersComplete] = (...[, , fields, , , status, , , keeps]: unknown[]) => {
      if (status === 101) throw new Error("an answer in another protocol");
      // another 1xx announces an answer, and has no body; bytes after a whole answer belong to none
      if (this.#whole || !this.call || Number(status) >= 100 && Number(status) < 200) return 1;
      this.call.status = Number(status);
      const lines = (fields ?? this.#fields) as readonly string[];
      const said = (name: string) => lines.find((_, i) => i % 2 === 1 && lines[i - 1]!.toLowerCase() === name)?.trim();
      this.call.retryAfter = said("retry-after");
      this.#left--;
      const hints = said("keep-alive");
      if (hints !== undefined) this.#heed(hints);
      this.#keeps = Boolean(keeps) && this.#left > 0 && this.#idleMs > 0;
      return 0;
    };
    parser[HTTPParser.kOnBody] = (bytes: Uint8Array) => {
      if (!this.#whole && this.call) this.call.text += this.#latin1.decode(bytes);
    };
    parser[HTTPParser.kOnMessageComplete] = () => this.#whole ||= this.call?.status !== undefined;
  }

  async send(call: HttpCall): Promise<void> {
    this.call = call;
    this.#bytes = 0;
    this.#whole = false;
    try {
      if (!this.#socket) {
        const socket = this.#socket = await connect(this.url);
        if (this.#closed) return socket.close();
        // whoever ends the connection meanwhile closes the socket, and the handshake fails
        if ("handshake" in socket) await socket.handshake();
        this.#read(socket);
      }
      for (let at = 0; at < call.bytes.length;) {
        // a process that was frozen may get here before it gives up what came to its end meanwhile
        if (call.done || performance.now() >= call.untilMs) return this.end(call.late);
        call.sent = true;
        at += await this.#socket.write(call.bytes.subarray(at));
      }
    } catch (error) {
      this.end(inWords(error));
    }
  }

  /** Ends the connection, and the call on it. */
  end(error: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.call?.end(error);
    try {
      this.#socket?.close();
    } catch {
      // the other side was quicker
    }
    this.release(false);
  }

  /** A value of the header Keep-Alive. */
  #heed(hints: string): void {
    const [timeout = Infinity, max = Infinity] = ["timeout", "max"].map((name) =>
      Number(RegExp(`\\b${name} *= *"?(\\d+)`, "i").exec(hints)?.[1] ?? Infinity)
    );
    this.#idleMs = Math.min(IDLE_MS, Math.max(timeout * 1_000 - MARGIN_MS, timeout * 500));
    this.#left = Math.min(this.#left, max);
  }

  async #read(socket: Deno.Conn): Promise<void> {
    try {
      const buffer = new Uint8Array(READ_BYTES);
      for (let length; (length = await socket.read(buffer)) !== null;) {
        if (this.#closed) return;
        if (!this.call?.sent) return this.end("bytes without a request");
        this.#bytes += length;
        this.#take(this.#parser.execute(buffer.subarray(0, length)));
      }
      if (this.call) {
        this.#parser.finish();
        this.#take();
      }
      this.end("the connection was closed");
    } catch (error) {
      this.end(inWords(error));
    }
  }

  /** Ends the call if the answer is complete. */
  #take(parsed?: number | Error): void {
    if (!this.#whole) {
      if (parsed instanceof Error) this.end(parsed.message);
      else if (this.#bytes > ANSWER_BYTES_MAX) this.end(`an answer over ${ANSWER_BYTES_MAX} bytes`);
      return;
    }
    const call = this.call!;
    this.call = undefined;
    this.untilMs = performance.now() + this.#idleMs;
    call.end(undefined);
    if (this.#keeps && !(parsed instanceof Error)) this.release(true);
    else this.end("the server keeps no connection");
  }
}

/** Why a connection failed, for the person who must fix it. */
function inWords(error: unknown): string {
  const { ConnectionRefused, ConnectionReset, BrokenPipe, InvalidData } = Deno.errors;
  if (error instanceof ConnectionRefused) return "nothing listens there";
  if (error instanceof ConnectionReset || error instanceof BrokenPipe) return "the connection was reset";
  // an unknown name and an unreachable host are clear as they are
  return `${error instanceof InvalidData ? "TLS: " : ""}${errorLine(error)}`;
}

/** A connection, with TLS before its handshake. */
function connect(url: URL): Promise<Deno.Conn | Deno.TlsConn> {
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  if (url.protocol === "http:") return Deno.connect({ hostname, port: Number(url.port || 80) });
  return Deno.connectTls({ hostname, port: Number(url.port || 443) });
}
