import assert from "node:assert/strict";
import { Gossip } from "../../src/peer/gossip.ts";
import { JOURNAL_MAX } from "../../src/peer/journal.ts";
import { SILENT_MS } from "../../src/peer/session.ts";
import { Book } from "../../src/payment/book.ts";
import { accepted, type Fact } from "../../src/payment/fact.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Pipe } from "./pipe.ts";

class Side {
  readonly book = new Book();
  readonly events: string[] = [];
  readonly gossip: Gossip;
  heard = 0;

  constructor(self: "a" | "b", clock: VirtualClock, pipe: Pipe, incarnation: string) {
    const transport = self === "a" ? pipe.listening : pipe.dialling;
    const { book, events } = this;
    this.gossip = new Gossip({
      self,
      incarnation,
      clock,
      book,
      transport,
      random: () => 0.5,
      complete: () => true,
      recallMs: () => 0,
    }, {
      fact: (fact) => {
        this.heard++;
        book.fold(fact);
      },
      epoch: (epoch) => {
        book.purge(epoch);
        events.push(`epoch ${epoch}`);
      },
      linked: () => events.push("linked"),
      parted: (why) => events.push(why),
      yielded: () => events.push("yielded"),
      recall: (ms) => events.push(`recall ${ms}`),
      stored: (seq) => events.push(`stored ${seq}`),
      health: ({ processor, failing }) => events.push(`${processor} ${failing}`),
    });
  }

  say(fact: Fact): Promise<boolean> {
    this.book.fold(fact);
    return this.gossip.publish(fact);
  }
}

const A = "00000000-0000-4000-8000-00000000000a";
const B = "00000000-0000-4000-8000-00000000000b";

function setUp() {
  const clock = new VirtualClock();
  const pipe = new Pipe(clock);
  const [a, b] = [new Side("a", clock, pipe, A), new Side("b", clock, pipe, B)];
  const link = async () => {
    a.gossip.start();
    b.gossip.start();
    await clock.advance(50);
  };
  const fact = () => accepted(crypto.randomUUID(), 1990, clock.now(), "a");
  return { clock, pipe, a, b, link, fact };
}

/** Whether a promise is resolved by now, and to what. */
async function outcome(clock: VirtualClock, promise: Promise<boolean>): Promise<boolean | undefined> {
  let value: boolean | undefined;
  promise.then((resolved) => value = resolved);
  await clock.settle();
  return value;
}

Deno.test("facts of one turn are one frame and one acknowledgement, and their publishers share a promise", async () => {
  const { clock, pipe, a, b, link, fact } = setUp();
  await link();
  const before = pipe.bytes;
  const [first, second] = [a.say(fact()), a.say(fact())];
  assert.equal(first, second);
  await clock.advance(1);
  assert.equal(await first, true);
  assert.equal(b.book.pending.size, 2);
  // length, version, type, seq, epoch and two facts of 57 bytes; and length, version, type and seq
  assert.equal(pipe.bytes - before, 6 + 16 + 2 * 57 + 6 + 8);
});

Deno.test("what was known before the link is at both once it is linked", async () => {
  const { a, b, link, fact } = setUp();
  for (let i = 0; i < 1_000; i++) a.book.fold(fact());
  for (let i = 0; i < 500; i++) b.book.fold(fact());
  await link();
  assert.deepEqual([a.events, b.events], [["linked"], ["linked"]]);
  assert.deepEqual([a.book.pending.size, b.book.pending.size], [1_500, 1_500]);
});

Deno.test("a fact is held by nobody while there is no link", async () => {
  const { clock, a, link, fact } = setUp();
  assert.equal(await outcome(clock, a.say(fact())), false);
  await link();
  assert.equal(await outcome(clock, a.say(fact())), true);
});

Deno.test("who waits when the link is lost is told, after what follows from the loss", async () => {
  const { clock, pipe, a, link, fact } = setUp();
  await link();
  pipe.silent = true;
  const order: string[] = [];
  a.say(fact()).then((held) => order.push(`${held} after ${a.events.at(-1)}`));
  await clock.settle();
  assert.deepEqual(order, []);
  pipe.closed = true;
  pipe.cut();
  await clock.settle();
  assert.deepEqual(order, ["false after the peer closed the connection"]);
});

