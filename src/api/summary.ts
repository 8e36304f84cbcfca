/** `GET /payments-summary`. @module */
import type { z } from "@zod/zod";
import { amountOf } from "../payment/money.ts";
import type { Total } from "../payment/totals.ts";
import type { Edge, Handler } from "./app.ts";
import { cutOff, problem, schemaProblem, starting } from "./problem.ts";
import { type summaryAnswer, summaryQuery } from "./schemas.ts";

const totalOf = ({ count, cents }: Total) => ({ totalRequests: count, totalAmount: amountOf(cents) });

/** Adds up what is settled from `from` to `to`, both ends inclusive to the millisecond. */
export function showSummary({ payments }: Edge): Handler {
  return async (c) => {
    const field = ["from", "to"].find((name) => (c.req.queries(name)?.length ?? 0) > 1);
    if (field) return problem("invalid-query", `${field} is given more than once`, { field });
    // an empty bound is none
    const query = Object.fromEntries(Object.entries(c.req.query()).filter(([, text]) => text !== ""));
    const parsed = summaryQuery.safeParse(query);
    if (!parsed.success) return schemaProblem("invalid-query", parsed.error, query);
    const { from, to } = parsed.data;
    // payments are at whole milliseconds: those within exact bounds are those within the whole ones inside
    const summary = await payments.summary(from && from.ms + Number(from.beyond !== ""), to?.ms);
    if (!summary) return starting();
    if (summary === "cut-off") return cutOff();
    const totals = { default: totalOf(summary.default), fallback: totalOf(summary.fallback) };
    return c.json(totals satisfies z.infer<typeof summaryAnswer>);
  };
}
