import assert from "node:assert/strict";
import fc from "fast-check";
import { decimalsOf, longNumber, wordForAmount } from "../../src/api/json.ts";
import { centsOf } from "../../src/payment/money.ts";

Deno.test("counts the decimals of a number as it is written", () => {
  const cases: [string, number][] = [["19", 0], ["19.9", 1], ["19.90", 1], ["19.90000", 1], ["-1.25", 2]];
  cases.push(["1e2", 0], ["1.25e1", 1], ["1990e-2", 1], ["1E-3", 3], ["100e-2", 0]);
  for (const [number, decimals] of cases) assert.equal(decimalsOf(number), decimals, number);
});

Deno.test("reads the digits of the member that counts", () => {
  assert.equal(longNumber('{"amount":19.9}', "amount"), undefined);
  assert.equal(longNumber('{"amount":19.90000}', "amount"), "19.90000");
  assert.equal(longNumber('{"amount":1.0000001,"x":{"amount":2.0000001},"amount":19.9}', "amount"), "19.9");
  assert.equal(longNumber('{"x":"\\"amount\\":1.001","amount":19.90}', "amount"), "19.90");
});

Deno.test("a number that is too short to be looked at closely is what its double says", () => {
  const literal = fc.tuple(
    fc.nat(10 ** 12 - 1),
    fc.option(fc.stringMatching(/^[0-9]{1,2}$/)),
    fc.integer({ min: -4, max: 4 }),
  );
  fc.assert(fc.property(literal, ([whole, fraction, exponent]) => {
    const text = `${whole}${fraction === null ? "" : `.${fraction}`}e${exponent}`;
    assert.equal(longNumber(`{"amount":${text}}`, "amount"), undefined);
    const amount = Number(text);
    if (amount > 0 && amount <= 1e11) assert.equal(centsOf(amount) !== undefined, decimalsOf(text) <= 2, text);
  }));
});

Deno.test("finds the word that stands for an amount only in what is JSON otherwise", () => {
  assert.equal(wordForAmount('{"amount":NaN}'), "NaN");
  assert.equal(wordForAmount('{"amount" : -Infinity , "x": 1}'), "-Infinity");
  for (
    const text of ['{"amount":nan}', '{"amount":NaN', '{"x":NaN}', '{"x":{"amount":NaN}}', '["amount":NaN]', "NaN", ""]
  ) {
    assert.equal(wordForAmount(text), undefined, text);
  }
});
