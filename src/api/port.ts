/**
 * HTTP on a TCP port, by Node's server: it also answers a caller that ends its own side of the connection, which Deno's
 * server, in use on sockets, does only if the answer takes no time. Deno accepts the connections: Node's listener dies once
 * the process has no file descriptor left.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Answers a request. @param outgoing the response of Node's server, on a port */
export type Handler = (request: Request, outgoing?: object) => Response | Promise<Response>;

/** The time that a caller has, in milliseconds: for a head, a whole request, and until the next one; and how often that is checked. */
const TIMES = { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 60_000 };
const CHECK_MS = 500;
/** The pause after a connection could not be accepted, in milliseconds. */
const ACCEPT_AGAIN_MS = 200;

/** Serves a port. @param failed called with the reason when it cannot accept connections for a moment */
export function servePort(listener: Deno.TcpListener, handler: Handler, failed: (why: unknown) => void, times = TIMES) {
  const callers = new Set<Duplex>();
  const options = { ...times, connectionsCheckingInterval: CHECK_MS, joinDuplicateHeaders: true };
  const server = createServer(options, async (incoming, outgoing) => {
    // the rest of the request never comes
    const breakOff = () => incoming.complete || incoming.emit("error", new Error("broken off"));
    const { socket } = incoming.on("error", () => {}).once("close", () => socket.off("end", breakOff));
    socket.on("end", breakOff);
    await send(await handler(requestOf(incoming), outgoing), outgoing);
  });
  Object.defineProperties(server, { httpAllowHalfOpen: { value: true }, listening: { value: true, writable: true } });
  server.emit("listening");
  const accept = async () => {
    for await (const connection of listener) {
      const caller = streamOf(connection);
      callers.add(caller.once("close", () => callers.delete(caller)));
      server.emit("connection", caller);
    }
  };
  const acceptOn = (): Promise<unknown> =>
    accept().catch((why) => (failed(why), setTimeout(acceptOn, ACCEPT_AGAIN_MS)));
  void acceptOn();
  /** Takes no new connections; resolved once each has ended, after its last answer. */
  const shutdown = async () => {
    listener.close();
    Object.assign(server, { listening: false }).closeIdleConnections();
    await Promise.all([...callers].map((caller) => new Promise((resolve) => caller.once("close", resolve))));
    server.close();
  };
  return { addr: listener.addr, shutdown };
}

/** A connection in the form that Node expects. */
function streamOf(connection: Deno.TcpConn): Duplex {
  const buffer = new Uint8Array(16 << 10);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = async (bytes: Uint8Array) => {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
  };
  const stream = new Duplex({
    read() {
      const got = (size: number | null) => this.push(size === null ? null : buffer.slice(0, size));
      connection.read(buffer).then(got, (error) => this.destroy(error));
    },
    writev: (chunks, done) => void write(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => done(), done),
    final: (done) => void connection.closeWrite().then(() => done(), done),
    destroy(error, done) {
      clearTimeout(timer);
      connection.close();
      done(error);
    },
  }).setMaxListeners(0);
  return Object.assign(stream, {
    destroySoon: () => stream.end(() => stream.destroy()),
    setTimeout(ms: number) {
      clearTimeout(timer);
      if (ms > 0) timer = setTimeout(() => stream.emit("timeout"), ms);
    },
  });
}

/** The parts of a request that Galo reads; its URL is as it came, as Deno's server gives it, and not normalised. */
function requestOf(incoming: IncomingMessage): Request {
  const { method, headers, url = "" } = incoming;
  const origin = /^\w+:/.test(url) ? "" : `http://${headers.host ?? "localhost"}${url.startsWith("/") ? "" : "/"}`;
  return {
    ...{ method, url: origin + url, headers: { get: (name: string) => headers[name.toLowerCase()] ?? null } },
    get body() {
      return incoming.iterator({ destroyOnReturn: false });
    },
    bytes: async () => Buffer.concat(await incoming.toArray()),
  } as unknown as Request;
}

async function send(answer: Response, outgoing: ServerResponse): Promise<void> {
  const { status, headers, body } = answer;
  outgoing.setHeaders(headers).statusCode = status;
  const isStream = body && headers.get("content-type") === "text/event-stream";
  if (!isStream) return void outgoing.end(await answer.bytes());
  // a watcher may leave at any time
  await pipeline(Readable.from(body), outgoing).catch(() => {});
}
