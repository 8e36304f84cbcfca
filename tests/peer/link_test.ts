import assert from "node:assert/strict";
import type { Checkpoint } from "../../src/ledger/ledger.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import { Roster } from "../../src/payment/roster.ts";
import { BACKLOG_BYTES_MAX, PING_MS, SILENT_MS, TELL_MS } from "../../src/peer/connection.ts";
import {
  encode,
  type Frame,
  FRAME_LENGTH_MAX,
  FRAME_VERSION,
  type Progress,
  STATUS_VERSION,
} from "../../src/peer/frame.ts";
import { DIAL_MS_MAX, type LinkEvents, type PeerLink, PeerLinks } from "../../src/peer/link.ts";
import type { Channel, ChannelListener, Transport } from "../../src/peer/transport.ts";
import type { Status } from "../../src/peer/frame.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Pipe } from "./pipe.ts";
import { testTransport } from "./transport_contract.ts";
import { PAIR } from "../support/pair.ts";

const HELLO: Frame = { type: "hello", version: FRAME_VERSION, replica: "b" };
const STATUS: Status = {
  ...{ at: 1_751_328_000_000, ready: true },
  ...{ posts: 120, failed: 1, medianMs: 1.5, p99Ms: 9.25, queue: 3, inFlightDefault: 2, inFlightFallback: 0 },
  ...{ store: "ready", storeLagMs: 12, memoryBytes: 80_000_000 },
};
const LATER_HELLO = bytesOf('{"type":"hello","version":5}\n');
const LATER = 'no frame of version 4: version: Invalid input: expected 4: {"type":"hello","version":5}';

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

class Side {
  readonly links: PeerLinks;
  /** what was heard, in its order */
  readonly events: string[] = [];
  readonly told: Checkpoint[] = [];
  checkpoints: Checkpoint[] = [];
  #progress: Progress = { position: 0, stored: 0 };

  constructor(self: ReplicaId, clock: VirtualClock, transport: Transport, roster = PAIR) {
    const { events, told } = this;
    const listener: LinkEvents = {
      linked: () => events.push("linked"),
      lost: (_, why) => events.push(`lost: ${why}`),
      progress: ({ position, stored }) => events.push(`progress ${position} ${stored}`),
      checkpoint: (_, { position, hash, settled }) => {
        told.push({ position, hash, settled });
        events.push(`checkpoint ${position}`);
      },
      health: (processor, { failing, minResponseMs }) => events.push(`${processor} ${failing} ${minResponseMs}`),
    };
    const [progress, checkpoints] = [() => this.#progress, () => this.checkpoints];
    const parts = { self, roster, clock, transport, random: () => 0.5, progress, checkpoints };
    this.links = new PeerLinks(parts, listener);
  }

  get link(): PeerLink {
    return this.links.all[0]!;
  }

  at(position: number, stored = 0): void {
    this.#progress = { position, stored };
    this.links.tell();
  }
}

function setUp() {
  const clock = new VirtualClock();
  const pipe = new Pipe(clock);
  const [a, b] = [new Side("a", clock, pipe.listening), new Side("b", clock, pipe.dialling)];
  const link = async () => {
    a.links.start();
    b.links.start();
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

/** A stranger that connects to replica a, and what became of that. */
async function outsider(pipe: Pipe, clock: VirtualClock): Promise<{ channel: Channel; ended: boolean }> {
  const state = { channel: undefined as unknown as Channel, ended: false };
  await pipe.dialling.dial("a", (channel) => {
    state.channel = channel;
    return { received() {}, closed: () => void (state.ended = true) };
  });
  await clock.advance(0);
  return state;
}

testTransport("Pipe", () => {
  const pipe = new Pipe(new VirtualClock());
  return Object.assign(pipe.clock.running(), { listening: pipe.listening, dialling: pipe.dialling });
});

Deno.test("both are linked when each has the other's hello", async () => {
  const { clock, a, b } = setUp();
  a.links.start();
  assert.deepEqual([a.link.linked, a.link.silentMs], [false, Infinity]);
  b.links.start();
  await clock.advance(0);
  assert.deepEqual([a.events, b.events], [["linked"], ["linked"]]);
  assert.deepEqual([a.link.linked, b.link.linked], [true, true]);
});

Deno.test("facts of one turn share a frame, which goes out right after the turn", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  const bytes = pipe.bytes;
  for (const position of [101, 102, 103]) a.at(position, 90);
  await clock.settle();
  assert.equal(pipe.bytes, bytes);
  await clock.advance(0);
  assert.deepEqual(b.events, ["progress 103 90"]);
  assert.equal(pipe.bytes - bytes, encode({ type: "progress", position: 103, stored: 90 }).length);
  assert.equal(b.link.position, 103);
});

Deno.test("of several changes only the latest is sent, every TELL_MS", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  for (let ms = 0; ms < 3 * TELL_MS; ms++) {
    a.at(100 + ms);
    await clock.advance(1);
  }
  const told = [1, 2, 3].map((times) => `progress ${99 + times * TELL_MS} 0`);
  assert.deepEqual(b.events, ["progress 100 0", ...told]);
});

Deno.test("the known position of the store is sent with the replica's own", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  a.at(100, 0);
  await clock.advance(TELL_MS);
  a.at(100, 70);
  await clock.advance(0);
  assert.deepEqual(b.events, ["progress 100 0", "progress 100 70"]);
});

