/**
 * A stand-in for a payment processor. It behaves as CONTRACT.md says, and fails on request as a real one does by accident.
 * @module
 */
import { setTimeout as after } from "node:timers/promises";
import { z } from "@zod/zod";
import { parseObject } from "../json.ts";
import { parseInstant } from "../payment/instant.ts";
import { amountOf, CENTS_MAX } from "../payment/money.ts";
import { seeded } from "./seeded.ts";
import { StandInBooks } from "./standin_books.ts";
import { ConcurrencyLimiter, HealthWindow } from "./standin_limits.ts";
import {
  type StandInAnswer,
  type StandInEnd,
  type StandInHandler,
  type StandInRequest,
  StandInServer,
} from "./standin_server.ts";

/** How often a port that another process took meanwhile is tried again, every 10 ms. */
const REOPEN_TRIES_MAX = 500;

/** The longest wait of a timer, in milliseconds. */
const delaySchema = z.number().min(0).max(2 ** 31 - 1);

const faultSchema = z.object({
  fault: z.enum(["none", "book-then-drop", "book-then-500", "never-answer", "refuse"]),
  /** share of the calls that it strikes, 1 by default */
  probability: z.number().min(0).max(1).optional(),
  /** makes the choice of calls repeatable */
  seed: z.int().optional(),
  /** how long `refuse` lasts, in milliseconds: it also refuses the call that would switch it off */
  forMs: delaySchema.optional(),
}).refine(({ fault, forMs }) => fault !== "refuse" || forMs !== undefined, "refuse needs forMs");

const paymentSchema = z.object({
  correlationId: z.guid().toLowerCase(),
  // as a decimal: 1.005 * 100 is less than 100.5
  amount: z.union([z.number(), z.string()]).transform((amount) =>
    Math.round(Number((Number(amount) * 100).toPrecision(15)))
  ).pipe(z.int().min(1).max(CENTS_MAX)),
  requestedAt: z.string(),
}).transform(({ correlationId: id, amount: cents, requestedAt }) => (
  { id, booking: { cents, requestedAt, at: instantMs(requestedAt) } }
)).refine(({ booking }) => !Number.isNaN(booking.at));

/** A fault: how calls to `POST /payments` fail, or that connections are refused. */
type Fault = z.infer<typeof faultSchema>;

/** Where a stand-in listens, and what it charges. */
interface StandInOptions {
  /** 0 takes any free one */
  readonly port: number;
  readonly hostname?: string;
  /** share of each amount */
  readonly feeRate: number;
}

/** Starts a stand-in. @throws an error with the code EADDRINUSE if a port is taken */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const standIn = new StandIn(options);
  await standIn.open();
  return standIn;
}

/** A stand-in that runs. */
export class StandIn extends StandInServer {
  /** what it has booked */
  readonly books = new StandInBooks();
  #delayMs = 0;
  #failing = false;
  #token = "123";
  #limiter = new ConcurrencyLimiter();
  #health = new HealthWindow();
  #fault: Fault = { fault: "none" };
  /** calls that are never answered wait for this */
  #faultEnd = Promise.withResolvers<"drop">();
  #random = Math.random;
  #refusing: ReturnType<typeof setTimeout> | undefined;
  #switching: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();

