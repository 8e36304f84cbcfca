/**
 * A stand-in for a payment processor that behaves as CONTRACT.md says, with faults that the real one has by accident only.
 * @module
 */
import { amountOf } from "../payment/money.ts";
import { parseId } from "../payment/id.ts";
import { seeded } from "./seeded.ts";
import { type BooksView, millisecondsOf, StandInBooks } from "./standin_books.ts";
import {
  type Fault,
  FAULTS,
  isBoolean,
  isDelay,
  isFault,
  isText,
  objectIn,
  type Payment,
  paymentOf,
} from "./standin_input.ts";
import { ConcurrencyLimiter, HealthWindow } from "./standin_limits.ts";
import type { StandInRequest } from "./standin_request.ts";
import { type Ending, type StandInAnswer, StandInServer } from "./standin_server.ts";

export { type Fault, FAULTS };

export interface StandInOptions {
  /** 0 takes any free one */
  readonly port: number;
  readonly hostname?: string;
  /** a second port for `/admin/*`, which answers even while connections are refused; 0 takes any free one */
  readonly adminPort?: number;
  /** share of each amount */
  readonly feeRate: number;
  /** what `X-Rinha-Token` has to be, "123" by default */
  readonly token?: string;
  /** milliseconds for the windows of `service-health`, never going back */
  readonly clockNow?: () => number;
}

/** A stand-in that runs. */
export interface StandIn {
  readonly url: string;
  readonly port: number;
  /** the admin port's URL, or the only one's */
  readonly adminUrl: string;
  readonly books: BooksView;
  /** for payments whose wait starts from now on, in milliseconds */
  setDelay(ms: number): void;
  /** for payments whose wait ends from now on */
  setFailing(failing: boolean): void;
  /** for payments that arrive from now on; ends the fault before */
  setFault(fault: Fault): Promise<void>;
  /** Stops at once, whatever hangs: payments that wait for their delay are never booked. */
  close(): Promise<void>;
}

/**
 * Starts a stand-in.
 *
 * @throws Deno.errors.AddrInUse where a port is taken
 */
export function startStandIn(options: StandInOptions): Promise<StandIn> {
  return Promise.try(() => {
    const processor = new Processor(options);
    const { port } = processor.main;
    const url = (port: number) => `http://${options.hostname ?? HOSTNAME}:${port}`;
    return {
      url: url(port),
      port,
      adminUrl: url(processor.admin?.port ?? port),
      books: processor.books,
      setDelay: (ms) => void (processor.delayMs = ms),
      setFailing: (failing) => void (processor.failing = failing),
      setFault: (fault) => processor.setFault(fault),
      close: () => processor.stop(),
    };
  });
}

const HOSTNAME = "127.0.0.1";

type Route = (request: StandInRequest, through: "main" | "admin") => Ending | Promise<Ending>;

class Processor {
  readonly books = new StandInBooks();
  readonly main: StandInServer;
  readonly admin: StandInServer | undefined;
  delayMs = 0;
  failing = false;
  readonly #feeRate: number;
  readonly #now: () => number;
  #token: string;
  #limiter = new ConcurrencyLimiter();
  #health = new HealthWindow();
  #fault: Fault = { fault: "none" };
  #faultEnds = new AbortController();
  #random = Math.random;
  #refusing: ReturnType<typeof setTimeout> | undefined;
  #sleeping = new Set<ReturnType<typeof setTimeout>>();
  #switching: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: StandInOptions) {
    const { port, hostname = HOSTNAME, adminPort, feeRate, token = "123", clockNow } = options;
    this.#feeRate = feeRate;
    this.#token = token;
    this.#now = clockNow ?? (() => performance.now());
    this.main = new StandInServer(port, hostname, (request) => this.#handle(request, "main"));
    if (adminPort === undefined) return;
    try {
      this.admin = new StandInServer(adminPort, hostname, (request) => this.#handle(request, "admin"));
    } catch (error) {
      void this.main.close();
      throw error;
    }
  }

  readonly #routes: Record<string, Route> = {
    "POST /payments": (request) => this.#pay(request),
    "GET /payments/service-health": () => this.#tellHealth(),
    "GET /admin/payments-summary": ({ query }) => this.#summarise(query),
    "GET /admin/deliveries": ({ query }) => this.#deliveries(query.get("correlationId")),
    "PUT /admin/configurations/delay": setting("delay", isDelay, (ms) => void (this.delayMs = ms)),
    "PUT /admin/configurations/failure": setting("failure", isBoolean, (failing) => void (this.failing = failing)),
    "PUT /admin/configurations/token": setting("token", isText, (token) => void (this.#token = token), { status: 204 }),
    "PUT /admin/configurations/fault": (request, through) => this.#switchFault(request, through),
    "POST /admin/purge-payments": () => {
      this.books.purge();
      return answer(200, "All payments purged.");
    },
  };

  /** Answers a request, whatever it is. */
  #handle(request: StandInRequest, through: "main" | "admin"): Ending | Promise<Ending> {
    const { method, path } = request;
    const isAdmin = path.startsWith("/admin/");
    if (isAdmin && request.header("x-rinha-token") !== this.#token) return answer(401, "Unauthorized");
    // a payment must not get around a port that refuses
    if (!isAdmin && through === "admin") return answer(404, "Not found");
    const route = this.#routes[`${method} ${path}`];
    if (route) return route(request, through);
    const id = method === "GET" ? /^\/payments\/([^/]+)$/.exec(path)?.[1] : undefined;
    return id === undefined ? answer(404, "Not found") : this.#show(id);
  }

  /** Takes effect after the one before it has. */
  setFault(fault: Fault): Promise<void> {
    const switched = this.#switching.then(() => this.#switch(fault));
    this.#switching = switched.catch(() => {});
    return switched;
  }

  async #switch(fault: Fault): Promise<void> {
    if (this.#stopped) return;
    this.#fault = fault;
    this.#random = fault.seed === undefined ? Math.random : seeded(fault.seed);
    this.#faultEnds.abort();
    this.#faultEnds = new AbortController();
    clearTimeout(this.#refusing);
    if (fault.fault !== "refuse") return await this.main.reopen();
    await this.main.close();
    // it may have been stopped meanwhile
    if (fault.forMs === undefined || this.#stopped) return;
    this.#refusing = setTimeout(() => {
      this.setFault({ fault: "none" }).catch((error) => console.error(`stand-in: ${error.message}`));
    }, fault.forMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#refusing);
    for (const timer of this.#sleeping) clearTimeout(timer);
    await Promise.all([this.main.close(), this.admin?.close(), this.#switching]);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#sleeping.delete(timer);
        resolve();
      }, ms);
      this.#sleeping.add(timer);
    });
  }

  async #pay({ body }: StandInRequest): Promise<Ending> {
    const place = this.#limiter.enter();
    if (!place) return answer(429, "Too many requests");
    const payment = paymentOf(objectIn(body));
    if (payment) this.books.deliver(payment.id);
    const strike = payment && this.#strikes() ? this.#fault.fault : "none";
    const { signal } = this.#faultEnds;
    await place;
    try {
      if (!payment) return answer(400, "A payment has a correlationId, an amount and a requestedAt");
      // at once, and without a place: callers that are given none get an answer
      if (strike === "never-answer") return { hangUntil: signal };
      if (this.delayMs > 0) await this.#sleep(this.delayMs);
      // the caller may have left: that stops nothing
      return this.#conclude(payment, strike);
    } finally {
      this.#limiter.leave();
    }
  }

  /** Whether the fault strikes the call that arrives now: asked on arrival, so that a seed goes with an order of calls. */
  #strikes(): boolean {
    const { fault, probability = 1 } = this.#fault;
    return fault !== "none" && this.#random() < probability;
  }

