import assert from "node:assert/strict";
import fc from "fast-check";
import { CHUNK_MAX, type Total, Totals } from "../../src/payment/totals.ts";

interface Entry {
  readonly at: number;
  readonly cents: number;
}

function naive(entries: readonly Entry[], from = -Infinity, to = Infinity): Total {
  const inside = entries.filter(({ at }) => at >= from && at <= to);
  return {
    count: inside.length,
    cents: inside.reduce((sum, entry) => sum + entry.cents, 0),
  };
}

function totalsOf(entries: readonly Entry[]): Totals {
  const totals = new Totals();
  for (const { at, cents } of entries) totals.add(at, cents);
  return totals;
}

/** Many entries in different orders, cheaply: fast-check chooses how they are laid out, the rest follows from a seed. */
const layout = fc.record({
  length: fc.oneof(fc.nat(20), fc.nat(6 * CHUNK_MAX)),
  times: fc.constantFrom(3, CHUNK_MAX, 100_000),
  order: fc.constantFrom("random", "rising", "falling", "rising in blocks"),
  seed: fc.nat(),
});

function entriesOf({ length, times, order, seed }: typeof layout extends fc.Arbitrary<infer T> ? T : never) {
  const random = (max: number) => (seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x9e3779b9 >>> 0) % max;
  const entries = Array.from({ length }, () => ({ at: random(times) - 2, cents: random(1_000) + 1 }));
  if (order === "rising") entries.sort((a, b) => a.at - b.at);
  if (order === "falling") entries.sort((a, b) => b.at - a.at);
  if (order === "rising in blocks") entries.sort((a, b) => Math.floor(a.at / 50) - Math.floor(b.at / 50));
  return entries;
}

Deno.test("totals over any window are those of a naive sum, for any order of payments", () => {
  fc.assert(
    fc.property(
      layout,
      fc.array(fc.tuple(fc.double({ noNaN: true }), fc.nat(99)), { maxLength: 5 }),
      (shape, extra) => {
        const entries = entriesOf(shape);
        const totals = totalsOf(entries);
        assert.deepEqual(totals.all, naive(entries));
        assert.deepEqual(totals.window(), naive(entries));
        const ends = entries.filter((_, i) => i % 97 === 0).flatMap(({ at }) => [at - 1, at, at + 1]);
        ends.push(...extra.map(([end]) => end), -3, shape.times);
        for (const from of ends.slice(0, 12)) {
          assert.deepEqual(totals.window(from), naive(entries, from), `from ${from}`);
          assert.deepEqual(totals.window(undefined, from), naive(entries, -Infinity, from), `to ${from}`);
          for (const to of ends.slice(-12)) {
            assert.deepEqual(totals.window(from, to), naive(entries, from, to), `from ${from} to ${to}`);
          }
        }
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("a window includes both of its ends", () => {
  const totals = totalsOf([{ at: 10, cents: 1 }, { at: 20, cents: 2 }, { at: 30, cents: 4 }]);
  assert.deepEqual(totals.window(10, 20), { count: 2, cents: 3 });
  assert.deepEqual(totals.window(20, 20), { count: 1, cents: 2 });
  assert.deepEqual(totals.window(11, 19), { count: 0, cents: 0 });
  assert.deepEqual(totals.window(30, 10), { count: 0, cents: 0 });
  assert.deepEqual(totals.window(-Infinity, 29.5), { count: 2, cents: 3 });
});

Deno.test("windows are exact at the edges of every chunk", () => {
  const entries = Array.from({ length: 4 * CHUNK_MAX + 1 }, (_, i) => ({ at: 10 * i, cents: i + 1 }));
  const totals = totalsOf(entries);
  for (let i = 0; i < entries.length; i++) {
    const [before, upTo] = [i * (i + 1) / 2, (i + 1) * (i + 2) / 2];
    assert.deepEqual(totals.window(undefined, 10 * i), { count: i + 1, cents: upTo });
    assert.deepEqual(totals.window(undefined, 10 * i - 1), { count: i, cents: before });
    assert.deepEqual(totals.window(10 * i), { count: entries.length - i, cents: totals.all.cents - before });
    assert.deepEqual(totals.window(10 * i, 10 * i), { count: 1, cents: i + 1 });
  }
});

Deno.test("totals throw when a sum is no longer exact", () => {
  const totals = totalsOf([{ at: 1, cents: Number.MAX_SAFE_INTEGER }]);
  assert.throws(() => totals.add(2, 1), /invariant/);
  assert.throws(() => new Totals().add(1, 0.5), /invariant/);
});