Deno.test("nothing is sent when nothing changed, or changed back in time", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  a.at(100);
  await clock.advance(0);
  const { timers } = clock;
  a.at(100);
  await clock.advance(TELL_MS);
  assert.deepEqual(b.events, ["progress 100 0"]);
  a.at(101);
  a.at(101);
  assert.equal(clock.timers, timers + 1);
  await clock.advance(0);
  assert.equal(clock.timers, timers);
  a.at(102);
  await clock.advance(TELL_MS);
  a.at(102, 60);
  a.at(102, 0);
  await clock.advance(TELL_MS);
  assert.deepEqual(b.events, ["progress 100 0", "progress 101 0", "progress 102 0"]);
});

Deno.test("a peer that comes later gets this replica's progress, once it is linked", async () => {
  const { clock, a, b } = setUp();
  a.links.start();
  a.at(100, 50);
  await clock.advance(1_000);
  b.links.start();
  await clock.advance(0);
  assert.deepEqual(b.events, ["linked", "progress 100 50"]);
});

Deno.test("the newest checkpoint goes out behind the progress, once", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  a.checkpoints = checkpoints(2);
  a.at(130);
  await clock.advance(TELL_MS);
  a.at(140);
  await clock.advance(TELL_MS);
  a.checkpoints = checkpoints(3);
  a.at(200);
  await clock.advance(0);
  assert.deepEqual(b.events, [
    ...["progress 130 0", "checkpoint 128"],
    "progress 140 0",
    ...["progress 200 0", "checkpoint 192"],
  ]);
  assert.deepEqual(b.told, a.checkpoints.slice(1));
});

Deno.test("a new connection gets everything again", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.checkpoints = checkpoints(2);
  a.at(130);
  await clock.advance(0);
  assert.equal(b.link.position, 130);
  pipe.cut();
  assert.equal(b.link.position, 0);
  await clock.advance(100);
  assert.deepEqual(b.events.slice(2), [
    ...["lost: the peer closed the connection", "linked"],
    ...["progress 130 0", "checkpoint 128"],
  ]);
});

Deno.test("health and status are heard when there is a link, and dropped otherwise", async () => {
  const { clock, a, b, link } = setUp();
  a.links.tellHealth("default", { failing: true, minResponseMs: 0 });
  a.links.tellStatus({ ...STATUS, posts: 1 });
  await link();
  a.links.tellHealth("fallback", { failing: false, minResponseMs: 12.5 });
  a.links.tellStatus(STATUS);
  await clock.advance(0);
  assert.deepEqual(b.events, ["fallback false 12.5"]);
  assert.deepEqual(b.link.status, { type: "status", version: STATUS_VERSION, ...STATUS });
});

