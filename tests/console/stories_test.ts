import assert from "node:assert/strict";
import fc from "fast-check";
import { type Processor, PROCESSORS, REASONS } from "../../src/payment/fact.ts";
import { type Payment, STAGES } from "../../src/payment/payment.ts";
import { decodeStory, isComplete, leadsTo, stepOf, Stories, STORIES_MIN } from "../../src/console/stories.ts";
import type { StoryStep } from "../../src/console/watching.ts";
import { Facts } from "../support/facts.ts";
import { storyText } from "./story_text.ts";
import { PAIR } from "../support/pair.ts";

const NOW = Date.UTC(2025, 6, 15);
const idOf = (n: number) => `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;

/** Every step of a payment that b dispatches and that is refused once, and then booked at the fallback by a; and where it is after each. */
function story(id: string): { readonly lines: readonly StoryStep[]; readonly payments: readonly Payment[] } {
  const lines: StoryStep[] = [];
  const payments: Payment[] = [];
  const facts = new Facts({
    folded(fact, _, payment) {
      payments.push(payment!);
      if (fact.kind === "dispatched" || fact.kind === "released" || fact.kind === "settled") {
        lines.push(stepOf(fact, payment!));
      }
    },
  });
  facts.accept(id, 1990, NOW, "b");
  facts.dispatch(id, "default", "default-up", NOW + 10, "b");
  facts.release(id, "failed", NOW + 20, "b");
  facts.dispatch(id, "fallback", "patience-over", NOW + 500, "a");
  facts.settle(id, "booked", NOW + 510, "a");
  return { lines, payments };
}

const LINES: readonly StoryStep[] = [
  { replica: "b", at: NOW + 10, stage: "dispatched", attempt: 1, processor: "default", reason: "default-up" },
  { replica: "b", at: NOW + 20, stage: "released", attempt: 1, processor: "default", reason: "failed" },
  { replica: "a", at: NOW + 500, stage: "dispatched", attempt: 2, processor: "fallback", reason: "patience-over" },
  { replica: "a", at: NOW + 510, stage: "settled", attempt: 2, processor: "fallback", reason: "booked" },
];

/** The story that is kept of a payment. */
const linesOf = (stories: Stories, id: string) => decodeStory(stories.get(id) ?? "", PAIR);

Deno.test("a story has every step with its time, replica and reason", () => {
  const stories = new Stories(PAIR);
  for (const line of story(idOf(1)).lines) stories.add(idOf(1), line);
  assert.deepEqual(linesOf(stories, idOf(1)), LINES);
  assert.equal(stories.get(idOf(2)), undefined);
  stories.clear();
  assert.equal(stories.get(idOf(1)), undefined);
});

Deno.test("a story of hours keeps its first line and its last ones, and says that it is not complete", () => {
  const stories = new Stories(PAIR);
  const complete: boolean[] = [];
  for (let attempt = 1; attempt <= 50; attempt++) {
    const step = { at: NOW + attempt, replica: "a", attempt, processor: "default" } as const;
    stories.add(idOf(1), { ...step, stage: "dispatched", reason: "probe" });
    stories.add(idOf(1), { ...step, stage: "released", reason: "failed" });
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

Deno.test("the stories with the newest steps are kept", () => {
  const stories = new Stories(PAIR);
  const long = idOf(999_999);
  stories.add(long, LINES[0]!);
  const many = 3 * STORIES_MIN;
  for (let i = 0; i < many; i++) {
    for (const line of LINES) stories.add(idOf(i), line);
    // it gets a step now and then, so it stays
    if (i % STORIES_MIN === 0) stories.add(long, { ...LINES[1]!, attempt: i + 1 });
  }
  assert.equal(stories.get(idOf(0)), undefined);
  for (const i of [many - STORIES_MIN, many - 1]) assert.equal(linesOf(stories, idOf(i))?.length, 4, `${i}`);
  assert.equal(linesOf(stories, long)?.length, 4);
  const kept = Array.from({ length: many }, (_, i) => stories.get(idOf(i))).filter(Boolean);
  assert.ok(kept.length <= 2 * STORIES_MIN, `${kept.length}`);
});

Deno.test("a story is complete where every attempt is there with its end", () => {
  const [first, refused, , end] = LINES as readonly [StoryStep, StoryStep, StoryStep, StoryStep];
  const isIt = (...lines: StoryStep[]) => isComplete(lines);
  for (let n = 1; n <= 4; n++) assert.ok(isIt(...LINES.slice(0, n)), `the first ${n}`);
  // found booked before anything was sent
  assert.ok(isIt({ ...end, attempt: 0 }));
  // a booking that comes to light after a release
  assert.ok(isIt(first, refused, { ...end, attempt: 1 }));
  for (let without = 0; without < 3; without++) {
    assert.ok(!isIt(...LINES.toSpliced(without, 1)), `without line ${without}`);
  }
  assert.ok(!isIt(end));
  assert.ok(!isIt(first, end));
});

Deno.test("a story leads to the payment's state if its last line does", () => {
  const { lines, payments } = story(idOf(1));
  for (const [i, payment] of payments.entries()) {
    for (let n = 0; n <= 4; n++) assert.equal(leadsTo(lines.slice(0, n), payment), i > 0 && n === i, `${n} to ${i}`);
  }
});

const anyLine: fc.Arbitrary<StoryStep> = fc.record({
  at: fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 }),
  replica: fc.constantFrom(...PAIR.names),
  stage: fc.constantFrom(...STAGES),
  attempt: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  processor: fc.constantFrom<(Processor | null)[]>(...PROCESSORS, null),
  reason: fc.constantFrom(...REASONS),
}, { noNullPrototype: true });

Deno.test("a story can be read from its text", () => {
  fc.assert(fc.property(fc.array(anyLine, { minLength: 1, maxLength: 24 }), (lines) => {
    const text = storyText(lines);
    assert.match(text, /^[-\d,;]+$/);
    assert.deepEqual(decodeStory(text, PAIR), lines);
  }));
});

Deno.test("a text of a newer version, or one that is no story, is not read", () => {
  const line = storyText([LINES[0]!]);
  for (const text of ["", "hello", "1,2", line.replace(/\d+$/, "99"), `${line};`]) {
    assert.equal(decodeStory(text, PAIR), undefined, text);
  }
});
