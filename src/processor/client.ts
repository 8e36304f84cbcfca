/** Calls to the payment processors over HTTP. @module */
import { Pool } from "undici";
import { type Processor, PROCESSORS } from "../payment/fact.ts";
import { amountOf, centsOf } from "../payment/money.ts";
import type { Attempt, Health, Lookup, Outcome, ProcessorClient } from "../ports/processor_client.ts";
import { type Ending, outcomeOf } from "./outcome.ts";

/** More than this of an answer is not read, in bytes. */
const BODY_BYTES_MAX = 64 << 10;

/** Errors that say that no connection was ever made, so that nothing can have been booked. */
const UNCONNECTED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Where the processors are, and what a call may take. */
export interface ClientOptions {
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

/** The production {@link ProcessorClient}. It never sends anything twice by itself. */
export class HttpProcessorClient implements ProcessorClient {
  readonly #pools: Record<Processor, Pool>;
  readonly #requestTimeoutMs: number;

  constructor({ urls, requestTimeoutMs, connectionsMax }: ClientOptions) {
    this.#requestTimeoutMs = requestTimeoutMs;
    const pool = (processor: Processor) =>
      new Pool(new URL(urls[processor]).origin, {
        // a place more than calls in flight, so that health and lookups never wait
        connections: connectionsMax + 4,
        pipelining: 1,
        connect: { timeout: requestTimeoutMs },
        headersTimeout: requestTimeoutMs,
        bodyTimeout: requestTimeoutMs,
        maxResponseSize: BODY_BYTES_MAX,
      });
    this.#pools = { default: pool("default"), fallback: pool("fallback") };
  }

  async pay(processor: Processor, { id, cents, requestedAt }: Attempt): Promise<Outcome> {
    const at = new Date(requestedAt).toISOString();
    const body = `{"correlationId":"${id}","amount":${amountOf(cents)},"requestedAt":"${at}"}`;
    const ending = await this.#call(processor, "POST", "/payments", body);
    return outcomeOf(ending);
  }

  async lookup(processor: Processor, id: string): Promise<Lookup> {
    const answer = await this.#call(processor, "GET", `/payments/${id}`);
    if (!("text" in answer)) {
      return { kind: "unanswered", error: "unconnected" in answer ? answer.unconnected : answer.broken };
    }
    if (answer.status === 404) return { kind: "absent" };
    if (answer.status !== 200) return { kind: "unanswered", error: `status ${answer.status}` };
    const { amount, requestedAt } = parse(answer.text) as { amount?: unknown; requestedAt?: unknown };
    const cents = centsOf(Number(amount));
    const at = typeof requestedAt === "string" ? parseUtc(requestedAt) : NaN;
    if (cents === undefined || Number.isNaN(at)) return { kind: "unanswered", error: "an answer that makes no sense" };
    return { kind: "found", cents, requestedAt: at };
  }

  async health(processor: Processor): Promise<Health | undefined> {
    const answer = await this.#call(processor, "GET", "/payments/service-health");
    if (!("text" in answer) || answer.status !== 200) return undefined;
    const { failing, minResponseTime } = parse(answer.text) as { failing?: unknown; minResponseTime?: unknown };
    if (typeof failing !== "boolean" || typeof minResponseTime !== "number" || !(minResponseTime >= 0)) {
      return undefined;
    }
    return { failing, minResponseMs: minResponseTime };
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await Promise.all(PROCESSORS.map((processor) => this.#pools[processor].destroy()));
  }

  async #call(
    processor: Processor,
    method: "GET" | "POST",
    path: string,
    body?: string,
  ): Promise<Answer | Exclude<Ending, { status: number }>> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.#requestTimeoutMs);
    try {
      const headers = body === undefined ? {} : { "content-type": "application/json" };
      const response = await this.#pools[processor].request({
        method,
        path,
        body: body ?? null,
        headers,
        signal: abort.signal,
      });
      try {
        return { status: response.statusCode, text: await response.body.text() };
      } catch (error) {
        // the status line says all that a payment needs
        return method === "POST" ? { status: response.statusCode, text: "" } : { broken: messageOf(error) };
      }
    } catch (error) {
      const { code } = error as { code?: string };
      return code !== undefined && UNCONNECTED.has(code) ? { unconnected: code } : { broken: messageOf(error) };
    } finally {
      clearTimeout(timer);
    }
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
