import assert from "node:assert/strict";
import type { Checkpoint } from "../../src/ledger/ledger.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import { TOLD_MAX } from "../../src/peer/agreement.ts";
import { BACKLOG_BYTES_MAX, Connection, PING_MS, SILENT_MS } from "../../src/peer/connection.ts";
import { encode, type Frame } from "../../src/peer/frame.ts";
import { DIAL_MS_MAX, type LinkEvents, PeerLink, type Progress, type Told } from "../../src/peer/link.ts";
import { GOSSIP_MS } from "../../src/peer/teller.ts";
import type { Channel, Transport } from "../../src/peer/transport.ts";
import type { Status } from "../../src/telemetry/metrics.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Pipe } from "./pipe.ts";

const INCARNATIONS = { a: "00000000-0000-4000-8000-00000000000a", b: "00000000-0000-4000-8000-00000000000b" };
const HELLO: Frame = { type: "hello", replica: "b", incarnation: INCARNATIONS.b };
const STATUS: Status = {
  at: 1_751_328_000_000,
  ...{ posts: 120, failed: 1, medianMs: 1.5, p99Ms: 9.25, queue: 3, inFlightDefault: 2, inFlightFallback: 0 },
  ...{ store: "ready", storeLagMs: 12, memoryBytes: 80_000_000 },
};
const PROGRESS_BYTES = 22;
const CHECKPOINT_BYTES = 62;

class Side {
  readonly link: PeerLink;
  /** what was heard, in its order */
  readonly events: string[] = [];
  readonly told: Told[] = [];
  checkpoints: Checkpoint[] = [];

  constructor(self: ReplicaId, clock: VirtualClock, transport: Transport) {
    const { events, told } = this;
    const listener: LinkEvents = {
      linked: () => events.push("linked"),
      lost: (why) => events.push(`lost: ${why}`),
      progress: ({ position, stored }) => events.push(`progress ${position} ${stored}`),
      checkpoint: ({ since, position, hash, deltas }) => {
        told.push({ since, position, hash, deltas });
        events.push(`checkpoint ${position}`);
      },
      health: (processor, { failing, minResponseMs }) => events.push(`${processor} ${failing} ${minResponseMs}`),
      status: ({ posts }) => events.push(`status ${posts}`),
    };
    const checkpoints = () => this.checkpoints;
    const parts = { self, clock, transport, incarnation: INCARNATIONS[self], random: () => 0.5, checkpoints };
    this.link = new PeerLink(parts, listener);
  }

  at(position: number, stored = 0): void {
    this.link.tell({ position, stored } satisfies Progress);
  }
}

function setUp() {
  const clock = new VirtualClock();
  const pipe = new Pipe(clock);
  const [a, b] = [new Side("a", clock, pipe.listening), new Side("b", clock, pipe.dialling)];
  const link = async () => {
    a.link.start();
    b.link.start();
    await clock.advance(50);
    a.events.length = 0;
    b.events.length = 0;
  };
  return { clock, pipe, a, b, link };
}

/** Checkpoints up to the `last` one: since each one before, a settled one payment of 10 cents at the default. */
function checkpoints(last: number): Checkpoint[] {
  return Array.from({ length: last }, (_, i) => ({
    position: 64 * (i + 1),
    hash: i + 1,
    settled: [i + 1, 10 * (i + 1), 0, 0, 0, 0, 0, 0],
  }));
}

/** Somebody who connects to replica a, and what became of it. */
async function outsider(pipe: Pipe, clock: VirtualClock): Promise<{ channel: Channel; ended: boolean }> {
  const state = { channel: undefined as unknown as Channel, ended: false };
  await pipe.dialling.dial((channel) => {
    state.channel = channel;
    return { received() {}, closed: () => void (state.ended = true) };
  });
  await clock.settle();
  return state;
}

Deno.test("both are linked when each has the other's hello", async () => {
  const { clock, a, b } = setUp();
  a.link.start();
  assert.deepEqual([a.link.linked, a.link.peerIncarnation, a.link.silentMs], [false, undefined, Infinity]);
  b.link.start();
  await clock.settle();
  assert.deepEqual([a.events, b.events], [["linked"], ["linked"]]);
  assert.deepEqual([a.link.linked, b.link.linked], [true, true]);
  assert.deepEqual([a.link.peerIncarnation, b.link.peerIncarnation], [INCARNATIONS.b, INCARNATIONS.a]);
});

