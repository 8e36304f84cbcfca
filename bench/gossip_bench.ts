/**
 * How long a fact takes to be held by the peer, over a real UNIX socket between two processes, beside an echo of the same
 * bytes over such a socket.
 */
import { Gossip } from "../src/peer/gossip.ts";
import { UnixTransport } from "../src/peer/unix_socket.ts";
import { Book } from "../src/payment/book.ts";
import { accepted, type ReplicaId } from "../src/payment/fact.ts";
import { systemClock } from "../src/system_clock.ts";

/** One side; in the child it only holds what it is told. */
function start(self: ReplicaId, path: string): { gossip: Gossip; book: Book } {
  const book = new Book();
  const fail = (error: unknown) => {
    throw error;
  };
  const gossip = new Gossip({
    ...{ self, book, clock: systemClock, random: Math.random, incarnation: crypto.randomUUID() },
    transport: new UnixTransport(path, fail),
    complete: () => true,
    recallMs: () => 0,
  }, {
    fact: (fact) => void book.fold(fact),
    epoch: (epoch) => void book.purge(epoch),
    ...{ linked() {}, parted() {}, yielded() {}, recall() {}, stored() {}, health() {} },
  });
  gossip.start();
  return { gossip, book };
}

const [role, childPath] = Deno.args;
if (role === "child") {
  start("b", childPath!);
  const listener = Deno.listen({ transport: "unix", path: `${childPath}.echo` });
  for await (const connection of listener) connection.readable.pipeTo(connection.writable).catch(() => {});
} else {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/gossip`;
  const { gossip } = start("a", path);
  const args = ["run", "-A", "--quiet", new URL(import.meta.url).pathname, "child", path];
  const child = new Deno.Command(Deno.execPath(), { args }).spawn();
  globalThis.addEventListener("unload", () => {
    child.kill("SIGKILL");
    Deno.removeSync(folder, { recursive: true });
  });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 10));
  while (!gossip.linked) await pause();
  let echo: Deno.UnixConn | undefined;
  while (!echo) {
    echo = await Deno.connect({ transport: "unix", path: `${path}.echo` }).catch(() => pause()) as Deno.UnixConn;
  }
  const connection = echo;
  const fact = () => accepted(crypto.randomUUID(), 1990, Date.now(), "a");

  for (const count of [1, 16, 256]) {
    const bytes = new Uint8Array(22 + 57 * count);
    const answer = new Uint8Array(bytes.length);
    Deno.bench(`held by the peer, ${count} facts of one turn`, { group: `${count}`, baseline: true }, async () => {
      let held = Promise.resolve(true);
      for (let i = 0; i < count; i++) held = gossip.publish(fact());
      if (!await held) throw new Error("the link is lost");
    });
    Deno.bench(`echo of as many bytes`, { group: `${count}` }, async () => {
      await connection.write(bytes);
      for (let got = 0; got < bytes.length;) got += (await connection.read(answer))!;
    });
  }
}
