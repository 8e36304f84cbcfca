import assert from "node:assert/strict";
import { retryAfterMs } from "../../src/processor/retry_after.ts";

/** Sunday. */
const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);

for (
  const [text, ms] of [
    ["1", 1_000],
    ["0120", 120_000],
    ["2.542", 2_542],
    ["2.0", 2_000],
    ["0.493", 493],
    ["99999999999999999999", 99999999999999999999 * 1_000],
    ["9".repeat(400), Infinity],
    ["Sun, 06 Nov 1994 08:49:40 GMT", 3_000],
    ["sun, 06 nov 1994 08:49:40 gmt", 3_000],
    ["Sunday, 06-Nov-94 08:49:40 GMT", 3_000],
    ["Sun Nov  6 08:49:40 1994", 3_000],
    ["Wed, 31 Dec 9999 23:59:59 GMT", Date.UTC(9999, 11, 31, 23, 59, 59) - NOW],
  ] as const
) {
  Deno.test(`retryAfterMs() takes ${JSON.stringify(text.slice(0, 40))} for ${ms} ms`, () => {
    assert.equal(retryAfterMs(text, NOW), ms);
  });
}

Deno.test("retryAfterMs() ignores what is neither seconds nor a date, and a time in the past", () => {
  const past = ["0", "Sun, 06 Nov 1994 08:49:37 GMT", "Sat, 05 Nov 1994 08:49:40 GMT", "Sun Nov  6 08:49:36 1994"];
  const malformed = [
    "",
    "-1",
    "+2",
    "1.",
    ".5",
    "0.0",
    "1.5.1",
    "1e3",
    "0x10",
    "2s",
    "1 2",
    "1,2",
    "soon",
    "Infinity",
    "NaN",
  ];
  const dates = ["2094-11-06T08:49:40Z", "06 Nov 2094 08:49:40 GMT", "Sun, 06 Nov 2094 08:49:40 +0100", "Sun, 06 Nov"];
  for (const text of [...past, ...malformed, ...dates, "Sun, 99 Nov 2094 08:49:40 GMT"]) {
    assert.equal(retryAfterMs(text, NOW), undefined, text);
  }
});
