/** What the end of a call means: the table of DESIGN.md, promise 1. */
import assert from "node:assert/strict";
import { dispatched } from "../../src/payment/fact.ts";
import { accept, follow, type Payment } from "../../src/payment/payment.ts";
import {
  begin,
  type Bound,
  conclude,
  concludeLookups,
  foundIn,
  type Next,
  rejectersOf,
} from "../../src/routing/work.ts";
import type { Lookup, Outcome } from "../../src/routing/processor_client.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const ACCEPTED = accept({ kind: "accepted", by: "a", id: ID, cents: 1990, at: 1_000, doubt: false }, 10, null);
const BOUND: Payment = follow(ACCEPTED, dispatched(ACCEPTED, "a", "default", 1_005, "default-up"), 11)!;
const NOW_MS = 500;
const HORIZON_MS = 10_000;

/** Every call of the binding had a verdict, so far. */
const SURE: Bound = { state: "bound", pauses: 0, unsureMs: null, unknowns: 0 };
/** One had none, or may have had none. */
const UNSURE: Bound = { state: "bound", pauses: 2, unsureMs: 100, unknowns: 1 };

const kept = (bound: Bound, askNow = false): Next => ({ kind: "keep", bound, askNow });
const released = (
  reason: "failed" | "processor-full" | "unreachable" | "rejected" | "not-found",
  askFirst = false,
): Next => ({ kind: "release", reason, askFirst });
const SETTLED: Next = {
  kind: "settle",
  booking: { processor: "default", requestedAt: 1_005, cents: 1990 },
  reason: "default-up",
};

const TABLE: readonly (readonly [Outcome, Next, Next])[] = [
  [{ kind: "booked" }, SETTLED, SETTLED],
  // a lookup shows where it is booked, and when
  [
    { kind: "already-booked" },
    kept({ ...SURE, unsureMs: NOW_MS, saidBooked: true }, true),
    kept({ ...UNSURE, saidBooked: true }),
  ],
  [{ kind: "refused", why: "processor-full" }, released("processor-full"), kept(UNSURE)],
  [{ kind: "refused", why: "unreachable" }, released("unreachable"), kept(UNSURE)],
  [{ kind: "refused", why: "rejected", status: 401 }, released("rejected"), kept(UNSURE)],
  [{ kind: "refused-as-far-as-known" }, released("failed", true), kept(UNSURE)],
  [
    { kind: "unknown", error: "reset" },
    kept({ ...SURE, unsureMs: NOW_MS, unknowns: 1 }),
    kept({ ...UNSURE, unsureMs: NOW_MS, unknowns: 2 }),
  ],
];

for (const [outcome, sure, unsure] of TABLE) {
  const name = outcome.kind === "refused" ? outcome.why : outcome.kind;
  Deno.test(`conclude(): ${name}, where every call before had a verdict, and where one had none`, () => {
    assert.deepEqual(conclude(BOUND, SURE, outcome, NOW_MS), sure);
    assert.deepEqual(conclude(BOUND, UNSURE, outcome, NOW_MS), unsure);
  });
}

Deno.test("conclude() says where both processors rejected a payment", () => {
  const rejected = (status: number): Outcome => ({ kind: "refused", why: "rejected", status });
  const by = (...rejectedBy: readonly ("default" | "fallback")[]): Bound => ({ ...SURE, rejectedBy });
  const release = (reason: string) => ({ kind: "release", reason, askFirst: false });
  for (const before of [[], ["default"]] as const) {
    assert.deepEqual(conclude(BOUND, by(...before), rejected(400), NOW_MS), release("rejected"));
  }
  for (const before of [["fallback"], ["default", "fallback"]] as const) {
    assert.deepEqual(conclude(BOUND, by(...before), rejected(400), NOW_MS), release("rejected-by-both"));
  }
});

