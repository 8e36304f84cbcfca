/** A TCP server that does with each request whatever a test says, and keeps what came in. @module */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export interface Request {
  /** which connection it came on, from 0 */
  readonly connection: number;
  readonly head: string;
  readonly body: string;
}

/** What to do with the n-th request; the connection goes on with the next one after it. */
export type Behaviour = (socket: Socket, number: number, request: Request) => void;

/** A server on a free port. `await using` stops it. */
export class RawServer implements AsyncDisposable {
  /** every request that came in as a whole, over every connection */
  readonly requests: Request[] = [];
  connections = 0;
  #server: Server;
  #sockets = new Set<Socket>();

  private constructor(behaviour: Behaviour, onConnect: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      const connection = this.connections++;
      this.#sockets.add(socket);
      socket.on("error", () => {/* the client is gone */});
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
        const split = text.indexOf("\r\n\r\n");
        const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0);
        if (split === -1 || text.length < split + 4 + length) return;
        const request = { connection, head: text.slice(0, split), body: text.slice(split + 4, split + 4 + length) };
        text = text.slice(split + 4 + length);
        behaviour(socket, this.requests.push(request) - 1, request);
      });
      onConnect(socket);
    });
  }

  static start(behaviour: Behaviour, onConnect: (socket: Socket) => void = () => {}): Promise<RawServer> {
    const server = new RawServer(behaviour, onConnect);
    return new Promise((resolve) => server.#server.listen(0, "127.0.0.1", () => resolve(server)));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }
}

/** A whole answer that keeps the connection. */
export function answer(status: number, body: unknown = {}): string {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
}
