/** JSON as the edge needs it: strict about bytes, exact about numbers. @module */

import { parseObject } from "../json.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** A number of 16 significant digits has three decimals, or 13 digits before the point; a double keeps shorter ones. */
const LONG_NUMBER = /\.\d{3}|\d{13}/;

/** Reads UTF-8. @returns the text, or undefined if the bytes are no UTF-8 */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The digits of a number that may have more of them than a double keeps: `19.900000000000000001` is read as 19.9.
 *
 * @param text JSON of an object in which `name` is a number
 * @returns undefined if no number in the text is that long: this check costs a tenth of reading the digits
 */
export function longNumber(text: string, name: string): string | undefined {
  if (!LONG_NUMBER.test(text)) return undefined;
  const sources = (_name: string, value: unknown, context?: { source: string }) =>
    typeof value === "number" ? context!.source : value;
  return JSON.parse(text, sources)[name];
}

/**
 * How many decimals a JSON number other than zero has, without zeros at the end.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(decimalsOf("19.900000000000000001"), 18);
 * assert.equal(decimalsOf("1990e-2"), 1);
 * ```
 */
export function decimalsOf(number: string): number {
  const [, whole, fraction = "", exponent = "0"] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number)!;
  const digits = whole + fraction;
  let length = digits.length;
  while (digits[length - 1] === "0") length--;
  return Math.max(0, length - whole!.length - Number(exponent));
}

/**
 * The word that stands as the amount, if the text is JSON once that word is quoted: some languages write NaN and
 * Infinity, which JSON does not have.
 */
export function wordForAmount(text: string): string | undefined {
  const quoted = text.replace(/("amount"\s*:\s*)(NaN|-?Infinity)(?=\s*[,}])/, '$1"$2"');
  if (quoted === text) return undefined;
  const word = parseObject(quoted)?.amount;
  return typeof word === "string" ? word : undefined;
}
