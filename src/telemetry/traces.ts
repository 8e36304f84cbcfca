/**
 * Joins what happens to a payment in traces, with the OpenTelemetry that is built into Deno: the request that brought
 * it, the wait for its turn, and the calls to processors. Loaded only if `OTEL_DENO` is true.
 * @module
 */
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Span, SpanContext } from "@opentelemetry/api";
import { type Fact, isAttempt, type Processor, type ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { Lookup, Outcome } from "../routing/processor_client.ts";
import type { Observer, Purpose } from "../service/observer.ts";

/** How many payments have spans in their request's trace; those of older ones are in the trace of {@link ofPayment}. */
const JOINED_MAX = 20_000;

const NAMES: Readonly<Record<Purpose, string>> = { pay: "pay", lookup: "look up at" };

/** The trace that every replica knows for a payment: its id is the trace's id. */
function ofPayment(id: string): SpanContext {
  const hex = id.replaceAll("-", "");
  return { traceId: hex, spanId: hex.slice(16), traceFlags: 1, isRemote: true };
}

/** The parents of a payment's spans. */
interface Joined {
  readonly origin: SpanContext;
  /** the span of the last attempt, the parent of its calls */
  attempt?: SpanContext;
}

/**
 * The traces of one replica. What it does about a payment that another process took in, before a restart or before a
 * takeover, goes on in the trace of {@link ofPayment}.
 */
export class Traces implements Observer {
  readonly #tracer = trace.getTracer("galo");
  /** by id */
  readonly #joined = new Map<string, Joined>();
  /** under way, by purpose, processor and id */
  readonly #calls = new Map<string, Span>();

  /** Adds spans for this replica. */
  constructor(readonly self: ReplicaId) {}

  /** A handler whose requests are active spans, on a port too: Node's server makes a span there, but does not activate it. */
  activating<Answer>(handler: (request: Request) => Answer): (request: Request, outgoing?: object) => Answer {
    return (request, outgoing = {}) => {
      const [span] = Object.getOwnPropertySymbols(outgoing).filter(({ description }) => description === "kOtelSpan")
        .map((kept) => (outgoing as Record<symbol, Span>)[kept]!);
      return span ? context.with(trace.setSpan(ROOT_CONTEXT, span), () => handler(request)) : handler(request);
    };
  }

  /** Remembers the request of a payment. */
  handedIn(id: string): void {
    const request = trace.getActiveSpan();
    request?.setAttribute("galo.payment", id);
    // also if another replica took it before: after a failover this replica continues; of two requests with one id the first counts
    if (request && !this.#joined.has(id)) this.#join(id, request.spanContext());
  }

  /** Every call is a span, which the processor gets as `traceparent`. */
  calling(purpose: Purpose, processor: Processor, id: string): string {
    const options = { kind: SpanKind.CLIENT, attributes: attributesOf(id, processor) };
    const { attempt, origin = ofPayment(id) } = this.#joined.get(id) ?? {};
    const span = this.#tracer.startSpan(`${NAMES[purpose]} ${processor}`, options, childOf(attempt ?? origin));
    this.#calls.set(`${purpose} ${processor} ${id}`, span);
    const { traceId, spanId, traceFlags } = span.spanContext();
    return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
  }

  called(purpose: Purpose, processor: Processor, id: string, end: Outcome | Lookup): void {
    const name = `${purpose} ${processor} ${id}`;
    const span = this.#calls.get(name);
    this.#calls.delete(name);
    span?.setAttribute("galo.outcome", end.kind);
    if ("error" in end) span?.setStatus({ code: SpanStatusCode.ERROR, message: end.error });
    span?.end();
  }

  /** An attempt is bound: the wait for it is a span, the parent of its calls. */
  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    if (!holds) return;
    if (fact.kind === "settled") return void this.#joined.delete(fact.id);
    if (!isAttempt(fact) || fact.by !== this.self) return;
    const { id, attempt, acceptedAt } = payment!;
    const attributes = {
      ...attributesOf(id, fact.processor),
      "galo.reason": fact.reason,
      "galo.attempt": attempt,
      "galo.replica": this.self,
    };
    // nothing remembers since when a later attempt has waited
    const startTime = attempt === 1 ? acceptedAt : fact.at;
    const joined = this.#joined.get(id) ?? this.#join(id, ofPayment(id));
    const span = this.#tracer.startSpan("dispatch", { startTime, attributes }, childOf(joined.origin));
    span.end();
    joined.attempt = span.spanContext();
  }

  #join(id: string, origin: SpanContext): Joined {
    const joined = { origin };
    this.#joined.set(id, joined);
    if (this.#joined.size > JOINED_MAX) this.#joined.delete(this.#joined.keys().next().value!);
    return joined;
  }
}

function childOf(parent: SpanContext) {
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

function attributesOf(id: string, processor: Processor) {
  return { "galo.payment": id, "galo.processor": processor };
}
