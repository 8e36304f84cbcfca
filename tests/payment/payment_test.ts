/** The table of facts, rule by rule: what each makes of a payment, and where it is void. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Accepted, dispatched, type FollowUp, type Processor, released, settled } from "../../src/payment/fact.ts";
import { accept, doubt, follow, mayBeBooked, move, type Payment } from "../../src/payment/payment.ts";
import { anyFollowUp } from "./arbitrary.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const ACCEPTED: Accepted = { kind: "accepted", by: "a", id: ID, cents: 1990, at: 1_000, doubt: false };
const BOOKING = { processor: "default", requestedAt: 1_005, cents: 1990 } as const;

/** What a step that holds makes. */
function after(payment: Payment, step: FollowUp, position: number): Payment {
  const next = follow(payment, step, position);
  assert.ok(next, `${step.kind} after ${payment.stage} holds`);
  return next;
}

const TAKEN = accept(ACCEPTED, 10, null);
const bind = (payment: Payment, position: number, processor: Processor = "default", at = 1_005) =>
  after(payment, dispatched(payment, "a", processor, at, "default-up"), position);
const free = (payment: Payment, position: number, ask: boolean) =>
  after(payment, released(payment, "a", 1_010, "failed", ask), position);
const BOUND = bind(TAKEN, 11);
const FREE = free(BOUND, 12, false);
const DONE = after(BOUND, settled(BOUND, "a", 1_020, BOOKING, "booked"), 12);

Deno.test("an accepted payment is its replica's, bound nowhere, and stands at its position", () => {
  assert.deepEqual(TAKEN, {
    ...{ id: ID, cents: 1990, acceptedAt: 1_000, owner: "a", stage: "accepted", attempt: 0 },
    ...{ processor: null, requestedAt: 0, reason: "accepted", position: 10, askFirst: null, doubtedUptimeMs: null },
  });
});

Deno.test("an accepted payment is in doubt where its writer says so, since the log last may have lost facts", () => {
  assert.equal(accept({ ...ACCEPTED, doubt: true }, 10, 500).doubtedUptimeMs, 500);
  assert.equal(accept({ ...ACCEPTED, doubt: false }, 10, 500).doubtedUptimeMs, null);
  assert.equal(accept({ ...ACCEPTED, doubt: true }, 10, null).doubtedUptimeMs, 0);
});

Deno.test("dispatched binds an accepted payment, and a released one as its next attempt", () => {
  const bound = { ...TAKEN, stage: "dispatched", attempt: 1, processor: "default", requestedAt: 1_005 };
  assert.deepEqual(BOUND, { ...bound, reason: "default-up", position: 11 });
  const again = { ...bound, attempt: 2, processor: "fallback", requestedAt: 1_030 };
  assert.deepEqual(bind(FREE, 13, "fallback", 1_030), { ...again, reason: "default-up", position: 13 });
});

Deno.test("a payment is the replica's that bound it last", () => {
  const fact = { kind: "dispatched", by: "b", id: ID, over: 10, processor: "default", at: 7, reason: "probe" } as const;
  assert.equal(follow(TAKEN, fact, 11)!.owner, "b");
});

Deno.test("the same attempt goes on with another process or another reason, and no other attempt does", () => {
  const fact = dispatched({ ...BOUND, doubtedUptimeMs: 5 }, "b", "default", BOUND.requestedAt, "already-booked");
  const doubted = { ...BOUND, doubtedUptimeMs: 5 };
  assert.deepEqual(follow(doubted, fact, 20), { ...doubted, owner: "b", reason: "already-booked", position: 20 });
  for (
    const other of [{ ...fact, processor: "fallback" as const }, { ...fact, at: fact.at + 1 }]
  ) {
    assert.equal(follow(BOUND, other, 20), undefined);
  }
});

Deno.test("released frees a bound payment, and says where it was bound", () => {
  assert.deepEqual(FREE, { ...BOUND, stage: "released", reason: "failed", position: 12 });
});