Deno.test("rejectersOf() finds in the log which processors rejected a payment, the last one at the end", () => {
  const at = (reason: Payment["reason"], stage: Payment["stage"] = "released") =>
    rejectersOf({ ...BOUND, stage, reason });
  assert.deepEqual(at("rejected"), ["default"]);
  assert.deepEqual(at("rejected-by-both"), ["fallback", "default"]);
  assert.deepEqual(at("unreachable"), []);
  assert.deepEqual(at("rejected", "dispatched"), []);
});

Deno.test("conclude() has a payment that is already booked looked up at once only the first time", () => {
  const { askNow } = conclude(BOUND, { ...UNSURE, pauses: 0 }, { kind: "already-booked" }, NOW_MS) as Next & {
    askNow: boolean;
  };
  assert.equal(askNow, true);
});

const FOUND: Lookup = { kind: "found", cents: 1_989, requestedAt: 77 };
const ABSENT: Lookup = { kind: "absent" };
const UNANSWERED: Lookup = { kind: "unanswered", error: "timeout" };

Deno.test("concludeLookups() settles a payment where it is found, as it is booked there, at any time", () => {
  for (const [first, second] of [[UNANSWERED, FOUND], [ABSENT, FOUND]] as const) {
    const lookups = [["default", first], ["fallback", second]] as const;
    const booking = { processor: "fallback", requestedAt: 77, cents: 1_989 };
    const settled = { kind: "settle", booking, reason: "found-booked" };
    for (const askedMs of [100, 1e9]) {
      assert.deepEqual(concludeLookups(UNSURE, lookups, askedMs, HORIZON_MS), settled);
    }
  }
});

Deno.test("concludeLookups() frees an absent payment once no call can be booked any more, and no sooner", () => {
  const at = (askedMs: number, ...lookups: Lookup[]) =>
    concludeLookups(UNSURE, lookups.map((lookup) => ["default", lookup] as const), askedMs, HORIZON_MS);
  const horizonMs = UNSURE.unsureMs! + HORIZON_MS;
  assert.deepEqual(at(horizonMs - 1, ABSENT), kept(UNSURE));
  assert.deepEqual(at(horizonMs, ABSENT), released("not-found"));
  assert.deepEqual(at(horizonMs, ABSENT, ABSENT), released("not-found"));
  assert.deepEqual(at(horizonMs, UNANSWERED), kept(UNSURE));
  assert.deepEqual(at(horizonMs, ABSENT, UNANSWERED), kept(UNSURE));
});

Deno.test("concludeLookups() frees a payment at once where every call had a verdict", () => {
  assert.deepEqual(concludeLookups(SURE, [["default", ABSENT]], 0, HORIZON_MS), released("not-found"));
});

Deno.test("foundIn() returns the first booking", () => {
  assert.equal(foundIn([["default", ABSENT], ["fallback", UNANSWERED]]), undefined);
  const both = [["default", FOUND], ["fallback", { ...FOUND, requestedAt: 78 }]] as const;
  assert.deepEqual(foundIn(both), { processor: "default", requestedAt: 77, cents: 1_989 });
});

Deno.test("begin() holds that what was bound before may have been sent until now", () => {
  const begun = { state: "bound", pauses: 0, unsureMs: NOW_MS, unknowns: 0 };
  assert.deepEqual(begin(BOUND, NOW_MS), { ...begun, saidBooked: false });
  assert.deepEqual(begin({ ...BOUND, reason: "already-booked" }, NOW_MS), { ...begun, saidBooked: true });
  for (const payment of [ACCEPTED, { ...BOUND, stage: "released" } as const]) {
    assert.deepEqual(begin(payment, NOW_MS), { state: "queued", pauses: 0, clearedPosition: 0 });
  }
});

Deno.test("concludeLookups() never frees a payment that the processor said it has, whatever a lookup says", () => {
  const bound = { ...UNSURE, saidBooked: true };
  assert.deepEqual(concludeLookups(bound, [["default", ABSENT]], 1e9, HORIZON_MS), {
    kind: "keep",
    bound,
    askNow: false,
  });
});
