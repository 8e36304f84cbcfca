import assert from "node:assert/strict";
import { compareInstants, parseInstant } from "../../src/payment/instant.ts";

const MS = Date.UTC(2025, 6, 15, 12, 34, 56);

Deno.test("reads every way to write the same instant", () => {
  const same = [
    "2025-07-15T12:34:56.000Z",
    "2025-07-15T12:34:56Z",
    "2025-07-15T12:34:56.0Z",
    "2025-07-15T12:34:56,000000000Z",
    "2025-07-15T12:34:56",
    "2025-07-15t12:34:56z",
    "2025-07-15 12:34:56Z",
    "2025-07-15T14:34:56+02:00",
    "2025-07-15T14:34:56 02:00",
    "2025-07-15T14:34:56+0200",
    "2025-07-15T14:34:56+02",
    "2025-07-15T07:04:56-05:30",
    "2025-07-15T12:34:56-00:00",
    "2025-07-15T12:34:56.0000000000000Z",
    "20250715T123456Z",
    "20250715T143456.0+0200",
  ];
  for (const text of same) assert.deepEqual(parseInstant(text), { ms: MS, beyond: "" }, text);
  assert.deepEqual(parseInstant("2025-07-15T12:34"), { ms: MS - 56_000, beyond: "" });
  assert.deepEqual(parseInstant("2025-07-15T12Z"), { ms: Date.UTC(2025, 6, 15, 12), beyond: "" });
  assert.deepEqual(parseInstant("20250715"), { ms: Date.UTC(2025, 6, 15), beyond: "" });
  assert.deepEqual(parseInstant("2025-07-15"), { ms: Date.UTC(2025, 6, 15), beyond: "" });
  assert.deepEqual(parseInstant("1969-12-31T23:59:59.999Z"), { ms: -1, beyond: "" });
  assert.deepEqual(parseInstant("0001-01-01T00:00:00Z"), { ms: -62_135_596_800_000, beyond: "" });
});

Deno.test("keeps the digits beyond the millisecond", () => {
  assert.deepEqual(parseInstant("2025-07-15T12:34:56.7Z"), { ms: MS + 700, beyond: "" });
  assert.deepEqual(parseInstant("2025-07-15T12:34:56.789012300Z"), { ms: MS + 789, beyond: "0123" });
  assert.deepEqual(parseInstant("1969-12-31T23:59:59.9995Z"), { ms: -1, beyond: "5" });
});

Deno.test("reads nothing where there is no such day, time or zone", () => {
  const none = ["", " ", "2025-02-30", "2025-02-29T00:00:00Z", "2025-00-01", "2025-01-32", "2025-07-15T25:00:00Z"];
  none.push("2025-07-15T12:60:00Z", "2025-07-15T12:34:60Z", "2025-07-15T12:34:56+24:00", "2025-07-15T12:34:56+02:60");
  none.push("2025-07-15T1", "2025-07-15T12:34:56.", "2025-07-15T", "2025-07-15Z", "2025-7-15");
  none.push("2025-07-15T24:00:01Z", "2025-07-15T24:01Z", "2025-07-15T24:00:00.001Z", "2025-07-15T24:00:60Z");
  none.push("2025-07-15T23:59:61Z", "2025-07-15T23:58:60Z", "2025-07-15T23:59:60+01:00", "2025-02-29T24:00:00Z");
  none.push(
    "2025-07-15T12:34:56ZZ",
    " 2025-07-15",
    "2025-07-15\n",
    "now",
    "1752582896000",
    "+002025-07-15",
  );
  for (const text of none) assert.equal(parseInstant(text), undefined, text);
});

Deno.test("reads the end of a day, and a leap second where a day of UTC ends", () => {
  const end = { ms: Date.UTC(2017, 0, 1), beyond: "" };
  const same = ["2016-12-31T24:00:00Z", "2016-12-31T24:00", "2016-12-31T24Z", "20161231T240000.000Z"];
  same.push("2016-12-31T24:00:00.000000000Z", "2016-12-31T23:59:60Z", "2016-12-31T23:59:60", "2016-12-31T23:59:60.0Z");
  same.push("2017-01-01T00:59:60+01:00", "2016-12-31T15:59:60-08:00", "2017-01-01T05:29:60+05:30");
  same.push("2016-12-31T24:00:00-00:00", "2017-01-01T01:00:00+01:00", "2016-12-31T19:00:00-05:00");
  for (const text of same) assert.deepEqual(parseInstant(text), end, text);
  assert.deepEqual(parseInstant("2016-12-31T24:00:00-05:00"), { ms: end.ms + 5 * 3_600_000, beyond: "" });
  assert.deepEqual(parseInstant("2016-12-31T23:59:60.9995Z"), { ms: end.ms + 999, beyond: "5" });
  assert.deepEqual(parseInstant("2024-02-28T24:00:00Z"), { ms: Date.UTC(2024, 1, 29), beyond: "" });
});

Deno.test("takes a leap day for a day in leap years only", () => {
  assert.deepEqual(parseInstant("2024-02-29"), { ms: Date.UTC(2024, 1, 29), beyond: "" });
  assert.equal(parseInstant("2100-02-29"), undefined);
});

Deno.test("orders instants beyond the millisecond", () => {
  const ordered = [
    "2025-07-15T12:34:56.789Z",
    "2025-07-15T12:34:56.78901Z",
    "2025-07-15T12:34:56.789011Z",
    "2025-07-15T12:34:56.7891Z",
    "2025-07-15T12:34:56.790Z",
  ];
  const instants = ordered.map((text) => parseInstant(text)!);
  for (const [i, a] of instants.entries()) {
    for (const [j, b] of instants.entries()) assert.equal(Math.sign(compareInstants(a, b)), Math.sign(i - j));
  }
});
