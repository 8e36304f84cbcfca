import assert from "node:assert/strict";
import { readBooking } from "../../src/processor/booking.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const AT = Date.UTC(2025, 6, 1, 12, 0, 0, 7);
const USUAL = { correlationId: ID, amount: 19.9, requestedAt: "2025-07-01T12:00:00.007Z" };
const FOUND = { kind: "found", cents: 1990, requestedAt: AT };

function read(body: unknown) {
  return readBooking(JSON.stringify(body), ID);
}

Deno.test("readBooking() understands other spellings of the names", () => {
  const { correlationId, amount, requestedAt } = USUAL;
  for (
    const [first, second, third] of [
      ["correlation_id", "amount", "requested_at"],
      ["CorrelationId", "Amount", "RequestedAt"],
      ["CORRELATION_ID", "AMOUNT", "REQUESTED_AT"],
      ["correlation-id", "amount", "requested-at"],
      ["correlationID", "amount", "requestedat"],
    ] as const
  ) {
    assert.deepEqual(read({ [third]: requestedAt, [second]: amount, [first]: correlationId, more: null }), FOUND);
  }
});

Deno.test("readBooking() understands the id in every form that UUIDs are written in, and only this id", () => {
  for (const id of [ID.toUpperCase(), ID.replaceAll("-", ""), `urn:uuid:${ID}`, `{${ID}}`, ` ${ID} `]) {
    assert.deepEqual(read({ ...USUAL, correlationId: id }), FOUND, id);
  }
  const other = "correlationId is not the one that was asked for";
  for (const id of [crypto.randomUUID(), 5, null, "", `${ID}0`, `{${ID}`, ID.slice(1)]) {
    assert.deepEqual(read({ ...USUAL, correlationId: id }), { kind: "unclear", error: other }, `${id}`);
  }
});

Deno.test("readBooking() understands decimals as text, and no other text", () => {
  for (const amount of ["19.90", "19.9", "19.900000", "019.90", " 19.9 "]) {
    assert.deepEqual(read({ ...USUAL, amount }), FOUND, amount);
  }
  assert.deepEqual(read({ ...USUAL, amount: "20" }), { ...FOUND, cents: 2000 });
  for (
    const amount of [
      "19,90",
      "1,990.00",
      "1.990,00",
      "19.901",
      "R$ 19.90",
      "19.90 BRL",
      "-19.9",
      "1.99e1",
      "",
      "0",
      "0x13",
    ]
  ) {
    const error = `amount is ${JSON.stringify(amount)}`;
    assert.deepEqual(read({ ...USUAL, amount }), { kind: "unclear", error });
  }
  for (const amount of [-1, 0, 0.001, true, null, [19.9]]) {
    assert.deepEqual(read({ ...USUAL, amount }), { kind: "unclear", error: `amount is ${JSON.stringify(amount)}` });
  }
});

for (
  const requestedAt of [
    "2025-07-01T12:00:00.007Z",
    "2025-07-01T12:00:00.007",
    "2025-07-01 12:00:00.007",
    "2025-07-01t12:00:00.007z",
    "2025-07-01T12:00:00,007Z",
    "2025-07-01T12:00:00.0079Z",
    "2025-07-01T12:00:00.007999999Z",
    "2025-07-01T12:00:00.0079999999999999Z",
    "2025-07-01T14:00:00.007+02:00",
    "2025-07-01T14:00:00.007+0200",
    "2025-07-01T14:00:00.007+02",
    "2025-07-01 14:00:00.007 +0200",
    "2025-07-01 12:00:00.007 UTC",
    "2025-07-01 12:00:00.007 GMT",
    "2025-07-01T08:30:00.007-03:30",
    "2025-07-01T14:00:00.007+02:00[Europe/Berlin]",
    "20250701T120000.007Z",
    "2025/07/01 12:00:00.007",
  ]
) {
  Deno.test(`readBooking() understands the instant ${requestedAt}`, () => {
    assert.deepEqual(read({ ...USUAL, requestedAt }), FOUND);
  });
}

Deno.test("readBooking() understands instants of whole or tenths of seconds", () => {
  const whole = AT - 7;
  for (const text of ["2025-07-01T12:00:00Z", "2025-07-01T12:00Z", "Tue, 01 Jul 2025 12:00:00 GMT"]) {
    assert.deepEqual(read({ ...USUAL, requestedAt: text }), { ...FOUND, requestedAt: whole }, text);
  }
  assert.deepEqual(read({ ...USUAL, requestedAt: "2025-07-01T12:00:00.1Z" }), { ...FOUND, requestedAt: whole + 100 });
  const mail = "Tue, 1 Jul 2025 14:00:00 +0200";
  assert.deepEqual(read({ ...USUAL, requestedAt: mail }), { ...FOUND, requestedAt: whole });
});

Deno.test("readBooking() does not guess an instant", () => {
  const texts = ["soon", "", "2025-07-01", "1751371200007", "01/07/2025 12:00:00", "12:00:00", "2025-02-30T12:00:00Z"];
  const more = ["2025-07-01T14:00:00[Europe/Berlin]", "2025-07-01 12:00:00 CEST", "/Date(1751371200007)/"];
  for (const requestedAt of [...texts, ...more, 1751371200007, 1751371200, null, {}]) {
    const error = `requestedAt is ${JSON.stringify(requestedAt)}`;
    assert.deepEqual(read({ ...USUAL, requestedAt }), { kind: "unclear", error });
  }
});

Deno.test("readBooking() says what is missing, is in it twice, or is no object", () => {
  for (const name of ["correlationId", "amount", "requestedAt"]) {
    const { [name]: _, ...rest } = USUAL as Record<string, unknown>;
    assert.deepEqual(read(rest), { kind: "unclear", error: `${name} is missing` });
  }
  assert.deepEqual(read({ ...USUAL, Amount: 0.01 }), { kind: "unclear", error: "amount is in it twice" });
  const twice = JSON.stringify(USUAL).replace('"amount"', '"amount":0.01,"amount"');
  assert.deepEqual(readBooking(twice, ID), { kind: "unclear", error: "a name is in it twice" });
  for (const more of [`"meta":{},"amount":1`, `"meta":{},"requested\\u0041t":"2025-07-01T12:00:00Z"`]) {
    const text = JSON.stringify(USUAL).replace(/}$/, `,${more}}`);
    assert.deepEqual(readBooking(text, ID), { kind: "unclear", error: "a name is in it twice" });
  }
  for (const text of ["", "<html>", "null", "[]", '"text"', "{", "5"]) {
    assert.deepEqual(readBooking(text, ID), { kind: "unclear", error: "the answer is no JSON object" });
  }
});
