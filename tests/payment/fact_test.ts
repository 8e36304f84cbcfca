import assert from "node:assert/strict";
import fc from "fast-check";
import {
  accepted,
  bit,
  compareFacts,
  dispatched,
  type Fact,
  homeOf,
  other,
  peerOf,
  PROCESSORS,
  REASONS,
  released,
  REPLICAS,
  settled,
  SETTLED_ATTEMPT_MAX,
  STAGES,
  SUSPECT,
  suspect,
} from "../../src/payment/fact.ts";
import { anyFact, contradictingFact } from "./arbitrary.ts";

const FIRST = accepted("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3", 1990, 1_000, "a");
const BOUND = dispatched(FIRST, "a", "default", 1_005, "default-up");
const REFUSED = released(BOUND, "refused", false);
const DONE = settled(BOUND, "default", 1_005, 1990, "booked");

/** Two or three facts about one payment. */
const ofOnePayment = (count: number) =>
  fc.array(fc.oneof(contradictingFact, anyFact), { minLength: count, maxLength: count })
    .map((facts) => facts.map((fact): Fact => ({ ...fact, id: FIRST.id })));

Deno.test("compareFacts() is antisymmetric, and zero only for the same fact", () => {
  fc.assert(
    fc.property(ofOnePayment(2), ([a, b]) => {
      const [there, back] = [compareFacts(a!, b!), compareFacts(b!, a!)];
      assert.equal(Math.sign(there) + Math.sign(back), 0);
      if (there === 0) assert.deepEqual(a, b);
      assert.equal(compareFacts(a!, { ...a! }), 0);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("compareFacts() decides by any one field in which facts about a payment differ, the same way round for both", () => {
  const fields = Object.keys(FIRST).filter((field) => field !== "id") as (keyof Fact)[];
  fc.assert(
    fc.property(ofOnePayment(2), ([a, from]) => {
      for (const field of fields) {
        const b = { ...a!, [field]: from![field] };
        const [there, back] = [compareFacts(a!, b), compareFacts(b, a!)];
        assert.equal(Math.sign(there) + Math.sign(back), 0, field);
        assert.equal(there === 0, a![field] === b[field], field);
      }
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("compareFacts() is transitive", () => {
  fc.assert(
    fc.property(ofOnePayment(3), (facts) => {
      const [least, middle, greatest] = facts.toSorted(compareFacts);
      assert.ok(compareFacts(least!, middle!) <= 0);
      assert.ok(compareFacts(middle!, greatest!) <= 0);
      assert.ok(compareFacts(least!, greatest!) <= 0);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("compareFacts() ranks settled above all, then attempts, then released, dispatched and accepted, then doubt", () => {
  const second = dispatched(REFUSED, "b", "fallback", 1_010, "patience-over");
  const refusedInDoubt = released(BOUND, "refused", true);
  const risen = [FIRST, suspect(FIRST, 9), BOUND, REFUSED, refusedInDoubt, suspect(REFUSED, 9), second, DONE];
  for (const [i, lesser] of risen.entries()) {
    for (const greater of risen.slice(i + 1)) {
      assert.ok(
        compareFacts(lesser, greater) < 0,
        `${lesser.stage} ${lesser.attempt} < ${greater.stage} ${greater.attempt}`,
      );
    }
  }
});

Deno.test("every step of a payment's way makes a greater fact", () => {
  const way = [FIRST, BOUND, REFUSED, dispatched(REFUSED, "b", "fallback", 2, "patience-over")];
  way.push(released(way[3]!, "refused", true), settled(way[3]!, "fallback", 2, 1990, "booked"));
  for (const [i, fact] of way.entries()) if (i > 0) assert.ok(compareFacts(fact, way[i - 1]!) > 0, `step ${i}`);
});

Deno.test("an attempt that ended with an answer of doubt puts its processor in doubt, another does not", () => {
  assert.equal(released(BOUND, "refused", false).doubt, 0);
  assert.equal(released(BOUND, "refused", true).doubt, bit("default"));
  assert.equal(released({ ...BOUND, doubt: bit("fallback") }, "refused", true).doubt, SUSPECT);
});

Deno.test("a new attempt keeps the doubt about its own processor and drops the other's", () => {
  const doubted = suspect(REFUSED, 9);
  assert.equal(dispatched(doubted, "a", "default", 1, "probe").doubt, bit("default"));
  assert.equal(dispatched(doubted, "a", "fallback", 1, "probe").doubt, bit("fallback"));
  assert.equal(dispatched(REFUSED, "a", "fallback", 1, "probe").doubt, 0);
});

Deno.test("a settled fact is without doubt and keeps at most SETTLED_ATTEMPT_MAX attempts", () => {
  const tried = { ...suspect(BOUND, 9), attempt: SETTLED_ATTEMPT_MAX + 5 };
  const done = settled(tried, "fallback", 7, 3, "found-booked");
  const expected = {
    stage: "settled",
    processor: "fallback",
    requestedAt: 7,
    cents: 3,
    reason: "found-booked",
  } as const;
  assert.deepEqual(done, { ...BOUND, ...expected, attempt: SETTLED_ATTEMPT_MAX, doubt: 0, doubtUntil: 0 });
});

Deno.test("homeOf() sends half of all ids to each replica, and all to the only one", () => {
  const homes = Array.from("0123456789abcdef", (digit) => homeOf(FIRST.id.slice(0, 35) + digit, REPLICAS));
  assert.equal(homes.filter((home) => home === "a").length, 8);
  assert.equal(homeOf(FIRST.id, ["b"]), "b");
});

Deno.test("other() and peerOf() lead to the other one and back", () => {
  for (const processor of PROCESSORS) {
    assert.notEqual(other(processor), processor);
    assert.equal(other(other(processor)), processor);
  }
  for (const replica of REPLICAS) {
    assert.notEqual(peerOf(replica), replica);
    assert.equal(peerOf(peerOf(replica)), replica);
  }
});

Deno.test("codes on the wire and in the store stay within the bits that hold them, without repetition", () => {
  for (const [values, max] of [[PROCESSORS, 2], [REPLICAS, 2], [STAGES, 4], [REASONS, 128]] as const) {
    assert.ok(values.length <= max);
    assert.equal(new Set<string>(values).size, values.length);
  }
});
