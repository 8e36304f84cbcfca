import assert from "node:assert/strict";
import fc from "fast-check";
import { accepted, dispatched, type Fact, released, settled, suspect } from "../../src/payment/fact.ts";
import { decodeStory, encodeStory, isComplete, leadsTo, Stories, STORIES_MIN, told } from "../../src/console/stories.ts";
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

/** What is kept of a payment, read. */
const linesOf = (stories: Stories, id: string) => decodeStory(stories.get(id) ?? "");

Deno.test("a story tells every step with its time, replica and reason; acceptance is in each fact", () => {
  const stories = new Stories();
  // the first attempt is b's, the second a's, who took over
  facts(idOf(1)).forEach((fact, i) => stories.add(fact, i < 3 ? "b" : "a", NOW + 1_000 * i));
  const lines = [
    { replica: "b", at: NOW + 10, stage: "dispatched", attempt: 1, processor: "default", reason: "default-up" },
    { replica: "b", at: NOW + 2_000, stage: "released", attempt: 1, processor: "default", reason: "refused" },
    { replica: "a", at: NOW + 500, stage: "dispatched", attempt: 2, processor: "fallback", reason: "patience-over" },
    { replica: "a", at: NOW + 4_000, stage: "settled", attempt: 2, processor: "fallback", reason: "booked" },
  ];
  assert.deepEqual(linesOf(stories, idOf(1)), lines);
  assert.equal(stories.get(idOf(2)), undefined);
  stories.clear();
  assert.equal(stories.get(idOf(1)), undefined);
});

Deno.test("a payment that is in doubt now is no further than it was", () => {
  const stories = new Stories();
  const [taken, first, refused] = facts(idOf(1));
  const added = [suspect(taken!, NOW), first!, suspect(first!, NOW), refused!, suspect(refused!, NOW)].map((fact) =>
    stories.add(fact, "b", NOW)
  );
  assert.deepEqual(added, [false, true, false, true, false]);
  assert.deepEqual(linesOf(stories, idOf(1))!.map(({ stage }) => stage), ["dispatched", "released"]);
});

Deno.test("of a story that goes on for hours the first line and the last ones stay, and it says so", () => {
  const stories = new Stories();
  let fact = accepted(idOf(1), 1990, NOW, "a");
  const complete: boolean[] = [];
  for (let i = 1; i <= 50; i++) {
    fact = dispatched(fact, "a", "default", NOW + i, "probe");
    stories.add(fact, "a", NOW);
    fact = released(fact, "refused", false);
    stories.add(fact, "a", NOW);
    complete.push(isComplete(linesOf(stories, idOf(1))!));
  }
  const lines = linesOf(stories, idOf(1))!;
  assert.ok(lines.length > 20 && stories.get(idOf(1))!.length < 850, `${lines.length}`);
  assert.deepEqual([lines[0]!.attempt, lines.at(-1)!.attempt], [1, 50]);
  assert.deepEqual([lines[0]!.stage, lines.at(-1)!.stage], ["dispatched", "released"]);
  assert.deepEqual(
    lines.slice(1).map(({ attempt }) => attempt),
    lines.slice(1).map(({ attempt }) => attempt).toSorted(),
  );
  assert.deepEqual([complete.indexOf(false) > 9, complete.lastIndexOf(true) + 1], [true, complete.indexOf(false)]);
});

Deno.test("the stories of those that went on last are kept", () => {
  const stories = new Stories();
  const [, pending, refused] = facts(idOf(999_999));
  stories.add(pending!, "b", NOW);
  const many = 3 * STORIES_MIN;
  for (let i = 0; i < many; i++) {
    for (const fact of facts(idOf(i))) stories.add(fact, "b", NOW);
    // it goes on now and then, and stays
    if (i % STORIES_MIN === 0) stories.add({ ...refused!, attempt: i + 1 }, "b", NOW);
  }
  assert.equal(stories.get(idOf(0)), undefined);
  for (const i of [many - STORIES_MIN, many - 1]) assert.equal(linesOf(stories, idOf(i))?.length, 4, `${i}`);
  assert.equal(linesOf(stories, idOf(999_999))?.length, 4);
  const kept = Array.from({ length: many }, (_, i) => stories.get(idOf(i))).filter(Boolean);
  assert.ok(kept.length <= 2 * STORIES_MIN, `${kept.length}`);
});

Deno.test("a story is complete where every attempt is there with its end", () => {
  const [, first, refused, second, end] = facts(idOf(1)).map((fact) => told(fact, "b", NOW));
  const found = told(settled(accepted(idOf(1), 1990, NOW, "a"), "default", NOW, 1990, "found-booked"), "b", NOW);
  const all = [first!, refused!, second!, end!];
  const isIt = (...lines: (typeof found)[]) => isComplete(lines);
  for (let n = 1; n <= 4; n++) assert.ok(isIt(...all.slice(0, n)), `the first ${n}`);
  assert.ok(isIt(found));
  // a booking that comes to light after a release
  assert.ok(isIt(first!, refused!, { ...end!, attempt: 1 }));
  for (const [without, lines] of all.slice(0, 3).map((_, i) => [i, all.toSpliced(i, 1)] as const)) {
    assert.ok(!isIt(...lines), `without line ${without}`);
  }
  assert.ok(!isIt(end!));
  assert.ok(!isIt(first!, end!));
});

Deno.test("a story leads to the fact that its last line tells of", () => {
  const all = facts(idOf(1));
  const lines = all.slice(1).map((fact) => told(fact, "b", NOW));
  for (const [i, fact] of all.entries()) {
    for (let n = 0; n <= 4; n++) assert.equal(leadsTo(lines.slice(0, n), fact), i > 0 && n === i, `${n} to ${i}`);
  }
});

Deno.test("a story comes back from its text", () => {
  fc.assert(fc.property(fc.array(anyFact, { minLength: 1, maxLength: 24 }), fc.nat(), (facts, at) => {
    const lines = facts.map((fact) => told(fact, fact.owner, at));
    const text = encodeStory(lines);
    assert.match(text, /^[-\d,;]+$/);
    assert.deepEqual(decodeStory(text), lines);
  }));
});

Deno.test("a text of a newer version, or no story at all, is none", () => {
  const line = encodeStory([told(facts(idOf(1))[1]!, "b", NOW)]);
  for (const text of ["", "hello", "1,2", line.replace(/\d+$/, "99"), `${line};`]) {
    assert.equal(decodeStory(text), undefined, text);
  }
});
