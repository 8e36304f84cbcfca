/** `GET /payments-summary`. @module */
import type { z } from "@zod/zod";
import { amountOf } from "../payment/money.ts";
import type { Total } from "../payment/totals.ts";
import type { Edge, Handler } from "./app.ts";
import { problem, schemaProblem, starting } from "./problem.ts";
import { type summaryAnswer, summaryQuery } from "./schemas.ts";

const totalOf = ({ count, cents }: Total) => ({ totalRequests: count, totalAmount: amountOf(cents) });

/** Adds up what is settled from `from` to `to`, both ends inclusive to the millisecond. */
export function showSummary({ payments }: Edge): Handler {
  return (c) => {
    const field = ["from", "to"].find((name) => (c.req.queries(name)?.length ?? 0) > 1);
    if (field) return problem("invalid-query", `${field} is given more than once`, { field });
    // an empty bound is none
    const query = Object.fromEntries(Object.entries(c.req.query()).filter(([, text]) => text !== ""));
    const parsed = summaryQuery.safeParse(query);
    if (!parsed.success) return schemaProblem("invalid-query", parsed.error, query);
    const { from, to } = parsed.data;
    // a payment's time is a whole millisecond, so bounds are rounded inwards
    const summary = payments.summary(from && from.ms + Number(from.beyond !== ""), to?.ms);
    if (!summary) return starting();
    const totals = { default: totalOf(summary.default), fallback: totalOf(summary.fallback) };
    return c.json(totals satisfies z.infer<typeof summaryAnswer>);
  };
}
