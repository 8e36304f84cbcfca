/** `POST /payments` and `GET /payments/{id}`. @module */
import { accepts } from "@hono/hono/accepts";
import type { z } from "@zod/zod";
import { parseObject, repeatsName } from "../json.ts";
import { parseId } from "../payment/id.ts";
import { amountOf, centsOf } from "../payment/money.ts";
import type { Payment } from "../payment/payment.ts";
import type { Story } from "../console/watching.ts";
import type { Edge, Handler } from "./app.ts";
import { readBody } from "./body.ts";
import { decimalsOf, decodeText, longNumber, wordForAmount } from "./json.ts";
import { cutOff, fieldProblem, problem, schemaProblem, starting } from "./problem.ts";
import { progressOf, WHY } from "./reason.ts";
import { page } from "./pages.ts";
import { type paymentAnswer, paymentBody, TOO_MANY_DECIMALS } from "./schemas.ts";

/** The longest body of a payment, in bytes. */
export const BODY_BYTES_MAX = 4096;

/** A payment is shown at one path in two forms. */
const FORMS = { header: "Accept" as const, supports: ["application/json", "text/html"], default: "application/json" };
const VARY = { vary: "Accept" };

/** Why a payment is not acknowledged. */
export const REFUSALS = {
  "body-too-long": `A payment has at most ${BODY_BYTES_MAX} bytes`,
  "malformed-body": "The body ended before it was complete",
  "queue-full": "The payment was not taken: QUEUE_MAX payments are waiting already",
  "log-full": "The payment was not taken: the log has reached LOG_MAX_MB, or its disk is full",
  "memory-full": "The payment was not taken: this replica's memory has no room for more payments",
  "total-full": "The payment was not taken: with it, the totals could not be kept exact to the cent",
  "uncovered": "The payment may have been taken: sending it again is safe",
  "cut-off": "The payment was not taken: this replica cannot reach the log; send it to another one",
  "not-serving": "The payment was not taken",
};

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** Takes a payment in. */
export function takePayment({ payments }: Edge) {
  return async ({ req }: { readonly req: { readonly raw: Request } }): Promise<Response> => {
    const payment = await readPayment(req.raw);
    if (payment instanceof Response) return payment;
    const { id, cents } = payment;
    const location = `/payments/${id}`;
    const accepting = payments.accept(id, cents);
    // `await` costs a turn of the event loop even when there is nothing to wait for
    const acceptance = typeof accepting === "string" ? accepting : await accepting;
    if (acceptance === "accepted") return new Response(null, { status: 202, headers: { location } });
    if (acceptance === "conflict") {
      return problem("conflict", `Payment ${id} is known with another amount`, { instance: location });
    }
    return problem(acceptance, REFUSALS[acceptance], {}, acceptance === "not-serving" ? { connection: "close" } : {});
  };
}

/** The id and cents of the payment in a request's body, or the answer that says what is wrong with it. */
async function readPayment(request: Request): Promise<{ id: string; cents: number } | Response> {
  const type = request.headers.get("content-type");
  if (type !== null && !JSON_TYPE.test(type)) {
    return problem("not-json", "The content type must be application/json");
  }
  const coding = request.headers.get("content-encoding");
  if (coding !== null && !/^identity$/i.test(coding)) {
    return problem("not-json", "A payment must come without Content-Encoding", {}, { "accept-encoding": "identity" });
  }
  const bytes = await readBody(request, BODY_BYTES_MAX);
  // the rest of the body is never read, so the connection cannot be used again
  if (typeof bytes === "string") return problem(bytes, REFUSALS[bytes], {}, { connection: "close" });
  const text = decodeText(bytes);
  if (text === undefined) return problem("malformed-body", "The body is not UTF-8");
  const body = parseObject(text);
  if (!body) {
    const word = wordForAmount(text);
    if (word !== undefined) return fieldProblem("invalid-payment", "amount", "must be a number", word);
    return problem("malformed-body", "A payment is a JSON object with correlationId and amount");
  }
  if (repeatsName(text, body)) {
    return problem("repeated-name", "A name that stands twice does not say which of its values counts");
  }
  const id = typeof body.correlationId === "string" ? parseId(body.correlationId) : undefined;
  const cents = typeof body.amount === "number" ? centsOf(body.amount) : undefined;
  // the schema decides the same, more slowly, and says what is wrong
  if (id === undefined || cents === undefined) {
    return schemaProblem("invalid-payment", paymentBody.safeParse(body).error!, body);
  }
  const digits = longNumber(text, "amount");
  if (digits !== undefined && decimalsOf(digits) > 2) {
    return fieldProblem("invalid-payment", "amount", TOO_MANY_DECIMALS, digits);
  }
  return { id, cents };
}

/** Shows what is known of a payment: as JSON, or as a page if HTML is preferred. */
export function showPayment({ payments, watching, now }: Edge): Handler {
  return async (c) => {
    const id = parseId(c.req.param("id") ?? "");
    const payment = id === undefined ? undefined : await payments.find(id);
    if (payment === "cut-off") return cutOff();
    const isStarting = () => ["starting", "reading"].includes(payments.readiness().phase);
    if (!payment && id !== undefined && isStarting()) return starting();
    const forPeople = accepts(c, FORMS) === "text/html";
    if (!payment) {
      if (forPeople) return page("unknown", 404, VARY);
      return problem("unknown-payment", "No payment with this id is known here", {}, VARY);
    }
    const answer = answerOf(payment, await watching.story(payment), now());
    return forPeople ? page("payment", 200, VARY, answer) : c.json(answer, 200, VARY);
  };
}

function answerOf(payment: Payment, story: Story, now: number): z.infer<typeof paymentAnswer> {
  return {
    correlationId: payment.id,
    state: payment.stage,
    amount: amountOf(payment.cents),
    processor: payment.processor,
    requestedAt: payment.processor && new Date(payment.requestedAt).toISOString(),
    acceptedAt: new Date(payment.acceptedAt).toISOString(),
    attempts: payment.attempt,
    reason: payment.reason,
    why: progressOf(payment, now),
    owner: payment.owner,
    facts: story.facts.map(({ at, stage, attempt, processor, replica, reason }) => (
      { at: new Date(at).toISOString(), state: stage, attempt, processor, replica, reason, why: WHY[reason] }
    )),
    complete: story.complete,
    source: story.source,
  };
}
