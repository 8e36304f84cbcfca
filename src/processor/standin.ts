/**
 * A stand-in for a payment processor that behaves as CONTRACT.md says, with faults that the real one has by accident only.
 * @module
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { amountOf } from "../payment/money.ts";
import { parseId } from "../payment/id.ts";
import { seeded } from "./seeded.ts";
import { millisecondsOf, StandInBooks } from "./standin_books.ts";
import { answer, close, listen, read } from "./standin_http.ts";
import { type Fault, FAULTS, isBoolean, isDelay, isFault, isText, type Payment, paymentOf } from "./standin_input.ts";
import { ConcurrencyLimiter, HealthWindow } from "./standin_limits.ts";

export { type Fault, FAULTS };

export interface StandInOptions {
  /** 0 takes any free one */
  readonly port: number;
  readonly hostname?: string;
  /** a second port that answers as well, even while connections are refused */
  readonly adminPort?: number;
  /** share of each amount */
  readonly feeRate: number;
  readonly token?: string;
}

/** A stand-in that runs. */
export interface StandIn {
  readonly url: string;
  readonly port: number;
  /** the admin port's URL, or the only one's */
  readonly adminUrl: string;
  readonly books: StandInBooks;
  setDelay(ms: number): void;
  setFailing(failing: boolean): void;
  setFault(fault: Fault): Promise<void>;
  /** Stops at once, whatever hangs. */
  close(): Promise<void>;
}

/**
 * Starts a stand-in.
 *
 * @throws where a port is taken
 */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const { hostname = "127.0.0.1", adminPort } = options;
  const processor = new Processor(options);
  await processor.open(options.port);
  const { port } = processor;
  const admin = adminPort === undefined
    ? undefined
    : await listen(processor.handle, adminPort, hostname).catch(async (error) => {
      await processor.stop();
      throw error;
    });
  const url = `http://${hostname}:${port}`;
  return {
    url,
    port,
    adminUrl: admin ? `http://${hostname}:${(admin.address() as AddressInfo).port}` : url,
    books: processor.books,
    setDelay: (ms) => processor.delayMs = ms,
    setFailing: (failing) => processor.failing = failing,
    setFault: (fault) => processor.setFault(fault),
    async close() {
      await Promise.all([processor.stop(), admin && close(admin)]);
    },
  };
}

type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;

class Processor {
  readonly books = new StandInBooks();
  readonly #feeRate: number;
  #token: string;
  delayMs = 0;
  failing = false;
  /** the one it listens on, also while it refuses connections */
  port = 0;
  readonly #hostname: string;
  #main: Server | undefined;
  #limiter = new ConcurrencyLimiter();
  #health = new HealthWindow();
  #fault: Fault = { fault: "none" };
  #random = Math.random;
  #hanging = new Set<ServerResponse>();
  #refusing: ReturnType<typeof setTimeout> | undefined;
  #switching: Promise<void> = Promise.resolve();
  #sleeping = new Set<ReturnType<typeof setTimeout>>();
  #stopped = false;
  readonly #hasAdminPort: boolean;

  constructor({ feeRate, token = "123", adminPort, hostname = "127.0.0.1" }: StandInOptions) {
    this.#feeRate = feeRate;
    this.#token = token;
    this.#hasAdminPort = adminPort !== undefined;
    this.#hostname = hostname;
  }

