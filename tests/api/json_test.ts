import assert from "node:assert/strict";
import fc from "fast-check";
import { decimalsOf, longNumber, wordForAmount } from "../../src/api/json.ts";
import { repeatsName } from "../../src/json.ts";
import { parseObject } from "../../src/json.ts";
import { centsOf } from "../../src/payment/money.ts";

Deno.test("counts the decimals of a number as it is written", () => {
  const cases: [string, number][] = [["19", 0], ["19.9", 1], ["19.90", 1], ["19.90000", 1], ["-1.25", 2]];
  cases.push(["1e2", 0], ["1.25e1", 1], ["1990e-2", 1], ["1E-3", 3], ["100e-2", 0]);
  for (const [number, decimals] of cases) assert.equal(decimalsOf(number), decimals, number);
});

Deno.test("reads the digits of the last member of that name", () => {
  assert.equal(longNumber('{"amount":19.9}', "amount"), undefined);
  assert.equal(longNumber('{"amount":19.90000}', "amount"), "19.90000");
  assert.equal(longNumber('{"amount":1.0000001,"x":{"amount":2.0000001},"amount":19.9}', "amount"), "19.9");
  assert.equal(longNumber('{"x":"\\"amount\\":1.001","amount":19.90}', "amount"), "19.90");
});

Deno.test("a short number is what its double says, and its digits are not read", () => {
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

Deno.test("finds a word in place of the amount only if the rest is JSON", () => {
  assert.equal(wordForAmount('{"amount":NaN}'), "NaN");
  assert.equal(wordForAmount('{"amount" : -Infinity , "x": 1}'), "-Infinity");
  for (
    const text of ['{"amount":nan}', '{"amount":NaN', '{"x":NaN}', '{"x":{"amount":NaN}}', '["amount":NaN]', "NaN", ""]
  ) {
    assert.equal(wordForAmount(text), undefined, text);
  }
});

Deno.test("sees every name that stands twice in an object, and no other", () => {
  const repeated = [
    '{"amount":100.00,"amount":0.01}',
    '{"amount":1,"amount":1}',
    '{"amount" : 1 , "amo\\u0075nt"\n:\t2}',
    '{"\\u0061mount":1,"\\u0061\\u006Dount":2}',
    '{"x":1,"amount":1,"x":2}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"a":{"b":[{"c":1,"d":{"e":0,"e":0}}]}}',
    '{"a":{"b":1,"b":2},"a":3}',
    '{"a":"\\"","a":":"}',
    '{"a\\"":1,"a\\u0022":2}',
    '{"a":["b:",{"b\\/":1,"b/":2}]}',
  ];
  for (const text of repeated) assert.ok(repeatsName(text, parseObject(text)!), text);
  const plain = [
    "{}",
    '{"amount":19.9}',
    '{"amount":1,"Amount":2,"amount ":3,"amount:":4}',
    '{"a":"a","b":"\\"a\\":1,\\"a\\":2"}',
    '{"a":{"a":{"a":[{"a":1},{"a":2}]}},"b":["a:",":a",":"]}',
    '{"__proto__":{"__proto__":1},"constructor":2}',
    '{"a\\\\":1,"a":2}',
    '{"\u00e9":1,"e\u0301":2}',
  ];
  for (const text of plain) assert.ok(!repeatsName(text, parseObject(text)!), text);
});

Deno.test("JSON that is written from a value repeats no name, and does so once a member is in it twice", () => {
  // no name has a backslash: after one with `a\\`, V8 15.0 reads `"a\""` as `a\\`
  const key = fc.oneof(fc.stringMatching(/^[a-z: ]{0,6}$/), fc.constantFrom("amount", "a:", 'a"', "é", "__proto__"));
  const values = fc.oneof(fc.integer(), fc.string(), fc.array(fc.dictionary(key, fc.string())));
  fc.assert(fc.property(fc.dictionary(key, values), key, values, (value, name, more) => {
    const text = JSON.stringify(value);
    assert.ok(!repeatsName(text, parseObject(text)!), text);
    const escaped = [...name].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
    const first = `{${JSON.stringify(name)}:${JSON.stringify(more)},"${escaped}":${text}}`;
    assert.ok(repeatsName(first, parseObject(first)!), first);
  }));
});
