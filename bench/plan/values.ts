/** What a setting of the policy may be tried with: one value, a list, or a range. @module */

import { OptionsError } from "../../tests/support/command_line.ts";

/** How many values one setting may have. */
const VALUES_MAX = 100;

/**
 * Numbers of a text: `300`, `5s`, `0,10s,60s` or a range `0..90s/15s`; times in milliseconds.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(parseValues("--patience", "0..30s/15s"), [0, 15_000, 30_000]);
 * assert.deepEqual(parseValues("--patience", "500,2s"), [500, 2_000]);
 * ```
 * @throws OptionsError naming the option
 */
export function parseValues(option: string, text: string): number[] {
  const values = text.split(",").flatMap((part) => {
    const range = /^(.+)\.\.(.+)\/(.+)$/.exec(part);
    if (!range) return [number(option, part)];
    const [from, to, step] = range.slice(1).map((piece) => number(option, piece)) as [number, number, number];
    if (step === 0 || to < from) throw new OptionsError(`${option}: ${JSON.stringify(part)} is no range from..to/step`);
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
  });
  if (values.length > VALUES_MAX) throw new OptionsError(`${option}: ${values.length} values, ${VALUES_MAX} at most`);
  return values;
}

function number(option: string, text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text.trim()) ?? [];
  if (digits === undefined) {
    throw new OptionsError(`${option}: ${JSON.stringify(text)} is no number such as 300, 250ms or 15s`);
  }
  return Number(digits) * (unit === "s" ? 1_000 : unit === "m" ? 60_000 : 1);
}
