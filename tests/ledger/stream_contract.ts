/** What every {@link Stream} has to keep: run against three real NATS servers, and against a model of them. @module */
import assert from "node:assert/strict";
import type { Published, Stream } from "../../src/ledger/stream.ts";
import { until } from "../support/until.ts";

/** Three servers and the hosts that use them, real or not; a test begins a stream of its own. */
export interface StreamEngine extends AsyncDisposable {
  /** Makes a stream, in place of the one that was there; its first message gets the position `first`. */
  begin(first: number): Promise<void>;
  /** The stream that was begun last, over a connection of its own. */
  open(): Promise<Stream>;
  /** Closes every such connection. */
  leave(): Promise<void>;
  /** Publishes other messages until the stream is full. */
  fill(): Promise<void>;
  /** Kills the server that leads the stream. */
  killLeader(): Promise<void>;
  /** Kills the server that hands messages to the one tail that is open. */
  killServing(): Promise<void>;
  /** The server that leads the stream stands still until {@link restore}. */
  stopLeader(): Promise<void>;
  /** Every server is there again, and the stream takes messages. */
  restore(): Promise<void>;
  /** Takes the stream away, and makes no other. */
  remove(): Promise<void>;
  /** Runs `work`, and takes the stream back to what it was before. */
  forget(work: () => Promise<void>): Promise<void>;
  /** Waits until a condition holds. */
  until(is: () => boolean): Promise<void>;
}

/** What a tail was handed. */
class Seen {
  readonly read: { readonly position: number; readonly text: string }[] = [];
  heard = 0;
  lost: string | undefined;

  constructor(stream: Stream, position: number) {
    stream.tail(position, {
      read: (position, bytes) => {
        assert.equal(this.lost, undefined);
        this.read.push({ position, text: new TextDecoder().decode(bytes) });
      },
      heard: (position) => void (this.heard = Math.max(this.heard, position)),
      lost: (why) => {
        assert.equal(this.lost, undefined);
        this.lost = why;
      },
    });
  }

  get positions(): number[] {
    return this.read.map(({ position }) => position);
  }

