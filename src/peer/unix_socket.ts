/** The peers over UNIX sockets in the folder that all share: one of each replica that listens. @module */
import { rmSync } from "node:fs";
import { acceptFrom, streamOf } from "../connections.ts";
import { peerSocket } from "../file_system.ts";
import type { ReplicaId } from "../payment/fact.ts";
import type { Channel, ChannelListener, Transport } from "./transport.ts";

/** A {@link Transport} over socket files in `folder`, private to the user that all replicas run as. */
export class UnixTransport implements Transport {
  #listener: Deno.UnixListener | undefined;
  #closed = false;

  /**
   * Listens and dials nowhere yet.
   *
   * @param folder the data folder
   * @param self this replica
   * @param fail called with what a listener of the channel threw: a broken invariant
   */
  constructor(
    private readonly folder: string,
    private readonly self: ReplicaId,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** Listens at the path. @throws if the socket cannot be made: a folder that is missing, a path that is too long */
  listen(open: (channel: Channel) => ChannelListener): void {
    const path = peerSocket(this.folder, this.self);
    // this process holds the lock of its name, so a socket here is a dead one's
    rmSync(path, { force: true });
    this.#listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o600);
    // peers dial again, and readiness says that they are missing
    void acceptFrom(this.#listener, (connection) => this.#serve(connection, open), () => {});
  }

  async dial(peer: ReplicaId, open: (channel: Channel) => ChannelListener): Promise<boolean> {
    const path = peerSocket(this.folder, peer);
    const connection = await Deno.connect({ transport: "unix", path }).catch(() => undefined);
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
