import assert from "node:assert/strict";
import fc from "fast-check";
import { Book } from "../../src/payment/book.ts";
import { accepted, dispatched, type Fact, PROCESSORS, released, settled, suspect } from "../../src/payment/fact.ts";
import { TOTAL_CENTS_MAX } from "../../src/payment/money.ts";
import { contradictingFact } from "./arbitrary.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const OTHER_ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b4";
const FIRST = accepted(ID, 1990, 1_000, "a");
const BOUND = dispatched(FIRST, "a", "default", 1_005, "default-up");
const DONE = settled(BOUND, "default", 1_005, 1990, "booked");

function bookOf(...facts: readonly Fact[]): Book {
  const book = new Book();
  for (const fact of facts) book.fold(fact);
  return book;
}

/** Every fact of a book's state. */
function state(book: Book): Fact[] {
  return [...book.pending.values(), ...Array.from({ length: book.settled.size }, (_, i) => book.settled.at(i))];
}

/** Everything that a book shows, apart from the order in which payments became known. */
function shown(book: Book) {
  const windows = [];
  for (let from = -1; from <= 5; from++) {
    for (let to = from; to <= 5; to++) windows.push(book.summary(from, to));
  }
  const facts = state(book).sort((a, b) => a.id < b.id ? -1 : 1);
  const pending = [...book.pending.keys()].sort();
  // what is left of the limit tells the cents of what is pending
  let known = 0;
  while (!book.holds(TOTAL_CENTS_MAX - known)) known++;
  return { epoch: book.epoch, facts, pending, settled: book.settled.size, all: book.summary(), windows, known };
}

Deno.test("a book shows the same for any order, repetition and grouping of the same facts", () => {
  const history = fc.array(contradictingFact, { maxLength: 40 }).chain((facts) =>
    fc.record({
      facts: fc.constant(facts),
      shuffled: fc.shuffledSubarray([...facts, ...facts], { minLength: 2 * facts.length, maxLength: 2 * facts.length }),
      cut: fc.nat(facts.length),
    })
  );
  fc.assert(
    fc.property(history, ({ facts, shuffled, cut }) => {
      const expected = shown(bookOf(...facts));
      assert.deepEqual(shown(bookOf(...shuffled)), expected, "commutative and idempotent");
      const [left, right] = [bookOf(...facts.slice(0, cut)), bookOf(...facts.slice(cut))];
      assert.deepEqual(shown(bookOf(...state(left), ...state(right))), expected, "associative, right into left");
      assert.deepEqual(shown(bookOf(...state(right), ...state(left))), expected, "associative, left into right");
    }),
    { numRuns: 400 },
  );
});

Deno.test("a book's totals are those of the settled facts it holds", () => {
  fc.assert(
    fc.property(fc.array(contradictingFact, { maxLength: 40 }), fc.nat(4), fc.nat(4), (facts, from, to) => {
      const book = bookOf(...facts);
      for (const processor of PROCESSORS) {
        const inside = state(book).filter((fact) =>
          fact.stage === "settled" && fact.processor === processor && fact.requestedAt >= from && fact.requestedAt <= to
        );
        const cents = inside.reduce((sum, fact) => sum + fact.cents, 0);
        assert.deepEqual(book.summary(from, to)[processor], { count: inside.length, cents });
      }
    }),
  );
});

Deno.test("fold() says that a fact is new exactly when it changes the book", () => {
  fc.assert(
    fc.property(fc.array(contradictingFact, { maxLength: 20 }), contradictingFact, (facts, last) => {
      const book = bookOf(...facts);
      const before = book.get(last.id);
      assert.equal(book.fold(last), !isSame(before, book.get(last.id)));
      assert.equal(book.fold(last), false);
    }),
  );
});

function isSame(a: Fact | undefined, b: Fact | undefined): boolean {
  return JSON.stringify(Object.entries(a ?? {}).sort()) === JSON.stringify(Object.entries(b ?? {}).sort());
}

