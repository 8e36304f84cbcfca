/**
 * What the end of a call to `POST /payments` means: the table of DESIGN.md, promise 1.
 * @module
 */
import type { Outcome } from "../routing/processor_client.ts";

/** How a call ended: with an HTTP status, without a byte of it having been sent, or in any other way. */
export type CallEnd =
  | { readonly status: number; readonly text?: string }
  | { readonly unconnected: string }
  | { readonly broken: string };

/**
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(outcomeOf({ status: 200 }), { kind: "booked" });
 * assert.deepEqual(outcomeOf({ broken: "reset" }), { kind: "unknown", error: "reset" });
 * ```
 */
export function outcomeOf(ending: CallEnd): Outcome {
  if ("unconnected" in ending) return { kind: "refused", why: "unreachable", error: ending.unconnected };
  if ("broken" in ending) return { kind: "unknown", error: ending.broken };
  const { status, text = "" } = ending;
  const unknown = { kind: "unknown", error: `status ${status}` } as const;
  if ((status < 300 || status === 500) && isPage(text)) return { ...unknown, error: `status ${status} with a page` };
  // 202 promises nothing (RFC 9110, 15.3.3)
  if (status >= 200 && status < 300 && status !== 202) return { kind: "booked" };
  if (status === 422) return { kind: "already-booked" };
  if (status === 429) return { kind: "refused", why: "processor-full" };
  if (status === 500) return { kind: "refused-as-far-as-known" };
  if (status >= 300 && status < 500 && !UNDECIDED.includes(status)) return { kind: "refused", why: "rejected", status };
  return unknown;
}

/** 4xx that do not say that it is not booked: of what is in between (460 and 499: its caller went away), and 409, that the id is in use. */
const UNDECIDED = [408, 409, 425, 460, 499];

/** Whether a body, read as Latin-1, begins as a page for people. The processors speak JSON: something in between made it. */
export function isPage(text: string): boolean {
  return /^(?:\u00ef\u00bb\u00bf)?\s*</.test(text);
}
