/** What the end of a call to `POST /payments` means: the table of DESIGN.md, promise 1. @module */
import { parseObject } from "../json.ts";
import type { Outcome } from "../routing/processor_client.ts";
import type { Ended } from "./http.ts";

/**
 * The outcome of a call.
 *
 * @param ended if the body breaks off, the status line is enough for a refusal
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(outcomeOf({ status: 200, text: "{}" }), { kind: "booked" });
 * assert.deepEqual(outcomeOf({ sent: true, error: "reset" }), { kind: "unknown", error: "reset" });
 * ```
 */
export function outcomeOf({ status, text = "", sent, error = "no answer" }: Partial<Ended>): Outcome {
  if (status === undefined) return sent ? { kind: "unknown", error } : { kind: "refused", why: "unreachable", error };
  const unknown = { kind: "unknown", error: `status ${status}` } as const;
  // 202 promises nothing (RFC 9110, 15.3.3), and an answer without JSON comes from a proxy in between
  if (status >= 200 && status < 300 && status !== 202) {
    return parseObject(text) ? { kind: "booked" } : { ...unknown, error: `status ${status} without JSON` };
  }
  if (status === 422) return { kind: "already-booked" };
  if (status === 429) return { kind: "refused", why: "processor-full" };
  // an HTML page comes from a proxy too
  if (status === 500 && !text.trimStart().startsWith("<")) return { kind: "refused-as-far-as-known" };
  if (status >= 300 && status < 500 && !UNDECIDED.includes(status)) return { kind: "refused", why: "rejected", status };
  return unknown;
}

/** 4xx that do not rule out a booking: those of a proxy (460 and 499: its caller went away), and 409: the id is in use. */
const UNDECIDED = [408, 409, 425, 460, 499];
