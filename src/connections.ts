/**
 * Connections of Deno in the form that Node's modules expect. Deno accepts them, since a listener of Node's dies once the
 * process has no file descriptor left.
 * @module
 */
import { Duplex } from "node:stream";

/** The most that is read from a connection at once, in bytes. */
export const READ_BYTES = 16 << 10;
/** The pause after no connection could be accepted, in milliseconds. */
const ACCEPT_AGAIN_MS = 200;

/** Accepts connections until the listener is closed. @param failed called with the reason when it has to pause */
export async function acceptFrom(
  listener: Deno.TcpListener | Deno.UnixListener,
  taken: (connection: Deno.TcpConn | Deno.UnixConn) => void,
  failed: (why: unknown) => void,
): Promise<void> {
  const { BadResource, ConnectionAborted, ConnectionReset, Interrupted, NotConnected } = Deno.errors;
  for (;;) {
    try {
      taken(await listener.accept());
    } catch (why) {
      if (why instanceof BadResource || why instanceof Interrupted) return;
      // the caller has left already
      if ([ConnectionAborted, ConnectionReset, NotConnected].some((kind) => why instanceof kind)) continue;
      failed(why);
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_AGAIN_MS));
    }
  }
}

/** A connection as a stream, which goes on after the other side has ended its own. */
export function streamOf(connection: Deno.TcpConn | Deno.UnixConn): Duplex {
  if ("setNoDelay" in connection) connection.setNoDelay();
  const buffer = new Uint8Array(READ_BYTES);
  const write = async (bytes: Uint8Array) => {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
  };
  return new Duplex({
    allowHalfOpen: true,
    read() {
      const got = (size: number | null) => this.push(size === null ? null : buffer.slice(0, size));
      connection.read(buffer).then(got, (error) => this.destroy(error));
    },
    writev: (chunks, done) => void write(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => done(), done),
    final: (done) => void connection.closeWrite().then(() => done(), done),
    destroy(error, done) {
      connection.close();
      done(error);
    },
  });
}
