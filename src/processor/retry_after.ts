/** The header Retry-After (RFC 9110, 10.2.3). @module */

/** Beginning with a day of the week, in the three forms that a date in HTTP has; `Date.parse` takes much more. */
const DATE =
  /^(?:mon|tue|wed|thu|fri|sat|sun)(?:, \d\d? [a-z]{3} \d{4} [\d:]{8} gmt|[a-z]*, \d\d-[a-z]{3}-\d\d [\d:]{8} gmt| [a-z]{3} [ \d]\d [\d:]{8} \d{4})$/i;

/**
 * How long to wait, in milliseconds: `Infinity` at most.
 *
 * @param nowMs since 1970, UTC
 * @returns undefined if `text` is neither seconds nor a date, or if there is nothing to wait for
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(retryAfterMs("2", 0), 2_000);
 * assert.equal(retryAfterMs("Thu, 01 Jan 1970 00:00:03 GMT", 1_000), 2_000);
 * assert.equal(retryAfterMs("-1", 0), undefined);
 * ```
 */
export function retryAfterMs(text: string, nowMs: number): number | undefined {
  const ms = /^\d+(?:\.\d+)?$/.test(text)
    ? Number(text) * 1_000
    : DATE.test(text)
    ? Date.parse(/gmt$/i.test(text) ? text : `${text} GMT`) - nowMs
    : NaN;
  return ms > 0 ? ms : undefined;
}
