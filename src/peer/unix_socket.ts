/** The peer over a UNIX socket: replica `a` listens in the folder both share, `b` dials. @module */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Channel, ChannelListener, Transport } from "./transport.ts";

/** A {@link Transport} over the socket file `path`, private to the user both replicas run as. */
export class UnixTransport implements Transport {
  #server: Server | undefined;
  #closed = false;

  /** @param fail called with what a listener of the channel threw: a broken invariant */
  constructor(private readonly path: string, private readonly fail: (error: unknown) => void) {}

  /** @throws if the socket cannot be made: a folder that is missing, a path that is too long */
  listen(open: (channel: Channel) => ChannelListener): void {
    // this process holds the lock of replica a, so a socket here is a dead replica's
    rmSync(this.path, { force: true });
    this.#server = createServer((socket) => this.#serve(socket, open)).on("error", this.fail).listen(this.path);
    Deno.chmodSync(this.path, 0o600);
  }

  async dial(open: (channel: Channel) => ChannelListener): Promise<boolean> {
    const socket = connect(this.path);
    const connected = await once(socket, "connect").then(() => true, () => false);
    if (this.#closed) socket.destroy();
    else if (connected) this.#serve(socket, open);
    return connected;
  }

  close(): void {
    this.#closed = true;
    this.#server?.close();
  }

  #serve(socket: Socket, open: (channel: Channel) => ChannelListener): void {
    let closed = false;
    const handOn = (event: () => void) => {
      try {
        if (!closed) event();
      } catch (error) {
        this.fail(error);
      }
    };
    handOn(() => {
      const listener = open({
        send: (bytes) => void socket.write(bytes),
        get backlog() {
          return socket.writableLength;
        },
        close() {
          closed = true;
          socket.destroy();
        },
      });
      socket.on("data", (bytes: Uint8Array) => handOn(() => listener.received(bytes)));
      // the end of the connection follows an error, and is all that listeners need
      socket.on("error", () => {}).on("close", () => handOn(() => listener.closed()));
    });
  }
}
