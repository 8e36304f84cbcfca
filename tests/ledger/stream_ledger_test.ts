import assert from "node:assert/strict";
import { RecordBuffer } from "../../src/ledger/record.ts";
import type { Receipt } from "../../src/ledger/ledger.ts";
import { CURRENT_MS, StreamLedger } from "../../src/ledger/stream_ledger.ts";
import { Book } from "../../src/payment/book.ts";
import { dispatched, type Fact, released, settled } from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { ScriptedStream } from "./scripted_stream.ts";
import { accepted, idOf } from "./side.ts";
import { PAIR } from "../support/pair.ts";

/** Longer than any pause before the same bytes are published again, and shorter than a barrier may take. */
const AGAIN_MS = 900;

/** A ledger on a stream whose answers the test gives. */
class Scene {
  readonly clock = new VirtualClock();
  readonly stream: ScriptedStream;
  readonly ledger: StreamLedger;
  readonly lost: string[] = [];
  readonly receipts: Receipt[] = [];

  constructor({ position = 1, base = 1, book = new Book() } = {}) {
    this.stream = new ScriptedStream(Math.max(position, base));
    this.ledger = new StreamLedger({
      ...{ stream: this.stream, clock: this.clock, random: () => 0.5, roster: PAIR, nonce: 7, hash: 0 },
      ...{ position, base, book, lost: (why: string) => this.lost.push(why) },
    });
  }

  /** A stream that begins with a barrier, so that no payment's message is the first. */
  static begun(): Scene {
    const scene = new Scene();
    scene.stream.brings(new RecordBuffer(PAIR).write({ kind: "barrier" }, 1).bytes);
    return scene;
  }

  append(fact: Fact): void {
    this.ledger.append(fact).then((receipt) => this.receipts.push(receipt));
  }

  /** The kinds of the receipts so far. */
  async ended(): Promise<string[]> {
    await this.clock.settle();
    return this.receipts.map(({ kind }) => kind);
  }

  /** That of the first receipt. */
  get payment(): Payment | undefined {
    const [receipt] = this.receipts;
    return receipt && "payment" in receipt ? receipt.payment : undefined;
  }

  /** Takes a payment by another replica. @returns the payment */
  taken(n = 1): Payment {
    this.stream.brings(accepted(n, "b"));
    return this.ledger.book.get(idOf(n))!;
  }
}

const bind = (payment: Payment, by: "a" | "b" = "a") => dispatched(payment, by, "default", 5_000, "default-up");

Deno.test("a fact holds when the tail has come to it, not when the engine has acknowledged it", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1));
  const { subject, over, bytes, answer } = scene.stream.last;
  assert.deepEqual([subject, over], [idOf(1), 0]);
  answer({ kind: "stands", position: 2 });
  assert.deepEqual(await scene.ended(), []);
  assert.equal(scene.ledger.book.get(idOf(1)), undefined);
  scene.stream.brings(bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
  assert.equal(scene.payment?.position, 2);
});

Deno.test("the tail alone is enough where the acknowledgement is lost", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1));
  scene.stream.brings(scene.stream.last.bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
  scene.stream.last.answer({ kind: "unknown", why: "timeout" });
  await scene.clock.advance(60_000);
  assert.equal(scene.stream.to(idOf(1)).length, 1);
  assert.deepEqual(await scene.ended(), ["holds"]);
});

Deno.test("what is unknown is published again, the same bytes with the same expectation, until it is known", async () => {
  const scene = Scene.begun();
  const payment = scene.taken();
  scene.append(bind(payment));
  const first = scene.stream.last;
  for (let tries = 1; tries < 5; tries++) {
    scene.stream.to(payment.id).at(-1)!.answer({ kind: "unknown", why: "timeout" });
    await scene.clock.advance(AGAIN_MS);
    const own = scene.stream.to(payment.id);
    assert.equal(own.length, tries + 1);
    assert.deepEqual([own.at(-1)!.over, own.at(-1)!.bytes], [payment.position, first.bytes]);
    assert.deepEqual(await scene.ended(), []);
  }
  scene.stream.brings(first.bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
});

Deno.test("what is overruled by its own earlier publish holds", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1));
  scene.stream.last.answer({ kind: "unknown", why: "timeout" });
  await scene.clock.advance(AGAIN_MS);
  scene.stream.last.answer({ kind: "overruled", position: 2 });
  assert.deepEqual(await scene.ended(), []);
  scene.stream.brings(scene.stream.last.bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
});

Deno.test("what another's fact overrules is void, and the receipt has the payment as that made it", async () => {
  const scene = Scene.begun();
  const payment = scene.taken();
  scene.append(bind(payment));
  scene.stream.last.answer({ kind: "overruled", position: 3 });
  assert.deepEqual(await scene.ended(), []);
  scene.stream.brings(dispatched(payment, "b", "fallback", 4_000, "patience-over"));
  assert.deepEqual(await scene.ended(), ["void"]);
  const [receipt] = scene.receipts;
  assert.deepEqual(receipt?.kind === "void" && [receipt.payment?.processor, receipt.payment?.position], [
    "fallback",
    3,
  ]);
});

