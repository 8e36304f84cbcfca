/**
 * HTTP on a TCP port, with Node's server: it also answers a caller that has closed its own side of the connection. Deno's
 * server, which sockets have, does so only if the answer is there at once.
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Duplex, finished, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { acceptFrom, streamOf } from "../connections.ts";

/** Answers a request. @param outgoing the response of Node's server, on a port */
export type Handler = (request: Request, outgoing?: object) => Response | Promise<Response>;

/** How long a caller may take, in milliseconds: for a head, for a whole request, to read an answer, and until its next request. */
const TIMES = { headersTimeout: 5_000, requestTimeout: 10_000, answerTimeout: 60_000, keepAliveTimeout: 60_000 };
/** How often that is checked, in milliseconds. */
const CHECK_MS = 500;

/** Serves a port. @param failed called with the reason when it cannot accept connections for a moment */
export function servePort(listener: Deno.TcpListener, handler: Handler, failed: (why: unknown) => void, times = TIMES) {
  const callers = new Set<Duplex>();
  const options = { ...times, connectionsCheckingInterval: CHECK_MS, joinDuplicateHeaders: true };
  const server = createServer(options, async (incoming, outgoing) => {
    // the rest of the request never comes
    const breakOff = () => incoming.complete || incoming.emit("error", new Error("broken off"));
    const { socket } = incoming.on("error", () => {}).once("close", () => socket.off("end", breakOff));
    socket.on("end", breakOff);
    const answer = await handler(requestOf(incoming), outgoing);
    if (!server.listening) outgoing.shouldKeepAlive = false;
    await send(answer, outgoing, times.answerTimeout);
  });
  Object.defineProperties(server, { httpAllowHalfOpen: { value: true }, listening: { value: true, writable: true } });
  server.emit("listening");
  const take = (connection: Deno.TcpConn | Deno.UnixConn) => {
    const caller = callerOf(connection);
    callers.add(caller.once("close", () => callers.delete(caller)));
    server.emit("connection", caller);
  };
  void acceptFrom(listener, take, failed);
  /** Takes no new connections; resolved once each has ended, after its last answer. */
  const shutdown = async () => {
    if (server.listening) listener.close();
    Object.assign(server, { listening: false }).closeIdleConnections();
    // Node does not count a connection without any request as idle
    for (const caller of callers) if (!caller.readableDidRead) caller.destroy();
    await Promise.all([...callers].map((caller) => new Promise((resolve) => caller.once("close", resolve))));
    server.close();
  };
  return { addr: listener.addr, shutdown };
}

/** A connection, with what Node's server asks of a socket. */
function callerOf(connection: Deno.TcpConn | Deno.UnixConn): Duplex {
  const stream = streamOf(connection).setMaxListeners(0);
  let timer: ReturnType<typeof setTimeout> | undefined;
  stream.once("close", () => clearTimeout(timer));
  return Object.assign(stream, {
    destroySoon: () => stream.end(() => stream.destroy()),
    setTimeout(ms: number) {
      clearTimeout(timer);
      if (ms > 0) timer = setTimeout(() => stream.emit("timeout"), ms);
    },
  });
}

/** The parts of a request that Galo reads. As with Deno's server, the URL is as it came, not normalised. */
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

async function send(answer: Response, outgoing: ServerResponse, timeoutMs: number): Promise<void> {
  const { status, headers, body } = answer;
  outgoing.setHeaders(headers).statusCode = status;
  const isStream = body && headers.get("content-type") === "text/event-stream";
  if (!isStream) {
    const bytes = await answer.bytes();
    // until then what a caller does not read takes memory
    const cutOff = setTimeout(() => outgoing.destroy(), timeoutMs);
    return void finished(outgoing.end(bytes), () => clearTimeout(cutOff));
  }
  // a watcher may leave at any time; one that ends its side has left
  outgoing.socket?.once("end", () => outgoing.destroy());
  await pipeline(Readable.fromWeb(body as unknown as Parameters<typeof Readable.fromWeb>[0]), outgoing).catch(() => {});
}
