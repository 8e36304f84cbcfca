/**
 * The way of one payment through the edge, next to the plain alternatives. Every line makes a request of its own, which
 * the first line measures alone.
 * @module
 */
import { Hono } from "@hono/hono";
import { createApp } from "../src/api/app.ts";
import { longNumber } from "../src/api/json.ts";
import { paymentBody } from "../src/api/schemas.ts";
import { parseObject } from "../src/json.ts";
import { parseId } from "../src/payment/id.ts";
import { centsOf } from "../src/payment/money.ts";
import type { Acceptance, Service } from "../src/service/service.ts";
import type { Watching } from "../src/console/watching.ts";

const TEXT = JSON.stringify({ correlationId: "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3", amount: 19.9 });
const HEADERS = { "content-type": "application/json", "content-length": String(TEXT.length) };

/** Takes every payment at once and keeps none. */
const payments = { accept: (): Acceptance => "accepted" } as unknown as Service;

const watching = {} as Watching;
const galo = createApp({ payments, allowPurge: false, now: () => 0, onInvariant() {}, watching });

const hono = new Hono();
hono.post("/payments", async (c) => {
  const { correlationId, amount } = await c.req.json();
  await payments.accept(correlationId, amount);
  return c.body(null, 202, { location: `/payments/${correlationId}` });
});

async function bare(request: Request): Promise<Response> {
  const { correlationId, amount } = await request.json();
  await payments.accept(correlationId, amount);
  return new Response(null, { status: 202, headers: { location: `/payments/${correlationId}` } });
}

const request = () => new Request("http://localhost/payments", { method: "POST", body: TEXT, headers: HEADERS });

Deno.bench("a request, not answered", { group: "POST /payments", baseline: true }, () => void request());
Deno.bench("bare handler, no checks", { group: "POST /payments" }, async () => void await bare(request()));
Deno.bench("bare Hono, no checks", { group: "POST /payments" }, async () => void await hono.fetch(request()));
Deno.bench("galo: size, type, UTF-8, schema, digits", { group: "POST /payments" }, async () => {
  const { status } = await galo.fetch(request());
  if (status !== 202) throw new Error(`answered ${status}`);
});

const BODY = parseObject(TEXT)!;

Deno.bench("zod schema", { group: "validate", baseline: true }, () => void paymentBody.safeParse(BODY));
Deno.bench("by hand", { group: "validate" }, () => {
  const { correlationId, amount } = BODY;
  if (typeof correlationId !== "string" || typeof amount !== "number") throw new Error("wrong type");
  if (parseId(correlationId) === undefined || centsOf(amount) === undefined) throw new Error("wrong value");
});

Deno.bench("look for long numbers first", { group: "digits", baseline: true }, () => void longNumber(TEXT, "amount"));
Deno.bench("source text of every number", { group: "digits" }, () => {
  JSON.parse(
    TEXT,
    (_name: string, value: unknown, context?: { source: string }) =>
      typeof value === "number" ? context!.source : value,
  );
});