  /** Listens nowhere yet: see {@link open}. */
  constructor(private readonly options: StandInOptions) {
    super(options.port, options.hostname ?? "127.0.0.1", (request) => this.#handle(request));
  }

  /** For payments whose wait starts from now on, in milliseconds. */
  setDelay(ms: number): void {
    this.#delayMs = ms;
  }

  /** For payments whose wait ends from now on. */
  setFailing(failing: boolean): void {
    this.#failing = failing;
  }

  /** For payments that arrive from now on. Ends the fault before, and takes effect after that one has. */
  setFault(fault: Fault): Promise<void> {
    const switched = this.#switching.then(() => this.#switch(fault));
    this.#switching = switched.catch(() => {});
    return switched;
  }

  /** Stops at once, whatever hangs: payments that wait for their delay are never booked. */
  override async close(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#refusing);
    await Promise.all([super.close(), this.#switching]);
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #routes: Record<string, StandInHandler> = {
    "POST /payments": ({ body }) => this.#pay(body),
    "GET /payments/service-health": () => this.#tellHealth(),
    "GET /admin/payments-summary": ({ query }) => this.#summarise(query.get("from"), query.get("to")),
    "GET /admin/deliveries": ({ query }) => this.#deliveries(query.get("correlationId")),
    "PUT /admin/configurations/delay": setting("delay", delaySchema, (ms) => this.setDelay(ms)),
    "PUT /admin/configurations/failure": setting("failure", z.boolean(), (failing) => this.setFailing(failing)),
    "PUT /admin/configurations/token": setting("token", z.string().min(1), (token) => void (this.#token = token), 204),
    "PUT /admin/configurations/fault": ({ body }) => this.#switchFault(body),
    "POST /admin/purge-payments": () => {
      this.books.purge();
      return answer(200, "All payments purged.");
    },
  };

  #handle(request: StandInRequest): ReturnType<StandInHandler> {
    const { method, path, headers } = request;
    if (path.startsWith("/admin/") && headers["x-rinha-token"] !== this.#token) return answer(401, "Unauthorized");
    const route = this.#routes[`${method} ${path}`];
    if (route) return route(request);
    const id = method === "GET" ? /^\/payments\/([^/]+)$/.exec(path)?.[1] : undefined;
    return id === undefined ? answer(404, "Not found") : this.#show(id);
  }

  async #switch(fault: Fault): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#fault = fault;
    this.#random = fault.seed === undefined ? Math.random : seeded(fault.seed);
    this.#faultEnd.resolve("drop");
    this.#faultEnd = Promise.withResolvers();
    clearTimeout(this.#refusing);
    if (fault.fault !== "refuse") return await this.open(REOPEN_TRIES_MAX);
    await super.close();
    // it may have been stopped meanwhile
    if (fault.forMs === undefined || this.#stopping.signal.aborted) return;
    this.#refusing = setTimeout(() => {
      this.setFault({ fault: "none" }).catch((error) => console.error(`stand-in: ${error.message}`));
    }, fault.forMs);
  }

  /** What sleeps while it is stopped never wakes. */
  #sleep(ms: number): Promise<void> {
    return after(ms, undefined, { signal: this.#stopping.signal }).catch(() => new Promise<never>(() => {}));
  }

  async #pay(body: string): Promise<StandInEnd> {
    const place = this.#limiter.enter();
    if (!place) return answer(429, "Too many requests");
    const { data: payment } = paymentSchema.safeParse(parseObject(body));
    if (payment) this.books.deliver(payment.id);
    // decided on arrival, so that a seed strikes the same calls in the same order
    const strike = payment && this.#random() < (this.#fault.probability ?? 1) ? this.#fault.fault : "none";
    const { promise: faultEnd } = this.#faultEnd;
    await place;
    try {
      if (!payment) return answer(400, "A payment has a correlationId, an amount and a requestedAt");
      // it hangs without keeping its place, so that other calls are still answered
      if (strike === "never-answer") return faultEnd;
      if (this.#delayMs > 0) await this.#sleep(this.#delayMs);
      // the caller may have left: that stops nothing
      if (this.#failing) return answer(500, "Internal error");
      const booked = this.books.book(payment.id, payment.booking);
      if (strike === "book-then-drop") return "drop";
      if (strike === "book-then-500") return answer(500, "Internal error");
      return booked ? answer(200, "payment processed successfully") : answer(422, "CorrelationId already exists");
    } finally {
      this.#limiter.leave();
    }
  }

  #show(text: string): StandInAnswer {
    const correlationId = text.toLowerCase();
    const booking = this.books.booked.get(correlationId);
    if (!booking) return answer(404, "Not found");
    // the real processor leaves the zone out
    const requestedAt = booking.requestedAt.replace(/Z$/, "");
    return { status: 200, body: { correlationId, amount: amountOf(booking.cents), requestedAt } };
  }

  async #tellHealth(): Promise<StandInAnswer> {
    const waitMs = this.#health.enter(performance.now());
    if (waitMs < 0) {
      return { ...answer(429, "Too many requests"), headers: { "retry-after": `${Math.ceil(-waitMs / 1000)}` } };
    }
    if (waitMs > 0) await this.#sleep(waitMs);
    return { status: 200, body: { failing: this.#failing, minResponseTime: this.#delayMs } };
  }

  #summarise(from: string | null, to: string | null): StandInAnswer {
    const bounds = from && to ? [instantMs(from), instantMs(to)] : [];
    if (bounds.some(Number.isNaN)) return answer(400, "from and to are timestamps");
    const { count, cents } = this.books.totals.window(...bounds);
    const { feeRate: feePerTransaction } = this.options;
    const totalFee = Math.round(cents * feePerTransaction) / 100;
    return { status: 200, body: { totalRequests: count, totalAmount: amountOf(cents), totalFee, feePerTransaction } };
  }

  #deliveries(one: string | null): StandInAnswer {
    const { booked, delivered } = this.books;
    const ids = one ? [one.toLowerCase()] : new Set([...delivered.keys(), ...booked.keys()]);
    const body = Array.from(ids, (correlationId) => {
      const { cents = null, requestedAt = null } = booked.get(correlationId) ?? {};
      const times = delivered.get(correlationId) ?? 0;
      return { correlationId, delivered: times, booked: cents ? 1 : 0, cents, requestedAt };
    });
    return { status: 200, body };
  }

  async #switchFault(body: string): Promise<StandInAnswer> {
    const { data: fault, error } = faultSchema.safeParse(parseObject(body));
    if (error) return answer(400, z.prettifyError(error));
    const ok = answer(200, "ok");
    // refusing connections ends this one too, so the answer leaves first
    if (fault.fault === "refuse") return { ...ok, after: () => void this.setFault(fault) };
    await this.setFault(fault);
    return ok;
  }
}

function setting<T>(name: string, schema: z.ZodType<T>, set: (value: T) => void, status = 200): StandInHandler {
  const whole = z.object({ [name]: schema });
  return ({ body }) => {
    const { data, error } = whole.safeParse(parseObject(body));
    if (error) return answer(400, z.prettifyError(error));
    set(data[name]!);
    return status === 204 ? { status } : answer(status, "ok");
  };
}

function answer(status: number, message: string): StandInAnswer {
  return { status, body: { message } };
}

/** NaN if the text is no instant. */
function instantMs(text: string): number {
  return parseInstant(text)?.ms ?? NaN;
}