Deno.test("a link that was lost for a moment gets what is missing, not everything", async () => {
  const { clock, pipe, a, b, link, fact } = setUp();
  for (let i = 0; i < 1_000; i++) a.book.fold(fact());
  await link();
  pipe.closed = true;
  pipe.cut();
  for (let i = 0; i < 10; i++) a.say(fact());
  b.heard = 0;
  pipe.closed = false;
  await clock.advance(2_000);
  assert.equal(b.gossip.linked, true);
  assert.equal(b.heard, 10);
  assert.equal(b.book.pending.size, 1_010);
});

Deno.test("a peer that stays away gets the whole book, and costs no more than the journal", async () => {
  const { clock, pipe, a, b, link, fact } = setUp();
  await link();
  pipe.closed = true;
  pipe.cut();
  for (let i = 0; i < JOURNAL_MAX + 1; i++) a.say(fact());
  pipe.closed = false;
  await clock.advance(3_000);
  assert.equal(b.gossip.linked, true);
  assert.equal(b.book.pending.size, JOURNAL_MAX + 1);
});

Deno.test("a peer that says nothing is noticed within a second", async () => {
  const { clock, pipe, a, b, link } = setUp();
  await link();
  pipe.closed = true;
  pipe.silent = true;
  await clock.advance(SILENT_MS - 100);
  assert.equal(a.gossip.linked, true);
  await clock.advance(1_000 - SILENT_MS + 100);
  assert.deepEqual([a.gossip.linked, b.gossip.linked], [false, false]);
  assert.match(a.events.at(-1)!, /^the peer is silent for \d+ ms$/);
});

Deno.test("a broken frame, or one of another version, ends the connection with a clear line, and a new one is made", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  pipe.inject(new Uint8Array([0, 0, 0, 2, 9, 0]));
  assert.equal(a.events.at(-1), "frame format version 9, not 2");
  await clock.advance(1_000);
  assert.equal(a.gossip.linked, true);
  assert.equal(pipe.connections, 2);
});

Deno.test("exchange() is one round trip, after which all that the peer had said is here", async () => {
  const { clock, a, b, link, fact } = setUp();
  await link();
  const said = fact();
  b.say(said);
  const exchanged = a.gossip.exchange(50);
  await clock.advance(1);
  assert.equal(await exchanged, true);
  assert.deepEqual(a.book.get(said.id), said);
});

Deno.test("exchange() is false when the peer does not answer in time, or is not there", async () => {
  const { clock, pipe, a, link } = setUp();
  assert.equal(await a.gossip.exchange(50), false);
  await link();
  pipe.silent = true;
  const exchanged = a.gossip.exchange(50);
  await clock.advance(49);
  assert.equal(await outcome(clock, exchanged), undefined);
  await clock.advance(1);
  assert.equal(await exchanged, false);
});

Deno.test("of two contradicting facts said at once, both are known before either is acknowledged", async () => {
  const { clock, a, b, link } = setUp();
  await link();
  const id = crypto.randomUUID();
  const seen: (number | undefined)[] = [];
  for (const [side, cents] of [[a, 1000], [b, 2000]] as const) {
    side.say(accepted(id, cents, clock.now(), "a")).then(() => seen.push(side.book.get(id)?.cents));
  }
  await clock.advance(1);
  assert.deepEqual(seen, [2000, 2000]);
});

Deno.test("a new epoch at one replica is one at the other before it is acknowledged, and old facts stay away", async () => {
  const { clock, pipe, a, b, link, fact } = setUp();
  await link();
  a.say(fact());
  await clock.advance(1);
  pipe.closed = true;
  pipe.cut();
  b.say(fact());
  a.book.purge(1);
  a.gossip.publishEpoch();
  a.say(fact());
  pipe.closed = false;
  await clock.advance(2_000);
  assert.deepEqual([a.book.epoch, b.book.epoch], [1, 1]);
  assert.deepEqual([a.book.pending.size, b.book.pending.size], [1, 1]);
});

Deno.test("nothing is held by a peer that is connected and not linked yet", async () => {
  const { clock, pipe, a, link } = setUp();
  await link();
  assert.equal(await a.gossip.held(), true);
  pipe.cut();
  pipe.silent = true;
  await clock.advance(SILENT_MS / 2);
  assert.equal(pipe.connections, 2);
  assert.equal(await a.gossip.held(), false);
});