Deno.test("facts of one turn share a frame, which goes out at the end of the turn", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  const bytes = pipe.bytes;
  for (const position of [101, 102, 103]) a.at(position, 90);
  assert.equal(pipe.bytes, bytes);
  await clock.settle();
  assert.deepEqual(b.events, ["progress 103 90"]);
  assert.equal(pipe.bytes - bytes, PROGRESS_BYTES);
  assert.equal(b.link.peerPosition, 103);
});

Deno.test("of what changes often only the latest is told, every GOSSIP_MS", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  for (let ms = 0; ms < 3 * GOSSIP_MS; ms++) {
    a.at(100 + ms);
    await clock.advance(1);
  }
  const told = [1, 2, 3].map((times) => `progress ${99 + times * GOSSIP_MS} 0`);
  assert.deepEqual(b.events, ["progress 100 0", ...told]);
});

Deno.test("where the store is known to be is told as well as the position", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  a.at(100, 0);
  await clock.advance(GOSSIP_MS);
  a.at(100, 70);
  await clock.settle();
  assert.deepEqual(b.events, ["progress 100 0", "progress 100 70"]);
});

Deno.test("nothing is told and no timer set when nothing changed", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.at(100);
  await clock.settle();
  const [bytes, timers] = [pipe.bytes, clock.timers];
  a.at(100);
  assert.equal(clock.timers, timers);
  await clock.advance(GOSSIP_MS);
  assert.equal(pipe.bytes, bytes);
  a.at(101);
  assert.equal(clock.timers, timers, "the last frame is old enough");
  await clock.settle();
  a.at(102);
  assert.equal(clock.timers, timers + 1);
  await clock.advance(GOSSIP_MS);
  assert.deepEqual(b.events, ["progress 100 0", "progress 101 0", "progress 102 0"]);
  assert.equal(clock.timers, timers);
  // what has changed back by the time it would be told
  a.at(102, 60);
  a.at(102, 0);
  await clock.advance(GOSSIP_MS);
  assert.equal(b.events.length, 3);
});

Deno.test("a peer that comes later is told where this replica is, once it is linked", async () => {
  const { clock, a, b } = setUp();
  a.link.start();
  a.at(100, 50);
  await clock.advance(1_000);
  b.link.start();
  await clock.settle();
  assert.deepEqual(b.events, ["linked", "progress 100 50"]);
});

Deno.test("checkpoints go out behind the progress, the first without deltas and each one once", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.checkpoints = checkpoints(2);
  const bytes = pipe.bytes;
  a.at(130);
  await clock.advance(GOSSIP_MS);
  assert.equal(pipe.bytes - bytes, PROGRESS_BYTES + 2 * CHECKPOINT_BYTES);
  a.at(140);
  await clock.advance(GOSSIP_MS);
  a.checkpoints = checkpoints(3);
  a.at(200);
  await clock.settle();
  assert.deepEqual(b.events, [
    ...["progress 130 0", "checkpoint 64", "checkpoint 128"],
    "progress 140 0",
    ...["progress 200 0", "checkpoint 192"],
  ]);
  assert.deepEqual(b.told, [
    { since: 0, position: 64, hash: 1, deltas: [0, 0, 0, 0] },
    { since: 64, position: 128, hash: 2, deltas: [1, 10, 0, 0] },
    { since: 128, position: 192, hash: 3, deltas: [1, 10, 0, 0] },
  ]);
});

Deno.test("of many new checkpoints the newest are told, and no delta is missing", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  a.checkpoints = checkpoints(1);
  a.at(64);
  await clock.advance(GOSSIP_MS);
  a.checkpoints = checkpoints(TOLD_MAX + 11);
  a.at(64 * (TOLD_MAX + 11));
  await clock.settle();
  assert.equal(b.told.length, 1 + TOLD_MAX);
  assert.deepEqual(b.told[1], { since: 64, position: 768, hash: 12, deltas: [11, 110, 0, 0] });
});

Deno.test("a new connection is told everything anew", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.checkpoints = checkpoints(2);
  a.at(130);
  await clock.settle();
  assert.equal(b.link.peerPosition, 130);
  pipe.cut();
  assert.equal(b.link.peerPosition, undefined);
  await clock.advance(100);
  assert.deepEqual(b.events.slice(3), [
    ...["lost: the peer closed the connection", "linked"],
    ...["progress 130 0", "checkpoint 64", "checkpoint 128"],
  ]);
  assert.deepEqual(b.told[2], { since: 0, position: 64, hash: 1, deltas: [0, 0, 0, 0] });
});