Deno.test("an answer of a server that does not know yet what the fact was made from proves nothing", async () => {
  const scene = Scene.begun();
  const payment = scene.taken();
  scene.stream.brings(bind(payment, "b"));
  const bound = scene.ledger.book.get(payment.id)!;
  scene.append(released(bound, "a", 6_000, "failed", false));
  const { bytes } = scene.stream.last;
  for (const position of [payment.position, 0]) {
    const tries = scene.stream.to(payment.id);
    tries.at(-1)!.answer({ kind: "overruled", position });
    await scene.clock.advance(AGAIN_MS);
    assert.deepEqual(scene.stream.to(payment.id).slice(tries.length).map(({ over }) => over), [3]);
    assert.deepEqual(await scene.ended(), []);
  }
  scene.stream.brings(bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
});

Deno.test("a fact that the full stream refuses is not taken, unless an earlier try may stand", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1));
  scene.stream.last.answer({ kind: "full" });
  assert.deepEqual(await scene.ended(), ["not-taken"]);
  scene.append(accepted(2));
  const { bytes } = scene.stream.last;
  for (const published of [{ kind: "unknown", why: "timeout" }, { kind: "full" }] as const) {
    scene.stream.last.answer(published);
    await scene.clock.advance(AGAIN_MS);
  }
  assert.equal(scene.stream.to(idOf(2)).length, 3);
  assert.deepEqual(await scene.ended(), ["not-taken"]);
  scene.stream.brings(bytes);
  assert.deepEqual(await scene.ended(), ["not-taken", "holds"]);
});

Deno.test("an id that was purged is accepted again, behind what its subject has", async () => {
  const scene = Scene.begun();
  const payment = scene.taken();
  scene.stream.brings({ kind: "purged", by: "b", at: 2_000 });
  scene.append(accepted(1, "a", 500));
  scene.stream.last.answer({ kind: "overruled", position: payment.position });
  assert.deepEqual(await scene.ended(), []);
  assert.deepEqual([scene.stream.last.subject, scene.stream.last.over], [payment.id, payment.position]);
  scene.stream.brings(scene.stream.last.bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
  assert.equal(scene.ledger.book.get(payment.id)!.cents, 500);
});

Deno.test("an id that another host took and a purge forgot meanwhile is not accepted once more", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1, "a", 500));
  const { position } = scene.taken();
  scene.stream.brings({ kind: "purged", by: "b", at: 2_000 });
  scene.stream.last.answer({ kind: "overruled", position });
  assert.deepEqual(await scene.ended(), ["void"]);
  assert.equal(scene.payment, undefined);
});

Deno.test("an id that is known is not accepted twice", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1, "a", 500));
  const { position } = scene.taken();
  scene.stream.last.answer({ kind: "overruled", position });
  assert.deepEqual(await scene.ended(), ["void"]);
  assert.equal(scene.payment?.cents, 1990);
});

