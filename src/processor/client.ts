/** Calls to the payment processors over HTTP. @module */
import { type Processor, PROCESSORS } from "../payment/fact.ts";
import { parseId } from "../payment/id.ts";
import { amountOf, centsOf } from "../payment/money.ts";
import type { Health, Lookup, Order, Outcome, ProcessorClient } from "../routing/processor_client.ts";
import { HttpPool } from "./http.ts";
import { type Ending, outcomeOf } from "./outcome.ts";

/** How often calls are looked at for their time, in milliseconds. */
const SWEEP_MS = 250;

/** Where the processors are, and what a call may take. */
export interface ClientOptions {
  /** base URLs, `http` or `https`; a path in one goes before the API's own */
  readonly urls: Readonly<Record<Processor, string>>;
  /** milliseconds from sending to the whole answer */
  readonly requestTimeoutMs: number;
  /** connections per processor */
  readonly connectionsMax: number;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

type Unanswered = Exclude<Ending, { status: number }>;

/** The production {@link ProcessorClient}. It never sends anything twice by itself. */
export class HttpProcessorClient implements ProcessorClient {
  readonly #pools: Record<Processor, HttpPool>;
  readonly #bases: Record<Processor, string>;
  readonly #sweep: ReturnType<typeof setInterval>;

  constructor({ urls, requestTimeoutMs, connectionsMax }: ClientOptions) {
    // a place more than calls in flight, so that health and lookups never wait
    const pool = (processor: Processor) => new HttpPool(new URL(urls[processor]), connectionsMax + 4);
    this.#pools = { default: pool("default"), fallback: pool("fallback") };
    const base = (processor: Processor) => new URL(urls[processor]).pathname.replace(/\/+$/, "");
    this.#bases = { default: base("default"), fallback: base("fallback") };
    // one timer for all calls: a call ends by so much too early, never too late
    const sweepMs = Math.min(SWEEP_MS, requestTimeoutMs / 4);
    this.#sweep = setInterval(() => {
      for (const processor of PROCESSORS) {
        this.#pools[processor].sweep(requestTimeoutMs - sweepMs, `no answer within ${requestTimeoutMs} ms`);
      }
    }, sweepMs);
  }

  async pay(processor: Processor, { id, cents, requestedAt, traceparent }: Order): Promise<Outcome> {
    const at = new Date(requestedAt).toISOString();
    const body = `{"correlationId":"${id}","amount":${amountOf(cents)},"requestedAt":"${at}"}`;
    const traced = traceparent === undefined ? "" : `traceparent: ${traceparent}\r\n`;
    const ending = await this.#call(processor, "POST", "/payments", body, traced);
    return outcomeOf(ending);
  }

  async lookup(processor: Processor, id: string): Promise<Lookup> {
    const answer = await this.#call(processor, "GET", `/payments/${id}`);
    if (!("text" in answer)) {
      return { kind: "unanswered", error: "unconnected" in answer ? answer.unconnected : answer.broken };
    }
    if (answer.status === 404) return { kind: "absent" };
    if (answer.status !== 200) return { kind: "unanswered", error: `status ${answer.status}` };
    const { correlationId = id, amount, requestedAt } = parse(answer.text);
    const other = typeof correlationId !== "string" || parseId(correlationId) !== parseId(id);
    const cents = typeof amount === "number" ? centsOf(amount) : undefined;
    const at = typeof requestedAt === "string" ? parseUtc(requestedAt) : NaN;
    if (other || cents === undefined || Number.isNaN(at)) {
      return { kind: "unanswered", error: "an answer that makes no sense" };
    }
    return { kind: "found", cents, requestedAt: at };
  }

  async health(processor: Processor): Promise<Health | undefined> {
    const answer = await this.#call(processor, "GET", "/payments/service-health");
    if (!("text" in answer) || answer.status !== 200) return undefined;
    const { failing, minResponseTime: ms } = parse(answer.text);
    if (typeof failing !== "boolean" || typeof ms !== "number" || !Number.isFinite(ms) || ms < 0) return undefined;
    return { failing, minResponseMs: ms };
  }

  /** Ends every call and every connection. */
  close(): Promise<void> {
    clearInterval(this.#sweep);
    for (const processor of PROCESSORS) this.#pools[processor].close();
    return Promise.resolve();
  }

  /** @param headers lines beyond those that every request has */
  async #call(
    processor: Processor,
    method: "GET" | "POST",
    path: string,
    body?: string,
    headers?: string,
  ): Promise<Answer | Unanswered> {
    const { status, text, sent, error } = await this.#pools[processor].request(
      method,
      this.#bases[processor] + path,
      body,
      headers,
    );
    // of a payment the status line says everything, of other calls only a whole answer says anything
    if (status !== undefined && (error === undefined || method === "POST")) return { status, text };
    return sent ? { broken: error ?? "no answer" } : { unconnected: error ?? "not sent" };
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Milliseconds of a timestamp; one without a zone is in UTC. */
function parseUtc(text: string): number {
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`;
  // digits beyond the millisecond are cut off, whoever wrote them
  return Date.parse(zoned.replace(/(\.\d{3})\d+/, "$1"));
}
