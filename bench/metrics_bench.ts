/** What counting costs on the way of a payment, beside the same without it, and what a scrape costs. @module */
import type { Context } from "@hono/hono";
import { measured } from "../src/api/app.ts";
import { Meters } from "../src/telemetry/meters.ts";
import { dispatched, settled } from "../src/payment/fact.ts";
import { FakePayments, ID } from "../tests/api/fake_payments.ts";
import { Facts } from "../tests/support/facts.ts";

const payments = new FakePayments();
const meters = new Meters("a", "0");

const answer = new Response(null, { status: 202 });
const handler = () => Promise.resolve(answer);
const counted = measured([meters], "GET /bench", handler);
const context = {} as Context;
Deno.bench("a request, not counted", { group: "request", baseline: true }, async () => void await handler());
Deno.bench("a request, counted", { group: "request" }, async () => void await counted(context));
const facts = new Facts();
const taken = facts.accept(ID);
const bound = facts.dispatch(ID, "default");
const first = dispatched(taken, "a", "default", 2, "default-up");
const booking = { processor: "default", requestedAt: 2, cents: 1990 } as const;
const last = settled(bound, "a", 3, booking, "booked");
const paid = facts.settle(ID);
const booked = Promise.resolve({ kind: "booked" } as const);
const client = { pay: () => booked };
Deno.bench("dispatch and call, not counted", { group: "dispatch", baseline: true }, async () => {
  await client.pay();
});
Deno.bench("dispatch and call, counted", { group: "dispatch" }, async () => {
  meters.folded(first, true, bound);
  const end = await client.pay();
  meters.called("pay", "default", ID, end, 1);
  meters.folded(last, true, paid);
});

await meters.scrape(payments);
Deno.bench("GET /metrics", async () => void await meters.scrape(payments));
