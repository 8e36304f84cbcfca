import assert from "node:assert/strict";
import fc from "fast-check";
import { accepted, dispatched, type Fact, released, settled } from "../../src/payment/fact.ts";
import { decodeStory, encodeStory, RECENT_MAX, Stories, told, TOLD_MAX } from "../../src/watch/stories.ts";
import { anyFact } from "../payment/arbitrary.ts";

const NOW = Date.UTC(2025, 6, 15);
const idOf = (n: number) => `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;

/** Every fact of a payment that is refused once and then booked at the fallback. */
function facts(id: string): Fact[] {
  const taken = accepted(id, 1990, NOW, "a");
  const first = dispatched(taken, "b", "default", NOW + 10, "default-up");
  const refused = released(first, "refused", false);
  const second = dispatched(refused, "b", "fallback", NOW + 500, "patience-over");
  return [taken, first, refused, second, settled(second, "fallback", NOW + 500, 1990, "booked")];
}

Deno.test("a story tells every step with its time, replica and reason; acceptance is in each fact", () => {
  const stories = new Stories();
  facts(idOf(1)).forEach((fact, i) => stories.add(fact, NOW + 1_000 * i));
  const of = { replica: "b" } as const;
  assert.deepEqual(stories.get(idOf(1)), [
    { ...of, at: NOW + 10, stage: "dispatched", attempt: 1, processor: "default", reason: "default-up" },
    { ...of, at: NOW + 2_000, stage: "released", attempt: 1, processor: "default", reason: "refused" },
    { ...of, at: NOW + 500, stage: "dispatched", attempt: 2, processor: "fallback", reason: "patience-over" },
    { ...of, at: NOW + 4_000, stage: "settled", attempt: 2, processor: "fallback", reason: "booked" },
  ]);
  assert.equal(stories.get(idOf(2)), undefined);
});

Deno.test("an id that an epoch forgot begins its story anew", () => {
  const stories = new Stories();
  const [, first] = facts(idOf(1));
  for (const fact of facts(idOf(1))) stories.add(fact, NOW);
  stories.add(first!, NOW);
  assert.deepEqual(stories.get(idOf(1))?.map(({ stage }) => stage), ["dispatched"]);
});

Deno.test("of a story that goes on for hours the first line and the last ones stay", () => {
  const stories = new Stories();
  let fact = accepted(idOf(1), 1990, NOW, "a");
  for (let i = 1; i <= 50; i++) {
    fact = dispatched(fact, "a", "default", NOW + i, "probe");
    stories.add(fact, NOW);
    fact = released(fact, "refused", false);
    stories.add(fact, NOW);
  }
  const lines = stories.get(idOf(1))!;
  assert.equal(lines.length, TOLD_MAX);
  assert.deepEqual([lines[0]!.attempt, lines[1]!.attempt, lines.at(-1)!.attempt], [1, 39, 50]);
});

Deno.test("the stories of the last settled payments are kept, and of all that are not settled", () => {
  const stories = new Stories();
  const [, pending] = facts(idOf(999_999));
  stories.add(pending!, NOW);
  const many = 3 * RECENT_MAX;
  for (let i = 0; i < many; i++) for (const fact of facts(idOf(i))) stories.add(fact, NOW);
  assert.equal(stories.get(idOf(many - RECENT_MAX - 1)), undefined);
  assert.equal(stories.get(idOf(many - RECENT_MAX))?.length, 4);
  assert.equal(stories.get(idOf(many - 1))?.length, 4);
  assert.equal(stories.get(idOf(999_999))?.length, 1);
});

Deno.test("a story comes back from its text", () => {
  fc.assert(fc.property(fc.array(anyFact, { minLength: 1, maxLength: TOLD_MAX }), fc.nat(), (facts, at) => {
    const lines = facts.map((fact) => told(fact, at));
    const text = encodeStory(lines);
    assert.match(text, /^[-\d,;]+$/);
    assert.deepEqual(decodeStory(text), lines);
  }));
});

Deno.test("a text of a newer version, or no story at all, is none", () => {
  const line = encodeStory([told(facts(idOf(1))[1]!, NOW)]);
  for (const text of ["", "hello", "1,2", line.replace(/\d+$/, "99"), `${line};`]) {
    assert.equal(decodeStory(text), undefined, text);
  }
});
