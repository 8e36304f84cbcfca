/** The contract of every {@link Transport}, whatever carries the bytes. @module */
import assert from "node:assert/strict";
import type { Channel, ChannelListener, Transport } from "../../src/peer/transport.ts";

/** The transports of two replicas; bytes arrive by themselves. */
export interface Way extends AsyncDisposable {
  /** replica a's, which listens */
  readonly listening: Transport;
  /** replica b's, which dials */
  readonly dialling: Transport;
}

/** The two ends of a connection. */
export interface Ends {
  readonly listening: Channel;
  readonly dialling: Channel;
}

const NOTHING: ChannelListener = { received() {}, closed() {} };

/** Connects, and records what each end hears. */
export async function connect(
  way: Way,
  heard: { readonly listening?: Partial<ChannelListener>; readonly dialling?: Partial<ChannelListener> } = {},
): Promise<Ends> {
  const [there, here] = [Promise.withResolvers<Channel>(), Promise.withResolvers<Channel>()];
  way.listening.listen((channel) => {
    there.resolve(channel);
    return { ...NOTHING, ...heard.listening };
  });
  const connected = await way.dialling.dial("a", (channel) => {
    here.resolve(channel);
    return { ...NOTHING, ...heard.dialling };
  });
  assert.equal(connected, true);
  return { listening: await there.promise, dialling: await here.promise };
}

/** Takes bytes until so many have come. */
function taking(count: number): ChannelListener & { readonly all: Promise<number[]> } {
  const { promise, resolve } = Promise.withResolvers<number[]>();
  const got: number[] = [];
  return {
    ...NOTHING,
    all: promise,
    received(bytes) {
      for (const byte of bytes) got.push(byte);
      if (got.length >= count) resolve(got);
    },
  };
}

const TESTS: Readonly<Record<string, (way: Way) => Promise<void>>> = {
  async "dial() fails where nothing listens, or no longer does"(way) {
    const open = () => assert.fail("nobody is there");
    assert.equal(await way.dialling.dial("a", open), false);
    way.listening.listen(open);
    way.listening.close();
    assert.equal(await way.dialling.dial("a", open), false);
  },

  async "bytes arrive in order and complete, both ways, when they are more than are taken at once"(way) {
    const [bytes, times] = [crypto.getRandomValues(new Uint8Array(60_000)), 20];
    const sent = Array.from({ length: times }, () => [...bytes]).flat();
    const heard = { listening: taking(sent.length), dialling: taking(sent.length) };
    const ends = await connect(way, heard);
    for (let i = 0; i < times; i++) for (const end of Object.values(ends)) end.send(bytes);
    const got = [await heard.listening.all, await heard.dialling.all];
    assert.ok(got.every((all) => all.length === sent.length && all.every((byte, i) => byte === sent[i])));
    ends.dialling.close();
  },

  async "what is sent is a backlog until the other side has taken it"(way) {
    const heard = taking(5_000_000);
    const { dialling, listening } = await connect(way, { listening: heard });
    assert.equal(dialling.backlog, 0);
    for (let i = 0; i < 5; i++) dialling.send(new Uint8Array(1_000_000));
    // a kernel takes some at once
    assert.ok(dialling.backlog > 2_500_000, `${dialling.backlog} bytes`);
    await heard.all;
    // a write may be done a moment after what it wrote is read
    while (dialling.backlog > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    listening.close();
  },

  async "the side that closes a connection gets no event, the other gets one, and both may be closed again"(way) {
    const told: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const { listening, dialling } = await connect(way, {
      listening: { closed: () => told.push("listening") },
      dialling: {
        closed() {
          told.push("dialling");
          resolve();
        },
      },
    });
    listening.close();
    listening.close();
    await promise;
    dialling.send(Uint8Array.of(1));
    dialling.close();
    assert.deepEqual(told, ["dialling"]);
  },

  async "a connection after another is its own"(way) {
    const first = await connect(way);
    first.dialling.close();
    const heard = taking(3);
    const second = await connect(way, { listening: heard });
    first.dialling.send(Uint8Array.of(9));
    second.dialling.send(Uint8Array.of(1, 2, 3));
    assert.deepEqual(await heard.all, [1, 2, 3]);
    second.dialling.close();
  },
};

/** Runs every test of the contract on transports from `make`. */
export function testTransport(name: string, make: () => Way, options = { ignore: false }): void {
  for (const [says, test] of Object.entries(TESTS)) {
    Deno.test(`${name}: ${says}`, options, async () => {
      await using way = make();
      await test(way);
    });
  }
}
