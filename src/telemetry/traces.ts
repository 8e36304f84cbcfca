/**
 * Joins what happens to a payment in traces, with the OpenTelemetry that is built into Deno: the request that brought
 * it, the wait for its turn, and the calls to processors. Loaded where `OTEL_DENO` is true, and only there.
 * @module
 */
import { ROOT_CONTEXT, type Span, type SpanContext, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Payments } from "../service/service.ts";
import type { LedgerObserver } from "../ledger/ledger.ts";
import type { Fact, Processor, ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { ProcessorClient } from "../routing/processor_client.ts";

/** Payments whose spans are joined to their request's; of more, the oldest are joined to what {@link ofPayment} says. */
export const JOINED_MAX = 20_000;

/** What every replica knows of a payment's trace without being told: its id is the trace's id. */
export function ofPayment(id: string): SpanContext {
  const hex = id.replaceAll("-", "");
  return { traceId: hex, spanId: hex.slice(16), traceFlags: 1, isRemote: true };
}

/** Where the spans of a payment belong. */
interface Joined {
  readonly origin: SpanContext;
  /** the last attempt, whose calls belong to it */
  attempt?: SpanContext;
}

/**
 * The traces of one replica. What it does about a payment that another process took in, before a restart or before a
 * takeover, goes on in the trace of {@link ofPayment}.
 */
export class Traces implements LedgerObserver {
  readonly #tracer = trace.getTracer("galo");
  /** by id */
  readonly #joined = new Map<string, Joined>();

  constructor(readonly self: ReplicaId) {}

  /** A replica's payments, whose requests are remembered. */
  payments(payments: Payments): Payments {
    return {
      accept: (id, cents) => {
        const request = trace.getActiveSpan();
        if (request) this.#requested(id, request);
        return payments.accept(id, cents);
      },
      find: (id) => payments.find(id),
      summary: (from, to) => payments.summary(from, to),
      purge: () => payments.purge(),
      readiness: () => payments.readiness(),
    };
  }

  /** The way to the processors: every call is a span, which the processor is told of. */
  client(client: ProcessorClient): ProcessorClient {
    return {
      pay: (processor, attempt) =>
        this.#call(`pay ${processor}`, processor, attempt.id, (span) => {
          const { traceId, spanId, traceFlags } = span.spanContext();
          return client.pay(processor, { ...attempt, traceparent: `00-${traceId}-${spanId}-0${traceFlags & 1}` });
        }),
      lookup: (processor, id) =>
        this.#call(`look up at ${processor}`, processor, id, () => client.lookup(processor, id)),
      health: (processor) => client.health(processor),
    };
  }

  /** An attempt is bound: the wait for that is a span, from which the call goes on. */
  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    if (!holds) return;
    if (fact.kind === "settled") return void this.#joined.delete(fact.id);
    if (fact.kind !== "dispatched" || fact.by !== this.self) return;
    const { id, attempt, acceptedAt } = payment!;
    const attributes = {
      ...attributesOf(id, fact.processor),
      "galo.reason": fact.reason,
      "galo.attempt": attempt,
      "galo.replica": this.self,
    };
    // of a further attempt it is not remembered since when it waited
    const startTime = attempt === 1 ? acceptedAt : fact.at;
    const joined = this.#joined.get(id) ?? this.#join(id, ofPayment(id));
    const span = this.#tracer.startSpan("dispatch", { startTime, attributes }, childOf(joined.origin));
    span.end();
    joined.attempt = span.spanContext();
  }

  #requested(id: string, request: Span): void {
    request.setAttribute("galo.payment", id);
    // also where the peer took it before: should that die, this replica goes on; of the same id twice the first counts
    if (!this.#joined.has(id)) this.#join(id, request.spanContext());
  }

  #join(id: string, origin: SpanContext): Joined {
    const joined = { origin };
    this.#joined.set(id, joined);
    if (this.#joined.size > JOINED_MAX) this.#joined.delete(this.#joined.keys().next().value!);
    return joined;
  }

  async #call<T extends { kind: string }>(
    name: string,
    processor: Processor,
    id: string,
    call: (span: Span) => Promise<T>,
  ): Promise<T> {
    const options = { kind: SpanKind.CLIENT, attributes: attributesOf(id, processor) };
    const { attempt, origin = ofPayment(id) } = this.#joined.get(id) ?? {};
    const span = this.#tracer.startSpan(name, options, childOf(attempt ?? origin));
    const outcome = await call(span);
    span.setAttribute("galo.outcome", outcome.kind);
    if ("error" in outcome) span.setStatus({ code: SpanStatusCode.ERROR, message: String(outcome.error) });
    span.end();
    return outcome;
  }
}

function childOf(parent: SpanContext) {
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

function attributesOf(id: string, processor: Processor) {
  return { "galo.payment": id, "galo.processor": processor };
}
