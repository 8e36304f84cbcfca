/** The peers over UNIX sockets in the folder that all share: one of each replica that listens. @module */
import { rmSync } from "node:fs";
import { acceptFrom, READ_BYTES } from "../connections.ts";
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

  #serve(connection: Deno.Conn, open: (channel: Channel) => ChannelListener): void {
    const channel = new UnixChannel(connection, this.fail);
    channel.handOn(() => void channel.read(open(channel)));
  }
}

/** A connection; plain reads and writes cost an idle replica less than a stream of Node does. */
class UnixChannel implements Channel {
  backlog = 0;
  #closed = false;
  #unsent: Uint8Array[] = [];

  constructor(private readonly connection: Deno.Conn, private readonly fail: (error: unknown) => void) {}

  send(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.backlog += bytes.length;
    if (this.#unsent.push(bytes) === 1) void this.#write();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.close();
  }

  /** Calls a listener, unless the connection is closed, and reports what it throws. */
  handOn(event: () => void): void {
    try {
      if (!this.#closed) event();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Hands over what comes until the connection ends, whichever side ends it. */
  async read(listener: ChannelListener): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    for (let size: number | null = 0; size !== null;) {
      size = await this.connection.read(buffer).catch(() => null);
      if (size) this.handOn(() => listener.received(buffer.subarray(0, size!)));
    }
    this.handOn(() => listener.closed());
    this.close();
  }

  /** Sends what waits; a connection that takes nothing any more ends at the reader. */
  async #write(): Promise<void> {
    while (this.#unsent.length > 0 && !this.#closed) {
      const taken = await this.connection.write(this.#unsent[0]!).catch(() => undefined);
      if (taken === undefined) return;
      this.backlog -= taken;
      const rest = this.#unsent[0]!.subarray(taken);
      if (rest.length > 0) this.#unsent[0] = rest;
      else this.#unsent.shift();
    }
  }
}
