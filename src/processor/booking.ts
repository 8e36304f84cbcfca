/** Reads a processor's answer to a lookup, if it has one possible meaning only. @module */
import { type JsonObject, parseObject, repeatsName } from "../json.ts";
import { parseInstant } from "../payment/instant.ts";
import { type Cents, centsOf } from "../payment/money.ts";
import type { Lookup } from "../routing/processor_client.ts";

/** The members of an answer, by their names without case, "_" and "-". */
const NAMES = { correlationid: "correlationId", amount: "amount", requestedat: "requestedAt" } as const;
type Name = typeof NAMES[keyof typeof NAMES];
/** How many characters of a value are shown that is not understood. */
const SHOWN_MAX = 40;
/** Dates as mail and HTTP write them. */
const RFC_2822 = /^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|UTC|[+-]\d{4})$/;

/**
 * Reads the answer to `GET /payments/{id}`.
 *
 * @param id the payment that was asked for, in its canonical form
 * @returns `found`, or `unclear` with the member that is wrong
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
 * const text = `{"correlation_id":"${id}","amount":"19.90","requested_at":"1970-01-01 00:00:01"}`;
 * assert.deepEqual(readBooking(text, id), { kind: "found", cents: 1990, requestedAt: 1_000 });
 * ```
 */
export function readBooking(text: string, id: string): Lookup {
  const body = parseObject(text);
  if (!body) return { kind: "unclear", error: "the answer is no JSON object" };
  if (repeatsName(text, body)) return { kind: "unclear", error: "a name is in it twice" };
  const { correlationId, amount, requestedAt } = membersOf(body);
  const cents = centsIn(amount);
  const at = msIn(requestedAt);
  if (!isId(correlationId, id)) return unclear("correlationId", correlationId);
  if (cents === undefined) return unclear("amount", amount);
  if (at === undefined) return unclear("requestedAt", requestedAt);
  return { kind: "found", cents, requestedAt: at };
}

/** The complaint, the same for all answers with this mistake; nested values stay out, since they may be deeper than the stack. */
function unclear(name: string, value: unknown): Lookup {
  if (value === undefined) return { kind: "unclear", error: `${name} is missing` };
  if (value === TWICE) return { kind: "unclear", error: `${name} is in it twice` };
  if (name === "correlationId") return { kind: "unclear", error: `${name} is not the one that was asked for` };
  const shown = JSON.stringify(value, (_, inside) => typeof inside === "object" && inside !== value ? "…" : inside);
  return { kind: "unclear", error: `${name} is ${shown.slice(0, SHOWN_MAX)}` };
}

/** Replaces a value whose name is in the answer twice. */
const TWICE = Symbol("twice");

function membersOf(body: JsonObject): Partial<Record<Name, unknown>> {
  const members: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(body)) {
    const name: Name | undefined = NAMES[key.replaceAll(/[_-]/g, "").toLowerCase() as keyof typeof NAMES];
    if (name) members[name] = name in members ? TWICE : value;
  }
  return members;
}

/** Whether a value is the id, in any form that UUIDs are written in. */
function isId(value: unknown, id: string): boolean {
  if (typeof value !== "string") return false;
  const bare = value.trim().toLowerCase().replace(/^urn:uuid:|^\{(?=.*\}$)/, "").replace(/\}$/, "");
  return bare === id || bare === id.replaceAll("-", "");
}

/** A number, or a decimal as text: no thousands, no comma, no currency. */
function centsIn(value: unknown): Cents | undefined {
  if (typeof value === "number") return centsOf(value);
  const text = typeof value === "string" ? value.trim() : "";
  return /^\d+(?:\.\d{1,2}0*)?$/.test(text) ? centsOf(Number(text)) : undefined;
}

/** An instant in a common form, in milliseconds since 1970; UTC without a zone. */
function msIn(value: unknown): number | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  if (RFC_2822.test(text)) return Number.isNaN(Date.parse(text)) ? undefined : Date.parse(text);
  const iso = text
    // 2025/07/01, 20250701T120000Z, a zone after a space, a zone by name, and its name behind the offset (RFC 9557)
    .replace(/^(\d{4})\/(\d\d)\/(\d\d)/, "$1-$2-$3")
    .replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/, "$1-$2-$3T$4:$5:$6")
    .replace(/(\dZ|[+-]\d\d(?::?\d\d)?)\[[\w/+-]+\]$/i, "$1")
    .replace(/ ?(?:UTC|GMT|Z)$/i, "Z")
    .replace(/ ([+-]\d\d(?::?\d\d)?)$/, "$1")
    .replace(/([.,]\d{12})\d+/, "$1");
  // a day alone is no instant
  return /\d:\d/.test(iso) ? parseInstant(iso)?.ms : undefined;
}
