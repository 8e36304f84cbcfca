/** What counting costs on the way of a payment, beside the same without it, and what a scrape costs. @module */
import type { Context } from "@hono/hono";
import { Histogram, Registry } from "prom-client";
import { measured } from "../src/api/app.ts";
import { Meters } from "../src/telemetry/meters.ts";
import { dispatched, settled } from "../src/payment/fact.ts";
import { FakePayments, ID } from "../tests/api/fake_payments.ts";
import { Facts } from "../tests/support/facts.ts";

const payments = new FakePayments();
const meters = new Meters("a", "0");
meters.start(payments);
meters.stop();

const answer = new Response(null, { status: 202 });
const handler = () => Promise.resolve(answer);
const counted = measured(meters.route("GET", "/bench"), handler);
const context = {} as Context;
Deno.bench("a request, not counted", { group: "request", baseline: true }, async () => void await handler());
Deno.bench("a request, counted", { group: "request" }, async () => void await counted(context));
const theirs = new Histogram({
  name: "bench_seconds",
  help: "-",
  labelNames: ["route"],
  registers: [new Registry()],
}).labels("/bench");
const asTheirs = measured({
  begin: () => performance.now(),
  end: (begun) => {
    const tookMs = performance.now() - begun;
    theirs.observe(tookMs / 1_000);
  },
}, handler);
Deno.bench("a request in prom-client's histogram", { group: "request" }, async () => void await asTheirs(context));

const facts = new Facts();
const taken = facts.accept(ID);
const bound = facts.dispatch(ID, "default");
const first = dispatched(taken, "a", "default", 2, "default-up");
const booking = { processor: "default", requestedAt: 2, cents: 1990 } as const;
const last = settled(bound, "a", 3, booking, "booked");
const end = facts.settle(ID);
const booked = Promise.resolve({ kind: "booked" } as const);
const client = { pay: () => booked, lookup: () => Promise.reject(), health: () => Promise.reject() };
const told = meters.client(client);
Deno.bench("dispatch and call, not counted", { group: "dispatch", baseline: true }, async () => {
  await client.pay();
});
Deno.bench("dispatch and call, counted", { group: "dispatch" }, async () => {
  meters.folded(first, true, bound);
  await told.pay("default", bound);
  meters.folded(last, true, end);
});

await meters.scrape();
Deno.bench("GET /metrics", async () => void await meters.scrape());
