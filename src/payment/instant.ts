/** Instants as ISO 8601 writes them, exact beyond the millisecond. @module */

/** A point in time. */
export interface Instant {
  /** whole milliseconds since 1970, UTC, rounded down */
  readonly ms: number;
  /** the digits after the milliseconds, without zeros at the end */
  readonly beyond: string;
}

/**
 * What {@link parseInstant} reads, beside days and times that do not exist, as a regular expression. Digits of a second:
 * enough for picoseconds. A "+" that was not escaped in a query arrives as a space.
 */
export const ISO_PATTERN =
  "^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)?" +
  "(?:[Zz]|([+ -])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?)?$";

const ISO = new RegExp(ISO_PATTERN);

/**
 * Reads a date, or a date and time with or without seconds, digits of them, and a zone. No zone is UTC, no time is
 * midnight.
 *
 * @returns undefined where `text` is no such thing, or a day or time that does not exist
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(parseInstant("1970-01-01T01:00:00.0015+01:00"), { ms: 1, beyond: "5" });
 * assert.equal(parseInstant("2025-02-30"), undefined);
 * ```
 */
export function parseInstant(text: string): Instant | undefined {
  const match = ISO.exec(text);
  if (!match) return undefined;
  const [, date, hour = "00", minute = "00", second = "00", digits = "", sign, zoneHour = "0", zoneMinute = "0"] =
    match;
  const iso = `${date}T${hour}:${minute}:${second}.${digits.slice(0, 3).padEnd(3, "0")}Z`;
  const local = Date.parse(iso);
  // Date.parse takes 30 February for 2 March
  if (Number.isNaN(local) || new Date(local).toISOString() !== iso) return undefined;
  const zoneMs = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000;
  return { ms: sign === "-" ? local + zoneMs : local - zoneMs, beyond: digits.slice(3).replace(/0+$/, "") };
}

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareInstants(a: Instant, b: Instant): number {
  return a.ms - b.ms || (a.beyond < b.beyond ? -1 : Number(a.beyond > b.beyond));
}

/** The first whole millisecond that is not before the instant. */
export function ceilMs({ ms, beyond }: Instant): number {
  return beyond ? ms + 1 : ms;
}
