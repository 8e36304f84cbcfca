/** The HTTP of a stand-in processor: servers, bodies, answers. @module */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** More than this of a body is no payment and no setting, in bytes. */
const BODY_BYTES_MAX = 16 << 10;

/** Connections that are kept open for the next request, in milliseconds. */
const KEEP_ALIVE_MS = 120_000;

/** @throws where the port is taken */
export function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  port: number,
  hostname: string,
): Promise<Server> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, handle);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, () => resolve(server));
  });
}

/** Listens no more and drops every connection. */
export function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Answers, if the caller is still there; resolved once the answer is out or the caller gone. */
export function answer(
  response: ServerResponse,
  status: number,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  const text = body === undefined ? "" : JSON.stringify(body);
  return new Promise((resolve) => {
    response.once("finish", resolve).once("close", resolve).once("error", () => resolve());
    const type: Record<string, string> = text === "" ? {} : { "content-type": "application/json" };
    response.writeHead(status, { ...type, "content-length": Buffer.byteLength(text), ...headers });
    response.end(text);
  });
}

/** The JSON object in a request's body; undefined where there is none. */
export async function read(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    }
    if (bytes > BODY_BYTES_MAX) return undefined;
    const value = JSON.parse(Buffer.concat(chunks).toString());
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