  readonly #routes: Record<string, Route> = {
    "POST /payments": (request, response) => this.#pay(request, response),
    "GET /payments/service-health": (_, response) => this.#tellHealth(response),
    "GET /admin/payments-summary": (_, response, url) => this.#summarise(response, url),
    "GET /admin/deliveries": (_, response, url) => this.#deliveries(response, url),
    "PUT /admin/configurations/delay": this.#setting("delay", isDelay, (ms) => void (this.delayMs = ms)),
    "PUT /admin/configurations/failure": this.#setting(
      "failure",
      isBoolean,
      (failing) => void (this.failing = failing),
    ),
    "PUT /admin/configurations/token": this.#setting("token", isText, (token) => void (this.#token = token), 204),
    "PUT /admin/configurations/fault": (request, response) => this.#switchFault(request, response),
    "POST /admin/purge-payments": (_, response) => {
      this.books.purge();
      return answer(response, 200, { message: "All payments purged." });
    },
  };

  /** Answers a request, whatever it is. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const target = `http://processor${request.url}`;
    if (!URL.canParse(target)) return void answer(response, 400, { message: "Bad request" });
    const url = new URL(target);
    if (url.pathname.startsWith("/admin/") && request.headers["x-rinha-token"] !== this.#token) {
      return void answer(response, 401, { message: "Unauthorized" });
    }
    const route = this.#routes[`${request.method} ${url.pathname}`];
    const id = /^\/payments\/([^/]+)$/.exec(url.pathname)?.[1];
    if (route) void Promise.resolve(route(request, response, url)).catch(() => response.destroy());
    else if (id && request.method === "GET") void this.#show(response, id);
    else void answer(response, 404, { message: "Not found" });
  };

  /** @throws where the port is taken */
  async open(port: number): Promise<void> {
    this.#main = await listen(this.handle, port, this.#hostname);
    this.port = (this.#main.address() as AddressInfo).port;
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
    for (const response of this.#hanging) response.destroy();
    this.#hanging.clear();
    clearTimeout(this.#refusing);
    if (fault.fault !== "refuse") {
      if (!this.#main) await this.open(this.port);
      return;
    }
    await this.#closeMain();
    if (fault.forMs === undefined) return;
    this.#refusing = setTimeout(() => {
      this.setFault({ fault: "none" }).catch((error) => console.error(`stand-in: ${error.message}`));
    }, fault.forMs);
  }

  async #closeMain(): Promise<void> {
    const main = this.#main;
    this.#main = undefined;
    if (main) await close(main);
  }

  /** Stops at once: what waits for its delay is never booked. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#refusing);
    for (const timer of this.#sleeping) clearTimeout(timer);
    this.#sleeping.clear();
    this.#hanging.clear();
    await this.#switching;
    await this.#closeMain();
  }

  #sleep(ms: number): Promise<void> | void {
    if (this.#stopped) return new Promise(() => {});
    if (!(ms > 0)) return;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#sleeping.delete(timer);
        resolve();
      }, ms);
      this.#sleeping.add(timer);
    });
  }

  async #pay(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const place = this.#limiter.enter();
    if (!place) return answer(response, 429, { message: "Too many requests" });
    try {
      const payment = paymentOf(await read(request));
      if (payment) this.books.deliver(payment.id);
      await place;
      if (!payment) {
        return answer(response, 400, { message: "A payment has a correlationId, an amount and a requestedAt" });
      }
      await this.#sleep(this.delayMs);
      // the caller may have left: that stops nothing
      this.#conclude(payment, response);
    } finally {
      this.#limiter.leave();
    }
  }

  #conclude({ id, booking }: Payment, response: ServerResponse): Promise<void> | void {
    const { fault, probability = 1 } = this.#fault;
    const strikes = fault !== "none" && this.#random() < probability;
    if (strikes && fault === "never-answer") return void this.#hanging.add(response);
    if (this.failing) return answer(response, 500, { message: "Internal error" });
    const booked = this.books.book(id, booking);
    if (strikes && fault === "book-then-drop") return void response.destroy();
    if (strikes && fault === "book-then-500") return answer(response, 500, { message: "Internal error" });
    if (booked) return answer(response, 200, { message: "payment processed successfully" });
    return answer(response, 422, { message: "CorrelationId already exists" });
  }

  #show(response: ServerResponse, text: string): Promise<void> {
    const id = parseId(text) ?? text;
    const booking = this.books.get(id);
    if (!booking) return answer(response, 404, { message: "Not found" });
    const requestedAt = booking.requestedAt.replace(/Z$/, "");
    return answer(response, 200, { correlationId: id, amount: amountOf(booking.cents), requestedAt });
  }

  async #tellHealth(response: ServerResponse): Promise<void> {
    const waitMs = this.#health.enter(performance.now());
    if (waitMs < 0) {
      return answer(response, 429, { message: "Too many requests" }, {
        "retry-after": String(Math.ceil(-waitMs / 1000)),
      });
    }
    await this.#sleep(waitMs);
    return answer(response, 200, { failing: this.failing, minResponseTime: this.delayMs });
  }

  #summarise(response: ServerResponse, url: URL): Promise<void> {
    const [from, to] = ["from", "to"].map((name) => url.searchParams.get(name));
    const bounds = from && to ? [millisecondsOf(from), millisecondsOf(to)] : [];
    if (bounds.some(Number.isNaN)) return answer(response, 400, { message: "from and to are timestamps" });
    const { count, cents } = this.books.window(...bounds);
    return answer(response, 200, {
      totalRequests: count,
      totalAmount: amountOf(cents),
      totalFee: Math.round(cents * this.#feeRate) / 100,
      feePerTransaction: this.#feeRate,
    });
  }

  #deliveries(response: ServerResponse, url: URL): Promise<void> {
    const one = url.searchParams.get("correlationId");
    const rows = [...one ? [one] : this.books.ids()].map((id) => {
      const booking = this.books.get(id);
      return {
        correlationId: id,
        delivered: this.books.delivered(id),
        booked: booking ? 1 : 0,
        cents: booking?.cents ?? null,
        requestedAt: booking?.requestedAt ?? null,
      };
    });
    return answer(response, 200, rows);
  }

  #setting<T>(name: string, is: (value: unknown) => value is T, set: (value: T) => void, status = 200): Route {
    return async (request, response) => {
      const value = (await read(request))?.[name];
      if (!is(value)) return answer(response, 400, { message: `${name} is missing or no valid value` });
      set(value);
      return answer(response, status, status === 204 ? undefined : { message: "ok" });
    };
  }

  async #switchFault(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request) ?? {};
    if (!isFault(body)) {
      const message = `fault is one of ${
        FAULTS.join(", ")
      }; probability 0 to 1, seed a whole number, forMs milliseconds`;
      return answer(response, 400, { message });
    }
    if (body.fault === "refuse" && !this.#hasAdminPort && body.forMs === undefined) {
      return answer(response, 422, { message: "refuse needs forMs where there is no admin port" });
    }
    // before the connection that it came on is dropped
    if (body.fault === "refuse") await answer(response, 200, { message: "ok" });
    await this.setFault(body);
    if (body.fault !== "refuse") await answer(response, 200, { message: "ok" });
  }
}
