import assert from "node:assert/strict";
import type { ReplicaId } from "../../src/payment/fact.ts";
import { encode, FRAME_LENGTH_MAX, FRAME_VERSION } from "../../src/peer/frame.ts";
import { type LinkEvents, PeerLinks } from "../../src/peer/link.ts";
import { UnixTransport } from "../../src/peer/unix_socket.ts";
import { systemClock } from "../../src/system_clock.ts";
import { needs } from "../support/permissions.ts";
import { testTransport } from "./transport_contract.ts";
import { PAIR } from "../support/pair.ts";

const real = needs("net", "read", "write");

/** A folder of its own for every test, and what failed there. */
class Place {
  readonly folder = Deno.makeTempDirSync({ prefix: "galo-peer-" });
  readonly path = `${this.folder}/peer-a.sock`;
  readonly failed: unknown[] = [];
  readonly #transports: UnixTransport[] = [];

  transport(self: ReplicaId, folder = this.folder): UnixTransport {
    const transport = new UnixTransport(folder, self, (error) => this.failed.push(error));
    this.#transports.push(transport);
    return transport;
  }

  [Symbol.dispose](): void {
    for (const transport of this.#transports) transport.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A replica's link, and promises for what it is waited for. */
class Side {
  readonly linked = Promise.withResolvers<void>();
  readonly position = Promise.withResolvers<number>();
  readonly lost: string[] = [];
  progress = { position: 0, stored: 0 };
  readonly links: PeerLinks;

  constructor(self: "a" | "b", place: Place) {
    const events: LinkEvents = {
      linked: () => this.linked.resolve(),
      lost: (_, why) => this.lost.push(why),
      progress: ({ position }) => this.position.resolve(position),
      ...{ checkpoint() {}, health() {} },
    };
    const parts = { self, roster: PAIR, clock: systemClock, random: Math.random, checkpoints: () => [] };
    this.links = new PeerLinks({ ...parts, progress: () => this.progress, transport: place.transport(self) }, events);
  }
}

testTransport("UnixTransport", () => {
  const place = new Place();
  return {
    ...{ listening: place.transport("a"), dialling: place.transport("b") },
    [Symbol.asyncDispose]: () => Promise.resolve(place[Symbol.dispose]()),
  };
}, real);

Deno.test("dial() fails when the socket is a dead replica's", real, async () => {
  using place = new Place();
  const open = () => assert.fail("nobody is there");
  Deno.listen({ transport: "unix", path: place.path }).close();
  assert.equal(await place.transport("b").dial("a", open), false);
});

Deno.test("listen() makes a socket for its user alone, also where a dead replica has left one", real, () => {
  using place = new Place();
  Deno.writeTextFileSync(place.path, "left");
  place.transport("a").listen(() => assert.fail("nobody comes"));
  const { isSocket, mode } = Deno.statSync(place.path);
  assert.equal(isSocket, true);
  assert.equal(mode! & 0o777, 0o600);
});

Deno.test("listen() throws when the socket cannot be made", real, () => {
  using place = new Place();
  const listen = (folder: string) => place.transport("a", folder).listen(() => assert.fail("nobody comes"));
  assert.throws(() => listen(`${place.folder}/missing`));
  assert.throws(() => listen(`${place.folder}/${"x".repeat(200)}`));
});

Deno.test("an error of a connection's listener is passed on: a broken invariant", real, async () => {
  using place = new Place();
  const broken = new Error("invariant: broken");
  const failed = Promise.withResolvers<unknown>();
  const transport = new UnixTransport(place.folder, "a", failed.resolve);
  transport.listen((channel) => ({
    received() {
      channel.close();
      throw broken;
    },
    closed() {},
  }));
  const connection = await Deno.connect({ transport: "unix", path: place.path });
  await connection.write(Uint8Array.of(1));
  assert.equal(await failed.promise, broken);
  connection.close();
  transport.close();
});

Deno.test(
  "two links over a socket hear each other, and a stranger's nonsense ends only its own connection",
  real,
  async () => {
    using place = new Place();
    const [a, b] = [new Side("a", place), new Side("b", place)];
    a.links.start();
    b.links.start();
    await Promise.all([a.linked.promise, b.linked.promise]);
    const hello = encode({ type: "hello", version: FRAME_VERSION, replica: "b" });
    const text = (text: string) => new TextEncoder().encode(text);
    const nonsense: [what: string, bytes: Uint8Array][] = [
      ["garbage", crypto.getRandomValues(new Uint8Array(4_096)).fill(0xff, 0, 6)],
      ["a frame that is too long", text("x".repeat(FRAME_LENGTH_MAX))],
      ["a peer of another version", text(`{"type":"hello","version":${FRAME_VERSION + 1}}\n`)],
      ["half a frame and then silence", hello.subarray(0, 12)],
    ];
    for (const [what, bytes] of nonsense) {
      const stranger = await Deno.connect({ transport: "unix", path: place.path });
      await stranger.write(bytes);
      // what there is to read is a hello and pings, then the end: reset where not all was read
      const read = () => stranger.read(new Uint8Array(1_024)).catch(() => null);
      while (await read() !== null);
      stranger.close();
      assert.deepEqual([a, b].map(({ links }) => links.all[0]!.linked), [true, true], what);
    }
    a.progress = { position: 77, stored: 5 };
    a.links.tell();
    assert.equal(await b.position.promise, 77);
    b.links.stop();
    a.links.stop();
    assert.deepEqual([a.lost, b.lost, place.failed], [[], [], []]);
  },
);
