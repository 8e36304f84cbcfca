/** Instants as ISO 8601 writes them, exact beyond the millisecond. @module */

/** A point in time. */
interface Instant {
  /** whole milliseconds since 1970, UTC, rounded down */
  readonly ms: number;
  /** the digits after the milliseconds, without zeros at the end */
  readonly beyond: string;
}

/**
 * What {@link parseInstant} reads, beside days and times that do not exist, as a regular expression. A "+" that was not
 * escaped in a query arrives as a space.
 */
export const ISO_PATTERN =
  "^([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[Tt ]([01][0-9]|2[0-4])(?::?([0-5][0-9])(?::?([0-5][0-9]|60)(?:[.,]([0-9]+))?)?)?" +
  "(?:[Zz]|([+ -])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?)?$";

const ISO = new RegExp(ISO_PATTERN);
const DAY_S = 86_400;

/**
 * Reads a calendar date, or one and a time with or without minutes, seconds, digits of them, and a zone, with separators
 * or without. No zone is UTC, no time is midnight. The leap second 23:59:60 is, as POSIX counts, the second after it.
 *
 * @returns undefined if `text` is no such thing, or a day or time that does not exist
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(parseInstant("1970-01-01T01:00:00.0015+01:00"), { ms: 1, beyond: "5" });
 * assert.deepEqual(parseInstant("1969-12-31T24:00:00Z"), { ms: 0, beyond: "" });
 * assert.equal(parseInstant("2025-02-30"), undefined);
 * ```
 */
export function parseInstant(text: string): Instant | undefined {
  const match = ISO.exec(text);
  if (!match) return undefined;
  const date = match.slice(1, 4).join("-");
  const [hour = "0", minute = "0", second = "0", digits = "", sign, zoneHour = "0", zoneMinute = "0"] = match.slice(4);
  const midnight = Date.parse(date);
  // Date.parse takes 30 February for 2 March
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(date)) return undefined;
  if (hour === "24" && /[1-9]/.test(minute + second + digits)) return undefined;
  const zoneS = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === "-" ? -60 : 60);
  const s = Number(hour) * 3600 + Number(minute) * 60 + Number(second) - zoneS;
  if (second === "60" && s % DAY_S !== 0) return undefined;
  const ms = midnight + s * 1000 + Number(digits.slice(0, 3).padEnd(3, "0"));
  return { ms, beyond: digits.slice(3).replace(/0+$/, "") };
}

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareInstants(a: Instant, b: Instant): number {
  return a.ms - b.ms || (a.beyond < b.beyond ? -1 : Number(a.beyond > b.beyond));
}
