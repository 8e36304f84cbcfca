/**
 * A round trip to another process over a UNIX socket, through the transport that the replicas use: what waiting for the
 * peer would cost.
 * @module
 */
import { UnixTransport } from "../src/peer/unix_socket.ts";
import type { Channel } from "../src/peer/transport.ts";

function fail(error: unknown): never {
  throw error;
}

/**
 * Starts a process that sends back what it is sent; it ends with this one.
 *
 * @returns sends bytes and resolves once as many are back; one call at a time
 */
export async function startRoundTrips(): Promise<(bytes: Uint8Array) => Promise<void>> {
  const folder = await Deno.makeTempDir({ prefix: "galo-bench-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  const { promise: connected, resolve: connect } = Promise.withResolvers<Channel>();
  let missing = 0;
  let back = () => {};
  new UnixTransport(folder, "a", fail).listen((channel) => {
    connect(channel);
    return {
      received(bytes) {
        missing -= bytes.length;
        if (missing === 0) back();
      },
      closed: () => fail(new Error("the other process has ended")),
    };
  });
  const args = ["run", "-A", "--quiet", import.meta.filename!, folder];
  const child = new Deno.Command(Deno.execPath(), { args }).spawn();
  child.unref();
  const channel = await connected;
  return (bytes) => {
    missing = bytes.length;
    const { promise, resolve } = Promise.withResolvers<void>();
    back = resolve;
    channel.send(bytes);
    return promise;
  };
}

if (import.meta.main) {
  await new UnixTransport(Deno.args[0]!, "b", fail).dial("a", (channel) => ({
    // what was received may be overwritten before it is sent
    received: (bytes) => channel.send(bytes.slice()),
    closed: () => Deno.exit(),
  }));
}