Deno.test("a payment goes from pending to settled and is counted once, in cents", () => {
  const book = bookOf(FIRST, BOUND);
  assert.deepEqual([...book.pending.values()], [BOUND]);
  assert.deepEqual(book.summary(), { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } });
  assert.equal(book.fold(DONE), true);
  assert.equal(book.fold(DONE), false);
  assert.equal(book.pending.size, 0);
  assert.deepEqual(book.get(ID), DONE);
  assert.deepEqual(book.summary(), { default: { count: 1, cents: 1990 }, fallback: { count: 0, cents: 0 } });
});

Deno.test("a settled payment stays settled when facts of earlier and later attempts arrive late", () => {
  const late = released(
    dispatched(released(BOUND, "refused", false), "b", "fallback", 9, "patience-over"),
    "refused",
    true,
  );
  const book = bookOf(DONE, FIRST, BOUND, late, suspect(late, 99));
  assert.deepEqual(book.get(ID), DONE);
  assert.equal(book.pending.size, 0);
  assert.equal(book.summary().default.count, 1);
});

Deno.test("a payment settled twice in conflict is counted once, where the greater fact says", () => {
  const elsewhere = settled({ ...BOUND, attempt: 2 }, "fallback", 2_000, 500, "found-booked");
  for (const facts of [[DONE, elsewhere], [elsewhere, DONE], [elsewhere, DONE, elsewhere]]) {
    const book = bookOf(...facts);
    assert.deepEqual(book.summary(), { default: { count: 0, cents: 0 }, fallback: { count: 1, cents: 500 } });
    assert.deepEqual(book.summary(1_005, 1_005).default, { count: 0, cents: 0 });
    assert.equal(book.settled.size, 1);
  }
});

Deno.test("a payment that needed more attempts than are kept of it is new only once", () => {
  const tried = { ...BOUND, attempt: 2 ** 31 };
  const book = bookOf(tried);
  const done = settled(tried, "default", 1_005, 1990, "booked");
  assert.equal(book.fold(done), true);
  assert.equal(book.fold(done), false);
  assert.deepEqual(book.get(ID), done);
});

Deno.test("a summary includes both ends of its window, to the millisecond", () => {
  const book = bookOf(DONE);
  for (
    const [from, to, count] of [[1_005, 1_005, 1], [1_006, undefined, 0], [undefined, 1_004, 0], [1_006, 1_004, 0]]
  ) {
    assert.equal(book.summary(from, to).default.count, count, `${from} to ${to}`);
  }
});

Deno.test("a book holds payments up to the total it can count, pending ones included", () => {
  const book = bookOf(FIRST, settled(accepted(OTHER_ID, 10, 1_000, "b"), "fallback", 1_000, 10, "booked"));
  assert.equal(book.holds(TOTAL_CENTS_MAX - 2_000), true);
  assert.equal(book.holds(TOTAL_CENTS_MAX - 1_999), false);
  book.fold(DONE);
  assert.equal(book.holds(TOTAL_CENTS_MAX - 2_000), true);
  assert.equal(book.holds(TOTAL_CENTS_MAX - 1_999), false);
});

Deno.test("a purge empties the book when the epoch is newer, and only then", () => {
  const book = bookOf(FIRST, settled(accepted(OTHER_ID, 10, 1_000, "b"), "fallback", 1_000, 10, "booked"));
  const before = state(book);
  assert.equal(book.purge(0), false);
  assert.deepEqual(state(book), before);
  assert.equal(book.purge(3), true);
  assert.equal(book.epoch, 3);
  assert.deepEqual(state(book), []);
  assert.equal(book.get(ID), undefined);
  assert.equal(book.get(OTHER_ID), undefined);
  assert.deepEqual(book.summary(), { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } });
  assert.equal(book.holds(TOTAL_CENTS_MAX), true);
  assert.equal(book.purge(2), false);
  assert.equal(book.purge(3), false);
  assert.equal(book.epoch, 3);
});

Deno.test("books that hear of epochs in any order end in the greatest one", () => {
  fc.assert(fc.property(fc.array(fc.nat(9), { minLength: 1 }), (epochs) => {
    const book = new Book();
    for (const epoch of epochs) book.purge(epoch);
    assert.equal(book.epoch, Math.max(...epochs));
  }));
});