Deno.test("a status of another version is ignored and does not end the link", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  pipe.inject(bytesOf(`${JSON.stringify({ type: "status", version: STATUS_VERSION + 1, posts: "many" })}\n`));
  await clock.advance(0);
  assert.deepEqual(a.events, []);
  assert.equal(a.link.status, undefined);
  assert.equal(a.link.linked, true);
});

/** What replica a sent to b when its status was of version 1, as it came out of the socket. */
const OLDER_PAGE = bytesOf(`{"type":"hello","version":4,"replica":"a"}
{"type":"progress","position":16780711,"stored":0}
{"type":"checkpoint","position":16780672,"hash":1758267095,"settled":[449,893510,0,0,0,0,0,0]}
{"type":"status","version":1,"at":1795726526279,"posts":4306,"failed":0,"medianMs":0.05465099999997847,\
"p99Ms":0.2945169999999848,"queue":3590,"inFlightDefault":16,"inFlightFallback":0,"store":"none","storeLagMs":0,\
"memoryBytes":116264960}
{"type":"progress","position":16781969,"stored":0}
{"type":"checkpoint","position":16781952,"hash":2697600148,"settled":[611,1215890,0,0,0,0,0,0]}
`);

Deno.test("replicas with different page versions replicate: of a recorded stream, all but the status is heard", async () => {
  const { clock, pipe, b } = setUp();
  pipe.listening.listen((channel) => {
    channel.send(OLDER_PAGE);
    return { received() {}, closed: () => b.events.push("closed") };
  });
  b.links.start();
  await clock.advance(0);
  const progress = ["progress 16780711 0", "checkpoint 16780672", "progress 16781969 0", "checkpoint 16781952"];
  assert.deepEqual(b.events, ["linked", ...progress]);
  assert.deepEqual([b.link.linked, b.link.position, b.link.status], [true, 16_781_969, undefined]);
});

Deno.test("a peer that is idle stays linked, and is heard every PING_MS", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  await clock.advance(10 * SILENT_MS);
  assert.equal(pipe.connections, 1);
  assert.ok(a.link.silentMs <= PING_MS);
});

Deno.test("a peer that says nothing for SILENT_MS is lost", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  pipe.closed = true;
  pipe.silent = true;
  const left = SILENT_MS - Math.max(a.link.silentMs, b.link.silentMs);
  await clock.advance(left);
  assert.deepEqual([a.link.linked, b.link.linked], [true, true]);
  await clock.advance(1);
  assert.deepEqual([a.link.linked, b.link.linked], [false, false]);
  assert.deepEqual(a.events, [`lost: the peer is silent for ${SILENT_MS + 1} ms`]);
});

Deno.test("a broken frame, or one of another version, ends the connection with a clear line, and a new one is made", async () => {
  const cases: [Uint8Array, string][] = [
    [LATER_HELLO, LATER],
    [bytesOf("{".padEnd(FRAME_LENGTH_MAX)), "a frame of more than 4096 characters"],
    [bytesOf("7\n"), "no frame of version 4: Invalid input: expected object, received number: 7"],
    [encode(HELLO, { type: "progress", position: 9, stored: 0 }), "a second hello"],
  ];
  for (const [bytes, why] of cases) {
    const { clock, pipe, a, link } = setUp();
    await link();
    pipe.inject(bytes);
    assert.deepEqual(a.events, [`lost: ${why}`]);
    await clock.advance(1_000);
    assert.equal(a.link.linked, true);
    assert.equal(pipe.connections, 2);
  }
});