Deno.test("health and status are heard when there is a link, and are nobody's otherwise", async () => {
  const { clock, a, b, link } = setUp();
  a.link.tellHealth("default", { failing: true, minResponseMs: 0 });
  a.link.tellStatus({ ...STATUS, posts: 1 });
  await link();
  a.link.tellHealth("fallback", { failing: false, minResponseMs: 12.5 });
  a.link.tellStatus(STATUS);
  await clock.settle();
  assert.deepEqual(b.events, ["fallback false 12.5", "status 120"]);
  assert.equal(b.link.peerStatus?.p99Ms, 9.25);
});

Deno.test("a status of another version is ignored and does not cost the link", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  const later = encode({ type: "status", ...STATUS });
  later[6]!++;
  pipe.inject(later);
  await clock.settle();
  assert.deepEqual(a.events, []);
  assert.equal(a.link.peerStatus, undefined);
  assert.equal(a.link.linked, true);
});

Deno.test("a peer that is idle stays linked, and is heard every PING_MS", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  await clock.advance(10 * SILENT_MS);
  assert.equal(pipe.connections, 1);
  assert.ok(a.link.silentMs <= PING_MS);
});

Deno.test("a peer that says nothing is lost within a second", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  pipe.closed = true;
  pipe.silent = true;
  await clock.advance(SILENT_MS - 100);
  assert.equal(a.link.linked, true);
  await clock.advance(1_000 - SILENT_MS + 100);
  assert.deepEqual([a.link.linked, b.link.linked], [false, false]);
  assert.match(a.events[0]!, /^lost: the peer is silent for \d+ ms$/);
  assert.equal(a.link.trouble, a.events[0]!.slice("lost: ".length));
  assert.equal(a.link.silentMs, 1_050, "since the hello, which came 50 ms before");
});

Deno.test("a broken frame, or one of another version, ends the connection with a clear line, and a new one is made", async () => {
  const cases: [Uint8Array, string][] = [
    [Uint8Array.of(0, 0, 0, 2, 9, 0), "frame format version 9, not 3"],
    [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 3, 1), 'frame "progress" of 4294967299 bytes'],
    [Uint8Array.of(0, 0, 0, 2, 3, 77), "frame of unknown type 77"],
    [Uint8Array.of(...encode(HELLO), ...encode({ type: "progress", position: 9, stored: 0 })), "a second hello"],
  ];
  for (const [bytes, why] of cases) {
    const { clock, pipe, a, link } = setUp();
    await link();
    pipe.inject(bytes);
    assert.deepEqual(a.events, [`lost: ${why}`]);
    assert.equal(a.link.trouble, why);
    await clock.advance(1_000);
    assert.equal(a.link.linked, true);
    assert.equal(a.link.trouble, undefined);
    assert.equal(pipe.connections, 2);
  }
});

Deno.test("whoever connects and is not the peer loses its connection and leaves the link as it is", async () => {
  const cases: [Uint8Array, string][] = [
    [Uint8Array.of(0, 0, 0, 2, 9, 0), "frame format version 9, not 3"],
    [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), "frame format version 47, not 3"],
    [encode({ type: "ping" }), "expected a hello first, got ping"],
    [encode({ ...HELLO, replica: "a" }), "expected replica b, got a"],
  ];
  for (const [bytes, why] of cases) {
    const { clock, pipe, a, b, link } = setUp();
    await link();
    const other = await outsider(pipe, clock);
    other.channel.send(bytes);
    await clock.settle();
    assert.equal(other.ended, true, why);
    assert.deepEqual([a.events, b.events], [[], []]);
    assert.equal(a.link.linked, true);
  }
});

Deno.test("half a hello and then silence costs that connection only", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  const other = await outsider(pipe, clock);
  other.channel.send(encode(HELLO).subarray(0, 10));
  await clock.advance(SILENT_MS);
  assert.equal(other.ended, false);
  await clock.advance(2 * PING_MS);
  assert.equal(other.ended, true);
  assert.deepEqual([a.events, b.events], [[], []]);
});

Deno.test("of those whose hello is not in, only the last to come is listened to", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  const first = await outsider(pipe, clock);
  const second = await outsider(pipe, clock);
  assert.deepEqual([first.ended, second.ended], [true, false]);
  assert.equal(a.link.linked, true);
});

Deno.test("a peer that connects anew is linked in place of its old connection", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  const anew = await outsider(pipe, clock);
  const incarnation = "00000000-0000-4000-8000-0000000000bb";
  anew.channel.send(encode({ ...HELLO, incarnation }));
  await clock.settle();
  assert.deepEqual(a.events, ["lost: the peer connected anew", "linked"]);
  assert.equal(a.link.peerIncarnation, incarnation);
});

