/** The peer over a UNIX socket: replica `a` listens in the folder both share, `b` dials. @module */
import type { Channel, ChannelListener, Transport } from "./transport.ts";

/** What is read at once, in bytes. */
const READ_BYTES = 64 << 10;

/** A {@link Transport} over the socket file `path`, private to the user both replicas run as. */
export class UnixTransport implements Transport {
  #listener: Deno.UnixListener | undefined;
  #closed = false;

  /** @param fail called with what a listener of the channel threw: a broken invariant */
  constructor(private readonly path: string, private readonly fail: (error: unknown) => void) {}

  /** @throws where the socket cannot be made: a folder that is missing, a path that is too long */
  listen(open: (channel: Channel) => ChannelListener): void {
    try {
      // the lock of replica a is held, so what is left here is a dead replica's
      Deno.removeSync(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    this.#listener = Deno.listen({ transport: "unix", path: this.path });
    Deno.chmodSync(this.path, 0o600);
    this.#accept(this.#listener, open);
  }

  async dial(open: (channel: Channel) => ChannelListener): Promise<boolean> {
    let connection: Deno.UnixConn;
    try {
      connection = await Deno.connect({ transport: "unix", path: this.path });
    } catch {
      return false;
    }
    if (this.#closed) connection.close();
    else this.#serve(connection, open);
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#listener?.close();
    this.#listener = undefined;
  }

  async #accept(listener: Deno.UnixListener, open: (channel: Channel) => ChannelListener): Promise<void> {
    try {
      for await (const connection of listener) this.#serve(connection, open);
    } catch (error) {
      if (!this.#closed) this.fail(error);
    }
  }

  async #serve(connection: Deno.UnixConn, open: (channel: Channel) => ChannelListener): Promise<void> {
    const channel = new SocketChannel(connection);
    try {
      const listener = open(channel);
      const buffer = new Uint8Array(READ_BYTES);
      for (;;) {
        const length = await connection.read(buffer).catch(() => null);
        if (channel.closed) return;
        if (length === null) break;
        listener.received(buffer.subarray(0, length));
      }
      channel.close();
      listener.closed();
    } catch (error) {
      this.fail(error);
    }
  }
}

class SocketChannel implements Channel {
  #sent = Promise.resolve();
  backlog = 0;
  closed = false;

  constructor(private readonly connection: Deno.UnixConn) {}

  send(bytes: Uint8Array): void {
    if (this.closed) return;
    this.backlog += bytes.length;
    this.#sent = this.#sent.then(() => this.#write(bytes));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    try {
      this.connection.close();
    } catch {
      // the other side was quicker
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.connection.write(bytes.subarray(sent));
    } catch {
      // the reader of this connection finds it closed, and says so
    }
    this.backlog -= bytes.length;
  }
}