Deno.test("settled ends a payment in any stage, as it is booked", () => {
  for (const payment of [TAKEN, BOUND, FREE]) {
    const booking = { processor: "fallback", requestedAt: 77, cents: 1_989 } as const;
    const step = settled(payment, "b", 1_020, booking, "found-booked");
    const end = {
      stage: "settled",
      ...booking,
      reason: "found-booked",
      position: 0,
      askFirst: null,
      doubtedUptimeMs: null,
    };
    assert.deepEqual(follow(payment, step, 20), { ...payment, ...end });
  }
});

Deno.test("a step is void where it was not made from the payment's newest fact", () => {
  const steps = (payment: Payment) => [
    dispatched(payment, "a", "default", 1, "probe"),
    released(payment, "a", 1, "failed", false),
    settled(payment, "a", 1, BOOKING, "booked"),
  ];
  for (const payment of [TAKEN, BOUND, FREE]) {
    for (const over of [0, payment.position - 1, payment.position + 1]) {
      for (const step of steps({ ...payment, position: over })) {
        assert.equal(follow(payment, step, 30), undefined, `${step.kind} over ${over} after ${payment.stage}`);
      }
    }
  }
});

Deno.test("a step is void after a stage that it must not follow, even if made from the newest fact", () => {
  const bind = dispatched(BOUND, "b", "fallback", 1, "patience-over");
  assert.equal(follow(BOUND, bind, 30), undefined, "dispatched after dispatched");
  for (const payment of [TAKEN, FREE]) {
    assert.equal(follow(payment, released(payment, "a", 1, "failed", false), 30), undefined, payment.stage);
  }
});

Deno.test("nothing follows settled", () => {
  fc.assert(fc.property(anyFollowUp, (step) => {
    assert.equal(follow(DONE, { ...step, over: DONE.position }, 30), undefined);
  }));
});

Deno.test("a processor that refused as far as it knew is remembered until the payment is bound to the other one", () => {
  const refused = free(BOUND, 12, true);
  assert.equal(refused.askFirst, "default");
  assert.equal(bind(refused, 13, "default").askFirst, "default");
  assert.equal(bind(refused, 13, "fallback").askFirst, null);
});

Deno.test("a refusal that is certain leaves an earlier one that was not", () => {
  const refused = free(BOUND, 12, true);
  assert.equal(free(bind(refused, 13, "default"), 14, false).askFirst, "default");
  assert.equal(free(bind(refused, 13, "fallback"), 14, true).askFirst, "fallback");
});

Deno.test("moved gives the payment to the other replica, and facts from before it are void", () => {
  const moved = move(BOUND, { kind: "moved", by: "b", from: "a", at: 1 }, 20);
  assert.deepEqual(moved, { ...BOUND, owner: "b", position: 20 });
  assert.equal(follow(moved, settled(BOUND, "a", 1, BOOKING, "booked"), 21), undefined);
});

Deno.test("doubted keeps its uptime, facts made before it are void, and every next step ends the doubt", () => {
  const doubted = (payment: Payment) => doubt(payment, { kind: "doubted", by: "b", at: 1, uptimeMs: 4.5 }, 20);
  assert.deepEqual(doubted(BOUND), { ...BOUND, doubtedUptimeMs: 4.5, position: 20 });
  assert.equal(follow(doubted(BOUND), released(BOUND, "a", 1, "failed", false), 21), undefined);
  assert.equal(bind(doubted(TAKEN), 21).doubtedUptimeMs, null);
  assert.equal(free(doubted(BOUND), 21, false).doubtedUptimeMs, null);
  const found = doubted(FREE);
  assert.equal(after(found, settled(found, "a", 1, BOOKING, "found-booked"), 21).doubtedUptimeMs, null);
});

Deno.test("a payment may be booked if it is bound, was refused with 500, or is in doubt", () => {
  const doubted = (payment: Payment) => ({ ...payment, doubtedUptimeMs: 0 });
  const table: readonly (readonly [string, Payment, boolean])[] = [
    ["accepted", TAKEN, false],
    ["accepted, in doubt", doubted(TAKEN), true],
    ["bound", BOUND, true],
    ["released for certain", FREE, false],
    ["released, in doubt", doubted(FREE), true],
    ["released as far as the processor knew", free(BOUND, 12, true), true],
  ];
  for (const [name, payment, may] of table) assert.equal(mayBeBooked(payment), may, name);
});
