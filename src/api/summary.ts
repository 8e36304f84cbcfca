/** `GET /payments-summary`. @module */
import type { Context } from "@hono/hono";
import type { z } from "@zod/zod";
import { amountOf } from "../payment/money.ts";
import type { Total } from "../payment/totals.ts";
import type { Payments } from "./service.ts";
import { ceilMs } from "./instant.ts";
import { problem, schemaProblem } from "./problem.ts";
import { type summaryAnswer, summaryQuery } from "./schemas.ts";

/** How many milliseconds ago the other replica was last heard; set only where its newest payments may be missing. */
export const STALE_HEADER = "x-galo-stale-ms";

/** Adds up what is settled from `from` to `to`, both ends inclusive to the millisecond. */
export function showSummary(payments: Payments): (c: Context) => Promise<Response> {
  return async (c) => {
    for (const field of ["from", "to"]) {
      if ((c.req.queries(field)?.length ?? 0) > 1) {
        return problem("invalid-query", `${field} is given more than once`, { field });
      }
    }
    const query = c.req.query();
    const parsed = summaryQuery.safeParse(query);
    if (!parsed.success) return schemaProblem("invalid-query", parsed.error, query);
    const { from, to } = parsed.data;
    // payments are at whole milliseconds: those within exact bounds are those within the whole ones inside
    const known = await payments.summary(from && ceilMs(from), to?.ms);
    if (!known) {
      return problem("recovering", "What was known before this start is still being read", {}, { "retry-after": "1" });
    }
    const { summary, staleMs } = known;
    if (staleMs !== null) c.header(STALE_HEADER, String(staleMs));
    const answer: z.infer<typeof summaryAnswer> = {
      default: totalOf(summary.default),
      fallback: totalOf(summary.fallback),
    };
    return c.json(answer);
  };
}

function totalOf({ count, cents }: Total): { totalRequests: number; totalAmount: number } {
  return { totalRequests: count, totalAmount: amountOf(cents) };
}
