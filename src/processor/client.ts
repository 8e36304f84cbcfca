/** Calls to the payment processors over HTTP. @module */
import { type Dispatcher, Pool } from "undici";
import { type Processor, PROCESSORS } from "../payment/fact.ts";
import { parseId } from "../payment/id.ts";
import { amountOf, centsOf } from "../payment/money.ts";
import type { Attempt, Health, Lookup, Outcome, ProcessorClient } from "../ports/processor_client.ts";
import { type Ending, outcomeOf } from "./outcome.ts";

/** More than this of an answer is not read, in bytes. */
const BODY_BYTES_MAX = 64 << 10;

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
  readonly #pools: Record<Processor, Pool>;
  readonly #bases: Record<Processor, string>;
  readonly #requestTimeoutMs: number;

  constructor({ urls, requestTimeoutMs, connectionsMax }: ClientOptions) {
    this.#requestTimeoutMs = requestTimeoutMs;
    const pool = (processor: Processor) =>
      new Pool(new URL(urls[processor]).origin, {
        // a place more than calls in flight, so that health and lookups never wait
        connections: connectionsMax + 4,
        pipelining: 1,
        connect: { timeout: requestTimeoutMs },
        // a call has a timer of its own, for all of it
        headersTimeout: 0,
        bodyTimeout: 0,
        maxResponseSize: BODY_BYTES_MAX,
      });
    this.#pools = { default: pool("default"), fallback: pool("fallback") };
    const base = (processor: Processor) => new URL(urls[processor]).pathname.replace(/\/+$/, "");
    this.#bases = { default: base("default"), fallback: base("fallback") };
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

  /** Ends every connection. */
  async close(): Promise<void> {
    await Promise.all(PROCESSORS.map((processor) => this.#pools[processor].destroy()));
  }

  async #call(
    processor: Processor,
    method: "GET" | "POST",
    path: string,
    body: string | null = null,
  ): Promise<Answer | Unanswered> {
    const call = new Call();
    const timer = setTimeout(
      () => call.giveUp(`no answer within ${this.#requestTimeoutMs} ms`),
      this.#requestTimeoutMs,
    );
    const headers = body === null ? {} : { "content-type": "application/json" };
    this.#pools[processor].dispatch({ method, path: this.#bases[processor] + path, body, headers }, call);
    const { status, text, sent, error } = await call.ended;
    clearTimeout(timer);
    // of a payment the status line says everything, of other calls only a whole answer says anything
    if (status !== undefined && (error === undefined || method === "POST")) return { status, text };
    return sent ? { broken: error ?? "no answer" } : { unconnected: error ?? "not sent" };
  }
}

interface Ended {
  readonly status: number | undefined;
  readonly text: string;
  /** whether a single byte of the request may have left: false says for certain that the processor knows nothing of it */
  readonly sent: boolean;
  /** why it did not end with a whole answer */
  readonly error: string | undefined;
}

/**
 * One request. Whether it was sent does not depend on what an error is called: undici starts a request right before it
 * writes its first byte, and one that must not be sent (any more) is dropped there.
 */
class Call implements Dispatcher.DispatchHandler {
  readonly ended: Promise<Ended>;
  #end!: (ended: Ended) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  #status: number | undefined;
  #decoder = new TextDecoder();
  #text = "";

  constructor() {
    this.ended = new Promise((resolve) => this.#end = resolve);
  }

  /** Ends the call now, whatever it has come to. */
  giveUp(error: string): void {
    this.#settle(error);
    this.#controller?.abort(new Error(error));
  }

  /** @throws where the request must not be sent: undici then drops it and goes on with the connection */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    // undici takes up again what was on a connection that it closed itself; a payment is sent once
    if (this.#controller) this.#settle("the connection was closed");
    if (this.#over) throw new Error("not to be sent");
    this.#controller = controller;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    // 1xx says that an answer is to come
    if (status >= 200) this.#status = status;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#text += this.#decoder.decode(chunk, { stream: true });
  }

  onResponseEnd(): void {
    this.#settle(undefined);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#settle(messageOf(error));
  }

  #settle(error: string | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#end({ status: this.#status, text: this.#text, sent: this.#controller !== undefined, error });
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