Deno.test("a stranger that connects loses its connection and leaves the link as it is", async () => {
  const cases: [string, Uint8Array][] = [
    ["of another version", LATER_HELLO],
    ["of another protocol", bytesOf("GET / HTTP/1.1\r\n\r\n")],
    ["no hello", encode({ type: "ping" })],
    ["replica a as well", encode({ ...HELLO, replica: "a" })],
  ];
  for (const [who, bytes] of cases) {
    const { clock, pipe, a, b, link } = setUp();
    await link();
    const other = await outsider(pipe, clock);
    other.channel.send(bytes);
    await clock.advance(0);
    assert.equal(other.ended, true, who);
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

Deno.test("of connections whose hello has not come, only the last one is kept", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  const first = await outsider(pipe, clock);
  const second = await outsider(pipe, clock);
  assert.deepEqual([first.ended, second.ended], [true, false]);
  assert.equal(a.link.linked, true);
});

Deno.test("a peer that connects again is linked in place of its old connection", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  const anew = await outsider(pipe, clock);
  anew.channel.send(encode(HELLO));
  await clock.advance(0);
  assert.deepEqual(a.events, ["lost: the peer connected anew", "linked"]);
  assert.equal(anew.ended, false);
  assert.equal(a.link.linked, true);
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
  b.links.start();
  await clock.advance(1_500);
  const pauses = dialled.slice(1).map((at, index) => at - dialled[index]!);
  assert.deepEqual(pauses, [15, 30, 60, 120, 240, 0.75 * DIAL_MS_MAX, 0.75 * DIAL_MS_MAX]);
});

Deno.test("the pause is short again when the peer was linked in between", async () => {
  const { clock, pipe, a, b } = setUp();
  b.links.start();
  await clock.advance(2_000);
  a.links.start();
  await clock.advance(DIAL_MS_MAX);
  assert.equal(b.link.linked, true);
  pipe.cut();
  await clock.advance(20);
  assert.equal(b.link.linked, true);
});

Deno.test("a stopped link sends nothing and leaves no timer; the peer loses it", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.at(100);
  b.at(100);
  await clock.advance(0);
  b.at(101);
  b.links.stop();
  a.links.stop();
  assert.equal(clock.timers, 0);
  b.events.length = 0;
  const { bytes } = pipe;
  a.at(102);
  b.at(102);
  a.links.tellStatus(STATUS);
  await clock.advance(2_000);
  assert.equal(pipe.bytes, bytes);
  assert.deepEqual(b.events, []);
});

Deno.test("a stopped link does not dial, and closes connections that come in or are about to", async () => {
  const { clock, pipe, a, b } = setUp();
  // a connection may be under way while it stops
  pipe.listening.close = () => {};
  a.links.start();
  const other = await outsider(pipe, clock);
  a.links.stop();
  await clock.advance(0);
  assert.equal(other.ended, true);
  const late = await outsider(pipe, clock);
  assert.equal(late.ended, true);
  pipe.closed = true;
  b.links.start();
  await clock.advance(0);
  b.links.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("the peer of a link that is stopped hears that it is lost, and dials until it is back", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.links.stop();
  pipe.closed = true;
  await clock.advance(1_000);
  assert.deepEqual(b.events, ["lost: the peer closed the connection"]);
  const back = new Side("a", clock, pipe.listening);
  back.links.start();
  pipe.closed = false;
  await clock.advance(2 * DIAL_MS_MAX);
  assert.equal(back.link.linked, true);
  assert.equal(b.link.linked, true);
});

Deno.test("the lag is how long the peer has not read what it was sent", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  a.at(100);
  await clock.advance(300);
  assert.equal(a.link.lagMs, 300);
  a.at(110);
  await clock.advance(TELL_MS);
  assert.equal(a.link.lagMs, 300 + TELL_MS);
  b.at(105);
  await clock.advance(0);
  assert.equal(a.link.lagMs, TELL_MS, "110 was sent so long ago");
  await clock.advance(TELL_MS);
  b.at(110);
  await clock.advance(0);
  assert.equal(a.link.lagMs, 0);
  assert.equal(b.link.lagMs, 0);
});

