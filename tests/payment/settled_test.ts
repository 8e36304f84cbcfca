import assert from "node:assert/strict";
import fc from "fast-check";
import { readId } from "../../src/payment/id.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { ATTEMPT_MAX, BYTES_PER_PAYMENT, SettledIndex } from "../../src/payment/settled.ts";
import { settledPayment } from "./arbitrary.ts";

/** The id of four words. */
function idOf(...four: number[]): string {
  return readId(new Uint32Array(four), 0);
}

function paymentOf(id: string, cents = 1): Payment {
  return {
    ...{ id, cents, acceptedAt: 1_000, owner: "a", stage: "settled", attempt: 1, processor: "default" },
    ...{ requestedAt: 1_005, reason: "booked", position: 0, askFirst: null, doubtedUptimeMs: null },
  };
}

/** Adds all ids and looks for each of them, with the position as the amount. */
function assertKeeps(ids: readonly string[]): void {
  const index = new SettledIndex();
  for (const [i, id] of ids.entries()) {
    assert.equal(index.find(id), -1, id);
    index.add(paymentOf(id, i + 1));
  }
  assert.equal(index.size, ids.length);
  for (const [i, id] of ids.entries()) {
    assert.equal(index.find(id), i, id);
    assert.deepEqual(index.at(i), paymentOf(id, i + 1));
  }
}

Deno.test("every field of a settled payment comes back", () => {
  fc.assert(
    fc.property(fc.uniqueArray(settledPayment, { selector: ({ id }) => id, maxLength: 50 }), (payments) => {
      const index = new SettledIndex();
      for (const payment of payments) index.add(payment);
      assert.equal(index.size, payments.length);
      for (const [i, payment] of payments.entries()) {
        assert.equal(index.find(payment.id), i);
        assert.deepEqual(index.at(i), payment);
      }
    }),
  );
});

Deno.test("a settled payment keeps as many attempts as are counted", () => {
  const index = new SettledIndex();
  const payment = paymentOf(idOf(1, 2, 3, 4));
  index.add({ ...payment, attempt: ATTEMPT_MAX + 5 });
  assert.deepEqual(index.at(0), { ...payment, attempt: ATTEMPT_MAX });
});

Deno.test("a known id stops everything: a payment is settled once", () => {
  const index = new SettledIndex();
  const [id, neighbour] = [idOf(1, 2, 3, 4), idOf(4, 3, 2, 1)];
  index.add(paymentOf(id, 7));
  index.add(paymentOf(neighbour));
  assert.throws(
    () => index.add(paymentOf(id, 8)),
    /invariant: payment 00000001-0000-0002-0000-000300000004 is settled/,
  );
  assert.equal(index.size, 2);
  assert.deepEqual(index.at(index.find(id)), paymentOf(id, 7));
});

Deno.test("the index finds every id and no other while it grows through its segments", () => {
  assertKeeps(Array.from({ length: 30_000 }, () => crypto.randomUUID()));
});

Deno.test("ids that differ in one word only, or in one bit, or not at all when their words are mixed, stay apart", () => {
  const count = 5_000;
  const numbers = Array.from({ length: count }, (_, i) => i);
  assertKeeps(numbers.map((i) => idOf(i, 0, 0, 0)));
  assertKeeps(numbers.map((i) => idOf(0, 0, 0, i)));
  assertKeeps(numbers.map((i) => idOf(i << 16, 0, i, 0)));
  assertKeeps(numbers.map((i) => idOf(i, i, i, i)));
  // words that cancel each other out wherever they are multiplied by a well-known constant and xor-ed
  for (const constant of [1, 31, 0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x2c1b3c6d]) {
    assertKeeps(numbers.map((i) => idOf(Math.imul(i, constant), i, 0, 0)));
  }
  const bits = Array.from(
    { length: 128 },
    (_, i) => idOf(...[0, 1, 2, 3].map((w) => i >> 5 === w ? 1 << (i & 31) : 0)),
  );
  assertKeeps([idOf(0, 0, 0, 0), ...bits]);
});

Deno.test("an empty index knows nothing, not even the id of zeros", () => {
  const index = new SettledIndex();
  assert.equal(index.find(idOf(0, 0, 0, 0)), -1);
  assert.equal(index.size, 0);
});

Deno.test("the index takes little more than BYTES_PER_PAYMENT for each of many", () => {
  const index = new SettledIndex();
  const count = 50_000;
  const before = Deno.memoryUsage().external;
  for (let i = 0; i < count; i++) index.add(paymentOf(idOf(i, i, i, i)));
  const bytes = Deno.memoryUsage().external - before;
  // a slot of four bytes, at least three eighths of them in use, as many that it had before, and a segment begun
  const most = count * (BYTES_PER_PAYMENT + 2 * 4 * 8 / 3) + (1 << 13) * BYTES_PER_PAYMENT;
  assert.ok(bytes <= most, `${bytes} bytes, ${most} at most`);
});
