/** Calls to the payment processors over HTTP. @module */
import { parseObject } from "../json.ts";
import { type Processor, PROCESSORS } from "../payment/fact.ts";
import { amountOf } from "../payment/money.ts";
import type { Health, Lookup, Order, Outcome, ProcessorClient } from "../routing/processor_client.ts";
import type { Observer, Purpose } from "../service/observer.ts";
import { readBooking } from "./booking.ts";
import { type Ended, HttpPool } from "./http.ts";
import { outcomeOf } from "./outcome.ts";
import { retryAfterMs } from "./retry_after.ts";

/** Where the processors are, and the limits of a call. */
interface ClientOptions {
  /** base URLs, `http` or `https`; a path in one goes before the API's own */
  readonly urls: Readonly<Record<Processor, string>>;
  /** milliseconds from sending to the whole answer */
  readonly requestTimeoutMs: number;
  /** connections per processor */
  readonly connectionsMax: number;
  /** sees every call about a payment */
  readonly observers?: readonly Observer[];
}

/** The production {@link ProcessorClient}. It never sends anything twice by itself. */
export class HttpProcessorClient implements ProcessorClient {
  readonly #pools: Readonly<Record<Processor, HttpPool>>;
  readonly #observers: readonly Observer[];

  /** Connects to nothing yet. */
  constructor({ urls, requestTimeoutMs, connectionsMax, observers = [] }: ClientOptions) {
    this.#observers = observers;
    const pool = (processor: Processor) => new HttpPool(new URL(urls[processor]), connectionsMax, requestTimeoutMs);
    this.#pools = { default: pool("default"), fallback: pool("fallback") };
  }

  pay(processor: Processor, { id, cents, requestedAt }: Order): Promise<Outcome> {
    return this.#observed("pay", processor, id, async (traceparent) => {
      const at = new Date(requestedAt).toISOString();
      const body = `{"correlationId":"${id}","amount":${amountOf(cents)},"requestedAt":"${at}"}`;
      const traced = traceparent === undefined ? "" : `traceparent: ${traceparent}\r\n`;
      const ended = await this.#pools[processor].request("POST", "/payments", body, traced);
      return { ...outcomeOf(ended), ...later(ended) };
    });
  }

  lookup(processor: Processor, id: string): Promise<Lookup> {
    return this.#observed("lookup", processor, id, async () => {
      const ended = await this.#pools[processor].request("GET", `/payments/${id}`);
      const { status = 0, text, error } = ended;
      if (error !== undefined) return { kind: "unanswered", error };
      if (status === 404) {
        // a proxy in between has a page of its own for it
        const isForeign = text.trim() !== "" && !parseObject(text);
        return isForeign ? { kind: "unclear", error: "status 404 without JSON" } : { kind: "absent" };
      }
      if (status === 200) return readBooking(text, id);
      // temporary trouble, and trouble that a person must fix
      const passes = status >= 500 || status === 429 || status === 408;
      return { kind: passes ? "unanswered" : "unclear", error: `status ${status}`, ...later(ended) };
    });
  }

  async #observed<End extends Outcome | Lookup>(
    purpose: Purpose,
    processor: Processor,
    id: string,
    call: (traceparent: string | undefined) => Promise<End>,
  ): Promise<End> {
    let traceparent: string | undefined;
    for (const observer of this.#observers) traceparent = observer.calling?.(purpose, processor, id) ?? traceparent;
    const startMs = performance.now();
    const end = await call(traceparent);
    const tookMs = performance.now() - startMs;
    for (const observer of this.#observers) observer.called?.(purpose, processor, id, end, tookMs);
    return end;
  }

  async health(processor: Processor): Promise<Health | undefined> {
    const { status, text, error } = await this.#pools[processor].request("GET", "/payments/service-health");
    if (error !== undefined || status !== 200) return undefined;
    const { failing, minResponseTime: ms } = parseObject(text) ?? {};
    if (typeof failing !== "boolean" || typeof ms !== "number" || !Number.isFinite(ms) || ms < 0) return undefined;
    return { failing, minResponseMs: ms };
  }

  /** Ends every call and every connection. */
  close(): Promise<void> {
    for (const processor of PROCESSORS) this.#pools[processor].close();
    return Promise.resolve();
  }
}

/** Retry-After in milliseconds, if it came with a refusal: with 2xx and 3xx it is about one resource only. */
function later({ status = 0, retryAfter }: Ended): { retryAfterMs?: number } {
  const ms = retryAfter === undefined || status < 400 ? undefined : retryAfterMs(retryAfter, Date.now());
  return ms === undefined ? {} : { retryAfterMs: ms };
}