Deno.test("what one sent the other received, byte by byte", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  a.at(100);
  b.links.tellStatus(STATUS);
  await clock.advance(0);
  assert.equal(a.links.bytesSent, b.links.bytesReceived);
  assert.equal(b.links.bytesSent, a.links.bytesReceived);
  assert.equal(a.links.bytesSent + b.links.bytesSent, pipe.bytes);
});

Deno.test("a connection is given up when the peer does not read what it is sent", () => {
  const clock = new VirtualClock();
  const channel = { backlog: 0, closed: false, send() {}, close: () => void (channel.closed = true) };
  let peer: ChannelListener | undefined;
  const a = new Side("a", clock, {
    listen: (open) => void (peer = open(channel)),
    dial: () => Promise.resolve(false),
    close() {},
  });
  a.links.start();
  peer!.received(encode(HELLO));
  channel.backlog = BACKLOG_BYTES_MAX;
  a.links.tellStatus(STATUS);
  assert.deepEqual(a.events, ["linked"]);
  channel.backlog++;
  a.links.tellStatus(STATUS);
  assert.deepEqual(a.events, ["linked", "lost: the peer does not read what it is sent"]);
  assert.deepEqual([channel.closed, clock.timers], [true, 0]);
});

/** Transports in memory for any number of replicas, each of which may listen. */
class Switch {
  readonly dialled: string[] = [];
  readonly #listening = new Map<ReplicaId, Pipe>();

  constructor(private readonly clock: VirtualClock) {}

  of(self: ReplicaId): Transport {
    const pipe = new Pipe(this.clock);
    return {
      listen: (open) => {
        this.#listening.set(self, pipe);
        pipe.listening.listen(open);
      },
      dial: (peer, open) => {
        this.dialled.push(`${self}-${peer}`);
        return this.#listening.get(peer)?.dialling.dial(peer, open) ?? Promise.resolve(false);
      },
      close() {},
    };
  }
}

Deno.test("each pair of three replicas has a link, which the later one dials, and all tell each other", async () => {
  const clock = new VirtualClock();
  const way = new Switch(clock);
  const roster = new Roster(["a", "b", "third"]);
  const sides = roster.names.map((self) => new Side(self, clock, way.of(self), roster));
  for (const { links } of sides) links.start();
  await clock.advance(50);
  assert.deepEqual(way.dialled, ["b-a", "third-a", "third-b"]);
  const linked = sides.map(({ links }) => links.all.map(({ peer, linked }) => `${peer} ${linked}`));
  assert.deepEqual(linked, [["b true", "third true"], ["a true", "third true"], ["a true", "b true"]]);
  sides[1]!.at(7, 3);
  await clock.advance(TELL_MS);
  for (const side of [sides[0]!, sides[2]!]) assert.equal(side.events.at(-1), "progress 7 3");
  assert.deepEqual(sides[0]!.links.all.map(({ peer, position }) => [peer, position]), [["b", 7], ["third", 0]]);
  sides[1]!.links.stop();
  await clock.advance(0);
  assert.deepEqual(sides[0]!.links.all.map(({ linked }) => linked), [false, true]);
  assert.deepEqual(sides[0]!.events.at(-1), "lost: the peer closed the connection");
});

Deno.test("a stranger's hello with a name that does not dial here is refused, and says which ones do", async () => {
  const clock = new VirtualClock();
  const pipe = new Pipe(clock);
  const side = new Side("b", clock, pipe.listening, new Roster(["a", "b", "third"]));
  side.links.start();
  for (const replica of ["a", "b", "fourth"]) {
    const other = await outsider(pipe, clock);
    other.channel.send(encode({ ...HELLO, replica }));
    await clock.advance(0);
    assert.equal(other.ended, true, replica);
  }
  const third = await outsider(pipe, clock);
  third.channel.send(encode({ ...HELLO, replica: "third" }));
  await clock.advance(0);
  assert.deepEqual([third.ended, side.events], [false, ["linked"]]);
});
