/** The peer over a UNIX socket: replica `a` listens in the folder both share, `b` dials. @module */
import { rmSync } from "node:fs";
import { acceptFrom, streamOf } from "../connections.ts";
import type { Channel, ChannelListener, Transport } from "./transport.ts";

/** A {@link Transport} over the socket file `path`, private to the user both replicas run as. */
export class UnixTransport implements Transport {
  #listener: Deno.UnixListener | undefined;
  #closed = false;

  /** Connects to nothing yet. @param fail called with what a listener of the channel threw: a broken invariant */
  constructor(private readonly path: string, private readonly fail: (error: unknown) => void) {}

  /** Listens at the path. @throws if the socket cannot be made: a folder that is missing, a path that is too long */
  listen(open: (channel: Channel) => ChannelListener): void {
    // this process holds the lock of replica a, so a socket here is a dead replica's
    rmSync(this.path, { force: true });
    this.#listener = Deno.listen({ transport: "unix", path: this.path });
    Deno.chmodSync(this.path, 0o600);
    // the peer dials again, and readiness says that it is missing
    void acceptFrom(this.#listener, (connection) => this.#serve(connection, open), () => {});
  }

  async dial(open: (channel: Channel) => ChannelListener): Promise<boolean> {
    const connection = await Deno.connect({ transport: "unix", path: this.path }).catch(() => undefined);
    if (this.#closed) connection?.close();
    else if (connection) this.#serve(connection, open);
    return connection !== undefined;
  }

  close(): void {
    this.#closed = true;
    this.#listener?.close();
    this.#listener = undefined;
  }

  #serve(connection: Deno.TcpConn | Deno.UnixConn, open: (channel: Channel) => ChannelListener): void {
    const socket = streamOf(connection, false);
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