  get texts(): string[] {
    return this.read.map(({ text }) => text);
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);
const sequence = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

/** Publishes the same bytes until the result is certain. */
async function settle(stream: Stream, subject: string, text: string, over: number | undefined): Promise<Published> {
  let published: Published;
  await until(async () => (published = await stream.publish(subject, bytes(text), over)).kind !== "unknown", 60_000);
  return published!;
}

/** Where `text` stands at a subject in the end; undefined if another message does. */
async function settled(stream: Stream, subject: string, text: string, seen: Seen, engine: StreamEngine) {
  const published = await settle(stream, subject, text, 0);
  assert.ok(published.kind === "stands" || published.kind === "overruled", published.kind);
  const { position } = published;
  await engine.until(() => seen.positions.includes(position));
  return seen.read.find((message) => message.position === position)!.text === text ? position : undefined;
}

type Test = (engine: StreamEngine) => Promise<void>;

const PUBLISHES: Readonly<Record<string, Test>> = {
  async "a message stands at the next position; one that expects an older position is overruled by the newest"(engine) {
    await engine.begin(1_000);
    const stream = await engine.open();
    assert.deepEqual(await stream.publish("x", bytes("1"), 0), { kind: "stands", position: 1_000 });
    assert.deepEqual(await stream.publish("y", bytes("2"), 0), { kind: "stands", position: 1_001 });
    assert.deepEqual(await stream.publish("x", bytes("3"), 1_000), { kind: "stands", position: 1_002 });
    assert.deepEqual(await stream.publish("x", bytes("4"), 1_000), { kind: "overruled", position: 1_002 });
    assert.deepEqual(await stream.publish("x", bytes("4"), 0), { kind: "overruled", position: 1_002 });
    assert.deepEqual(await stream.publish("x", bytes("5"), undefined), { kind: "stands", position: 1_003 });
  },

  async "an expectation that is newer than what a server has proves nothing"(engine) {
    await engine.begin(1);
    const stream = await engine.open();
    await stream.publish("x", bytes("1"), 0);
    assert.equal((await stream.publish("x", bytes("2"), 7)).kind, "unknown");
    assert.equal((await stream.publish("y", bytes("3"), 7)).kind, "unknown");
  },

  async "one of three hosts wins each of 300 races, and the others learn where it stands"(engine) {
    await engine.begin(1);
    const streams = await Promise.all([engine.open(), engine.open(), engine.open()]);
    for (let id = 0; id < 300; id++) {
      const all = await Promise.all(streams.map((stream, host) => settle(stream, `race-${id}`, `${host}`, 0)));
      const winners = all.filter(({ kind }) => kind === "stands");
      assert.equal(winners.length, 1, JSON.stringify(all));
      for (const published of all) {
        assert.deepEqual({ ...published, kind: "stands" }, winners[0]);
        assert.ok(published.kind === "stands" || published.kind === "overruled");
      }
    }
    const seen = new Seen(streams[0]!, 0);
    await engine.until(() => seen.read.length >= 300);
    assert.deepEqual(seen.positions, sequence(1, 300));
  },

  async "what had no answer from a leader that stands still is published again, and stands once"(engine) {
    await engine.begin(1);
    const stream = await engine.open();
    const seen = new Seen(stream, 0);
    await settle(stream, "before", "before", 0);
    await engine.stopLeader();
    assert.equal((await stream.publish("x", bytes("ours"), 0)).kind, "unknown");
    await engine.restore();
    const position = await settled(stream, "x", "ours", seen, engine);
    assert.ok(position);
    const after = await settle(stream, "after", "after", 0);
    await engine.until(() => seen.texts.includes("after"));
    assert.deepEqual(seen.texts, ["before", "ours", "after"]);
    assert.deepEqual(after, { kind: "stands", position: position + 1 });
  },

  async "all that was acknowledged while the leader was killed stands, once, and nothing else of it"(engine) {
    await engine.begin(1);
    const streams = await Promise.all([engine.open(), engine.open(), engine.open()]);
    const seen = new Seen(streams[0]!, 0);
    const stood: (readonly [number, string])[] = [];
    let killed = false;
    const host = async (stream: Stream, name: number) => {
      // some before the leader dies, some while nobody leads, some afterwards
      for (let i = 0; i < 40 || !killed; i++) {
        const text = `${name}-${i}`;
        const position = await settled(stream, text, text, seen, engine);
        assert.ok(position, `${text} is another's`);
        stood.push([position, text]);
      }
    };
    const hosts = Promise.all(streams.map(host));
    await engine.until(() => stood.length >= 20);
    await engine.killLeader();
    killed = true;
    await hosts;
    await engine.restore();
    stood.sort(([one], [other]) => one - other);
    assert.deepEqual(seen.read.map(({ position, text }) => [position, text]), stood);
    assert.deepEqual(seen.positions, sequence(1, stood.length));
  },

  async "a stream at its limit says that it is full, and the message does not stand"(engine) {
    await engine.begin(1);
    const stream = await engine.open();
    await stream.publish("x", bytes("first"), 0);
    await engine.fill();
    assert.deepEqual(await stream.publish("x", bytes("more"), 1), { kind: "full" });
    assert.deepEqual(await stream.publish("x", bytes("more"), undefined), { kind: "full" });
    // a publish with a wrong expectation may learn either
    const { kind } = await stream.publish("x", bytes("other"), 0);
    assert.ok(kind === "overruled" || kind === "full", kind);
    const { last } = (await stream.state())!;
    const seen = new Seen(stream, 0);
    await engine.until(() => seen.heard >= last);
    assert.deepEqual(seen.texts.filter((text) => text === "more"), []);
  },
};

const TAILS: Readonly<Record<string, Test>> = {
  async "a tail is handed every message after its position, then each new one, and is told where the stream ends"(
    engine,
  ) {
    await engine.begin(51);
    const [stream, other] = [await engine.open(), await engine.open()];
    assert.deepEqual({ ...await stream.state(), id: "" }, { id: "", first: 51, last: 50 });
    for (let i = 51; i < 60; i++) await settle(stream, `s-${i}`, `${i}`, 0);
    const [all, some] = [new Seen(stream, 50), new Seen(other, 55)];
    await engine.until(() => all.heard >= 59 && some.heard >= 59);
    for (let i = 60; i < 100; i++) await settle(other, `s-${i}`, `${i}`, 0);
    await engine.until(() => all.heard >= 99 && some.heard >= 99);
    assert.deepEqual(all.texts, sequence(51, 49).map(String));
    assert.deepEqual(all.positions, sequence(51, 49));
    assert.deepEqual(some.positions, sequence(56, 44));
    assert.deepEqual({ ...await other.state(), id: "" }, { id: "", first: 51, last: 99 });
    assert.equal((await stream.state())!.id, (await other.state())!.id);
  },

  async "a tail of a stream with no messages is told so"(engine) {
    await engine.begin(7_000);
    const seen = new Seen(await engine.open(), 6_999);
    await engine.until(() => seen.heard === 6_999);
    assert.deepEqual(seen.read, []);
  },

  async "a tail goes on where it was, without a gap and nothing twice, when its server is killed"(engine) {
    await engine.begin(1);
    const [stream, writer] = [await engine.open(), await engine.open()];
    const seen = new Seen(stream, 0);
    for (let i = 1; i <= 20; i++) await settle(writer, `s-${i}`, `${i}`, 0);
    await engine.until(() => seen.read.length >= 20);
    await engine.killServing();
    for (let i = 21; i <= 40; i++) await settle(writer, `s-${i}`, `${i}`, 0);
    await engine.until(() => seen.heard >= 40);
    await engine.restore();
    assert.deepEqual(seen.positions, sequence(1, 40));
    assert.deepEqual(seen.texts, sequence(1, 40).map(String));
  },

  async "a tail that is closed is handed nothing more"(engine) {
    await engine.begin(1);
    const [stream, other] = [await engine.open(), await engine.open()];
    const [closed, open] = [new Seen(stream, 0), new Seen(other, 0)];
    await settle(other, "x", "1", 0);
    await engine.until(() => closed.heard >= 1 && open.heard >= 1);
    await stream.close();
    await settle(other, "y", "2", 0);
    await engine.until(() => open.heard >= 2);
    assert.deepEqual([closed.texts, closed.lost], [["1"], undefined]);
  },
};

const LOSSES: Readonly<Record<string, Test>> = {
  async "a stream that was begun in place of another is a loss, and nothing for the first comes into it"(engine) {
    await engine.begin(1);
    const old = await engine.open();
    const seen = new Seen(old, 0);
    await settle(old, "x", "1", 0);
    await engine.until(() => seen.heard >= 1);
    const { id } = (await old.state())!;
    await engine.begin(500);
    assert.equal((await old.publish("x", bytes("2"), 1)).kind, "unknown");
    await engine.until(() => seen.lost !== undefined);
    const now = await engine.open();
    assert.equal((await old.publish("y", bytes("3"), undefined)).kind, "unknown");
    assert.deepEqual(await now.publish("z", bytes("4"), 0), { kind: "stands", position: 500 });
    assert.notEqual((await now.state())!.id, id);
    assert.deepEqual(seen.texts, ["1"]);
  },

  async "a stream that is gone is a loss"(engine) {
    await engine.begin(1);
    const stream = await engine.open();
    const seen = new Seen(stream, 0);
    await settle(stream, "x", "1", 0);
    await engine.until(() => seen.heard >= 1);
    await engine.remove();
    await engine.until(() => seen.lost !== undefined);
    assert.equal(await stream.state(), undefined);
  },

  async "a stream that ends before what was read of it is a loss"(engine) {
    await engine.begin(1);
    const stream = await engine.open();
    const seen = new Seen(stream, 0);
    await settle(stream, "x", "1", 0);
    await engine.forget(async () => {
      for (let i = 0; i < 5; i++) await settle(stream, `later-${i}`, "later", 0);
      await engine.until(() => seen.read.length >= 6);
    });
    await engine.until(() => seen.lost !== undefined);
    assert.equal(seen.read.length, 6);
  },

  async "a stream that has another message where one was read is a loss"(engine) {
    await engine.begin(1);
    const [stream, other] = [await engine.open(), await engine.open()];
    const seen = new Seen(stream, 0);
    await settle(stream, "x", "1", 0);
    await engine.forget(async () => {
      await settle(stream, "y", "2", 0);
      await engine.until(() => seen.read.length >= 2);
    });
    await settle(other, "z", "other", 0);
    await engine.until(() => seen.lost !== undefined);
    assert.deepEqual(seen.texts.slice(0, 2), ["1", "2"]);
    assert.equal(seen.texts.includes("other"), false);
  },
};

/** Runs every test of the contract, one after the other, on one engine. */
export function streamContract(
  name: string,
  make: () => Promise<StreamEngine>,
  options: { readonly ignore?: boolean } = {},
): void {
  Deno.test({
    ...options,
    name: `${name} keeps the contract of a stream`,
    async fn(context) {
      await using engine = await make();
      for (const [what, run] of Object.entries({ ...PUBLISHES, ...TAILS, ...LOSSES })) {
        await context.step(what, () => run(engine).finally(() => engine.leave()));
      }
    },
  });
}