Deno.test("what is made from before the stream's first message expects none of its subject", async () => {
  const book = new Book();
  const before = { ...Scene.begun().taken(), position: 40 };
  book.load(before);
  const scene = new Scene({ position: 41, base: 100, book });
  assert.equal(scene.stream.tailFrom, 99);
  scene.stream.brings({ kind: "doubted", by: "b", at: 9_000, uptimeMs: 5 });
  const payment = scene.ledger.book.get(before.id)!;
  assert.deepEqual([payment.position, scene.ledger.position], [100, 101]);
  scene.append(bind(payment));
  assert.equal(scene.stream.last.over, 0);
  scene.stream.brings(scene.stream.last.bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
  scene.append(
    settled(book.get(before.id)!, "a", 9_100, { processor: "default", requestedAt: 5_000, cents: 1990 }, "booked"),
  );
  assert.equal(scene.stream.last.over, 101);
});

Deno.test("a purge follows another one, and is recorded once", async () => {
  const scene = Scene.begun();
  const purge: Fact = { kind: "purged", by: "a", at: 2_000 };
  scene.append(purge);
  assert.deepEqual([scene.stream.last.subject, scene.stream.last.over], ["all", 0]);
  const position = scene.stream.brings({ ...purge, by: "b" });
  scene.stream.last.answer({ kind: "overruled", position });
  assert.deepEqual(await scene.ended(), []);
  assert.equal(scene.stream.last.over, position);
  const { bytes } = scene.stream.last;
  scene.stream.last.answer({ kind: "unknown", why: "10164" });
  await scene.clock.advance(AGAIN_MS);
  assert.deepEqual([scene.stream.last.over, scene.stream.last.bytes], [position, bytes]);
  scene.stream.brings(bytes);
  assert.deepEqual(await scene.ended(), ["holds"]);
});

Deno.test("a barrier is past when its message comes, and all who ask before it is sent share it", async () => {
  const scene = Scene.begun();
  const passed: string[] = [];
  const pass = (name: string) => void scene.ledger.barrier().then((passes) => passed.push(`${name} ${passes}`));
  pass("first");
  pass("with it");
  await scene.clock.settle();
  pass("while it is under way");
  const [first] = scene.stream.published;
  assert.deepEqual([scene.stream.published.length, first!.subject, first!.over], [1, "barriers", undefined]);
  first!.answer({ kind: "stands", position: 2 });
  await scene.clock.settle();
  assert.deepEqual(passed, []);
  const { hash } = scene.ledger;
  scene.stream.brings(first!.bytes);
  await scene.clock.settle();
  assert.deepEqual(passed, ["first true", "with it true"]);
  assert.deepEqual([scene.ledger.hash, scene.ledger.position], [hash, 3]);
  assert.equal(scene.stream.published.length, 2);
  scene.stream.brings(scene.stream.last.bytes);
  await scene.clock.settle();
  assert.equal(passed.at(-1), "while it is under way true");
});

Deno.test("a barrier that does not come through in time is false, and the next one is another", async () => {
  const scene = Scene.begun();
  const first = scene.ledger.barrier();
  await scene.clock.advance(1_000);
  assert.equal(await first, false);
  const second = scene.ledger.barrier();
  await scene.clock.settle();
  scene.stream.brings(scene.stream.last.bytes);
  assert.equal(await second, true);
});

Deno.test("a replica that hears nothing for two seconds is not current", async () => {
  const scene = Scene.begun();
  await scene.clock.advance(CURRENT_MS - 1);
  assert.equal(scene.ledger.isCurrent, true);
  await scene.clock.advance(1);
  assert.equal(scene.ledger.isCurrent, false);
  scene.stream.events.heard(1);
  assert.equal(scene.ledger.isCurrent, true);
});

Deno.test("while a payment is bound, a replica whose records do not come through is not current", async () => {
  const scene = Scene.begun();
  scene.stream.brings(bind(scene.taken(), "b"));
  for (let ms = 0; ms < CURRENT_MS; ms += 100) {
    assert.equal(scene.ledger.isCurrent, true);
    await scene.clock.advance(100);
    scene.stream.events.heard(3);
  }
  assert.equal(scene.ledger.isCurrent, false);
  // it has asked for proof by itself
  assert.equal(scene.stream.last.subject, "barriers");
  scene.stream.brings(scene.stream.last.bytes);
  await scene.clock.settle();
  assert.equal(scene.ledger.isCurrent, true);
});

Deno.test("proof is as old as the publish that brings it", async () => {
  const scene = Scene.begun();
  scene.stream.brings(bind(scene.taken(2), "b"));
  scene.append(accepted(1));
  await scene.clock.advance(CURRENT_MS - 200);
  scene.stream.brings(scene.stream.published[0]!.bytes);
  await scene.clock.advance(199);
  scene.stream.events.heard(2);
  assert.equal(scene.ledger.isCurrent, true);
  await scene.clock.advance(1);
  scene.stream.events.heard(2);
  assert.equal(scene.ledger.isCurrent, false);
});

Deno.test("a replica is not current while a record of its own is not through for two seconds", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1));
  await scene.clock.advance(CURRENT_MS);
  scene.stream.events.heard(1);
  assert.equal(scene.ledger.isCurrent, false);
});

Deno.test("a replica whose binding was on its way for two seconds is not current until another record came back", async () => {
  const scene = Scene.begun();
  scene.append(bind(scene.taken(2), "a"));
  const { bytes } = scene.stream.published[0]!;
  for (let ms = 0; ms < CURRENT_MS; ms += 100) {
    await scene.clock.advance(100);
    scene.stream.events.heard(2);
  }
  scene.stream.brings(bytes);
  await scene.clock.settle();
  assert.equal(scene.ledger.isCurrent, false);
  await scene.clock.advance(500);
  scene.stream.brings(scene.stream.last.bytes);
  await scene.clock.settle();
  assert.equal(scene.ledger.isCurrent, true);
});

Deno.test("a stream that does not have what it acknowledged is lost", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1));
  scene.stream.last.answer({ kind: "stands", position: 2 });
  await scene.clock.settle();
  scene.stream.brings(accepted(2, "b"));
  assert.deepEqual(await scene.ended(), []);
  assert.deepEqual(scene.lost, ["what the stream took at 2 is not there"]);
  assert.equal(scene.ledger.isCurrent, false);
});

Deno.test("nothing is read, published or concluded once the stream is lost", async () => {
  const scene = Scene.begun();
  scene.append(accepted(1));
  scene.stream.events.lost("the stream is another one");
  scene.stream.brings(scene.stream.last.bytes);
  scene.stream.last.answer({ kind: "unknown", why: "timeout" });
  await scene.clock.advance(60_000);
  assert.deepEqual([scene.lost, scene.stream.published.length], [["the stream is another one"], 1]);
  assert.deepEqual(await scene.ended(), []);
  assert.equal(scene.ledger.position, 2);
});

Deno.test("messages that leave one out, or that are no record, are a broken invariant", () => {
  const { events } = Scene.begun().stream;
  assert.throws(
    () => events.read(3, new RecordBuffer(PAIR).write(accepted(1), 1).bytes),
    /invariant: the message at 3/,
  );
  assert.throws(() => events.read(2, new Uint8Array(64).fill(1)), /invariant: the message at 2 .* is no record/);
});
