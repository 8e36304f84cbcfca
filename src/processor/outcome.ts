/**
 * What the end of a call to `POST /payments` means: the table of DESIGN.md, promise 1.
 * @module
 */
import type { Outcome } from "../routing/processor_client.ts";

/** How a call ended: with an HTTP status, without a byte of it having been sent, or in any other way. */
export type Ending =
  | { readonly status: number }
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
export function outcomeOf(ending: Ending): Outcome {
  if ("unconnected" in ending) return { kind: "refused", why: "unreachable" };
  if ("broken" in ending) return { kind: "unknown", error: ending.broken };
  const { status } = ending;
  if (status >= 200 && status < 300) return { kind: "booked" };
  if (status === 422) return { kind: "already-booked" };
  if (status === 429) return { kind: "refused", why: "processor-full" };
  if (status === 500) return { kind: "failed" };
  // 408 and the other 5xx come from something in between, which does not know what stands behind it (RFC 9110)
  if (status >= 300 && status < 500 && status !== 408) return { kind: "refused", why: "rejected", status };
  return { kind: "unknown", error: `status ${status}` };
}
