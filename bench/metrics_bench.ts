/** What counting costs on the way of a payment, beside the same without it, and what a scrape costs. @module */
import type { Context } from "@hono/hono";
import { Histogram, Registry } from "prom-client";
import { measured } from "../src/api/measured.ts";
import { Meters } from "../src/telemetry/meters.ts";
import { accepted, dispatched, settled } from "../src/payment/fact.ts";
import { timedClient, timedRecord } from "../src/telemetry/timed.ts";
import { FakePayments, ID } from "../tests/api/fake_payments.ts";

const payments = new FakePayments();
const meters = new Meters("0");
meters.start(payments, () => ({ gossip: undefined, store: undefined, held: undefined }));
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
    return tookMs;
  },
}, handler);
Deno.bench("a request in prom-client's histogram", { group: "request" }, async () => void await asTheirs(context));

const bound = dispatched(accepted(ID, 1990, 1, "a"), "a", "default", 2, "default-up");
const end = settled(bound, "default", 2, 1990, "default-up");
const yes = Promise.resolve(true);
const booked = Promise.resolve({ kind: "booked" } as const);
const client = { pay: () => booked, lookup: () => Promise.reject(), health: () => Promise.reject() };
const through = async (record: typeof plain.record, pay: typeof plain.client) => {
  await record(bound);
  await pay.pay("default", bound);
  await record(end);
};
const plain = { record: timedRecord(undefined, () => yes), client: client as ReturnType<typeof timedClient> };
const told = { record: timedRecord(meters, () => yes), client: timedClient(meters, client) };
Deno.bench(
  "dispatch and call, not counted",
  { group: "dispatch", baseline: true },
  () => through(plain.record, plain.client),
);
Deno.bench("dispatch and call, counted", { group: "dispatch" }, () => through(told.record, told.client));

await meters.scrape();
Deno.bench("GET /metrics", async () => void await meters.scrape());