Deno.test("the peer is dialled again and again, after a pause that doubles up to its limit", async () => {
  const clock = new VirtualClock();
  const dialled: number[] = [];
  const b = new Side("b", clock, {
    listen() {},
    dial() {
      dialled.push(clock.monotonic());
      return Promise.resolve(false);
    },
    close() {},
  });
  b.link.start();
  await clock.advance(2_000);
  const pauses = dialled.slice(1).map((at, index) => at - dialled[index]!);
  assert.deepEqual(pauses, [20, 40, 80, 160, 320, DIAL_MS_MAX, DIAL_MS_MAX]);
});

Deno.test("the pause is short again when the peer was linked in between", async () => {
  const { clock, pipe, a, b } = setUp();
  b.link.start();
  await clock.advance(2_000);
  a.link.start();
  await clock.advance(DIAL_MS_MAX);
  assert.equal(b.link.linked, true);
  pipe.cut();
  await clock.advance(20);
  assert.equal(b.link.linked, true);
});

Deno.test("a link that is stopped tells nobody anything and leaves no timer; the peer loses it", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.at(100);
  b.at(100);
  await clock.settle();
  b.at(101);
  b.link.stop();
  a.link.stop();
  assert.equal(clock.timers, 0);
  b.events.length = 0;
  const { bytes } = pipe;
  a.at(102);
  b.at(102);
  a.link.tellStatus(STATUS);
  await clock.advance(2_000);
  assert.equal(pipe.bytes, bytes);
  assert.deepEqual(b.events, []);
});

Deno.test("a link that is stopped dials nobody, and closes what connects to it or is about to", async () => {
  const { clock, pipe, a, b } = setUp();
  a.link.start();
  const other = await outsider(pipe, clock);
  a.link.stop();
  await clock.settle();
  assert.equal(other.ended, true);
  const late = await outsider(pipe, clock);
  assert.equal(late.ended, true);
  pipe.closed = true;
  b.link.start();
  await clock.settle();
  b.link.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("the peer of a link that is stopped hears that it is lost, and dials until it is back", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.link.stop();
  pipe.closed = true;
  await clock.advance(1_000);
  assert.deepEqual(b.events, ["lost: the peer closed the connection"]);
  const back = new Side("a", clock, pipe.listening);
  back.link.start();
  pipe.closed = false;
  await clock.advance(2 * DIAL_MS_MAX);
  assert.equal(back.link.linked, true);
  assert.equal(b.link.linked, true);
});

Deno.test("the lag is for how long the peer has not read what it was told of", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  a.at(100);
  await clock.advance(300);
  assert.equal(a.link.lagMs, 300);
  a.at(110);
  await clock.advance(GOSSIP_MS);
  assert.equal(a.link.lagMs, 300 + GOSSIP_MS);
  b.at(105);
  await clock.settle();
  assert.equal(a.link.lagMs, GOSSIP_MS, "110 was told so long ago");
  await clock.advance(GOSSIP_MS);
  b.at(110);
  await clock.settle();
  assert.equal(a.link.lagMs, 0);
  assert.equal(b.link.lagMs, 0);
});

Deno.test("what one sent the other received, byte by byte", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.at(100);
  b.link.tellStatus(STATUS);
  await clock.settle();
  assert.equal(a.link.bytesSent, b.link.bytesReceived);
  assert.equal(b.link.bytesSent, a.link.bytesReceived);
  assert.equal(a.link.bytesSent + b.link.bytesSent, pipe.bytes);
});

Deno.test("a connection is given up when the peer does not read what it is sent", () => {
  const clock = new VirtualClock();
  const channel = { backlog: 0, closed: false, send() {}, close: () => void (channel.closed = true) };
  const traffic = { bytesSent: 0, bytesReceived: 0 };
  const parts = { self: "a" as const, incarnation: INCARNATIONS.a, clock, traffic };
  const ended: string[] = [];
  const connection = new Connection(channel, parts, { greeted() {}, frame() {}, ended: (why) => ended.push(why) });
  channel.backlog = BACKLOG_BYTES_MAX;
  connection.send({ type: "ping" });
  assert.deepEqual(ended, []);
  channel.backlog++;
  connection.send({ type: "ping" });
  assert.deepEqual(ended, ["the peer does not read what it is sent"]);
  assert.deepEqual([channel.closed, clock.timers], [true, 0]);
});