  #conclude({ id, booking }: Payment, strike: Fault["fault"]): Ending {
    if (this.failing) return answer(500, "Internal error");
    const booked = this.books.book(id, booking);
    if (strike === "book-then-drop") return "drop";
    if (strike === "book-then-500") return answer(500, "Internal error");
    return booked ? answer(200, "payment processed successfully") : answer(422, "CorrelationId already exists");
  }

  #show(text: string): StandInAnswer {
    const id = parseId(text) ?? text;
    const booking = this.books.get(id);
    if (!booking) return answer(404, "Not found");
    // the real one keeps no zone
    const requestedAt = booking.requestedAt.replace(/Z$/, "");
    return { status: 200, body: { correlationId: id, amount: amountOf(booking.cents), requestedAt } };
  }

  async #tellHealth(): Promise<StandInAnswer> {
    const waitMs = this.#health.enter(this.#now());
    if (waitMs < 0) {
      return { ...answer(429, "Too many requests"), headers: { "Retry-After": `${Math.ceil(-waitMs / 1000)}` } };
    }
    if (waitMs > 0) await this.#sleep(waitMs);
    return { status: 200, body: { failing: this.failing, minResponseTime: this.delayMs } };
  }

  #summarise(query: URLSearchParams): StandInAnswer {
    const [from, to] = ["from", "to"].map((name) => query.get(name));
    const bounds = from && to ? [millisecondsOf(from), millisecondsOf(to)] : [];
    if (bounds.some(Number.isNaN)) return answer(400, "from and to are timestamps");
    const { count, cents } = this.books.window(...bounds);
    const totalFee = Math.round(cents * this.#feeRate) / 100;
    return {
      status: 200,
      body: { totalRequests: count, totalAmount: amountOf(cents), totalFee, feePerTransaction: this.#feeRate },
    };
  }

  #deliveries(one: string | null): StandInAnswer {
    const body = Array.from(one ? [parseId(one) ?? one] : this.books.ids(), (id) => {
      const booking = this.books.get(id);
      return {
        correlationId: id,
        delivered: this.books.delivered(id),
        booked: booking ? 1 : 0,
        cents: booking?.cents ?? null,
        requestedAt: booking?.requestedAt ?? null,
      };
    });
    return { status: 200, body };
  }

  async #switchFault({ body }: StandInRequest, through: "main" | "admin"): Promise<StandInAnswer> {
    const fault = objectIn(body) ?? {};
    if (!isFault(fault)) {
      return answer(
        400,
        `fault is one of ${FAULTS.join(", ")}; probability 0 to 1, seed a whole number, forMs milliseconds`,
      );
    }
    if (fault.fault === "refuse" && !this.admin && fault.forMs === undefined) {
      return answer(422, "refuse needs forMs where there is no admin port");
    }
    // refusing ends the connection that this came on: not before the answer has left
    if (fault.fault === "refuse" && through === "main") {
      return { ...answer(200, "ok"), after: () => void this.setFault(fault) };
    }
    await this.setFault(fault);
    return answer(200, "ok");
  }
}

function setting<T>(
  name: string,
  is: (value: unknown) => value is T,
  set: (value: T) => void,
  done = answer(200, "ok"),
): Route {
  return ({ body }) => {
    const value = objectIn(body)?.[name];
    if (!is(value)) return answer(400, `${name} is missing or no valid value`);
    set(value);
    return done;
  };
}

function answer(status: number, message: string): StandInAnswer {
  return { status, body: { message } };
}
