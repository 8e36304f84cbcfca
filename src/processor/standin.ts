/**
 * A stand-in for a payment processor that behaves as CONTRACT.md says, with faults that the real one has by accident only.
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Buffer } from "node:buffer";
import type { AddressInfo } from "node:net";
import { amountOf, centsOf } from "../payment/money.ts";
import { parseId } from "../payment/id.ts";
import { seeded } from "./seeded.ts";
import { StandInBooks } from "./standin_books.ts";
import { ConcurrencyLimiter, HealthWindow } from "./standin_limits.ts";

/** What can go wrong beside refusing: how a call to `POST /payments` ends although it should not. */
export const FAULTS = ["none", "book-then-drop", "book-then-500", "never-answer", "refuse"] as const;

/** A fault, and how often it strikes. */
export interface Fault {
  readonly fault: typeof FAULTS[number];
  /** of a call, 1 by default */
  readonly probability?: number;
  /** makes the choice of calls repeatable */
  readonly seed?: number;
  /** how long `refuse` lasts, in milliseconds: for callers who could not switch it off, being refused themselves */
  readonly forMs?: number;
}

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
  const main = await listen(processor.handle, options.port, hostname);
  const admin = adminPort === undefined ? undefined : await listen(processor.handle, adminPort, hostname);
  processor.main = main;
  const { port } = main.address() as AddressInfo;
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
      await processor.stop();
      await Promise.all([main, admin].map((server) => server && close(server)));
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
  main: Server | undefined;
  #port = 0;
  #hostname: string;
  #limiter = new ConcurrencyLimiter();
  #health = new HealthWindow();
  #fault: Fault = { fault: "none" };
  #random = Math.random;
  #hanging = new Set<ServerResponse>();
  #refusing: ReturnType<typeof setTimeout> | undefined;
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
      answer(response, 200, { message: "All payments purged." });
    },
  };

  /** Answers a request, whatever it is. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? "/", "http://processor");
    const route = this.#routes[`${request.method} ${url.pathname}`];
    const id = /^\/payments\/([^/]+)$/.exec(url.pathname)?.[1];
    if (url.pathname.startsWith("/admin/") && request.headers["x-rinha-token"] !== this.#token) {
      return answer(response, 401, { message: "Unauthorized" });
    }
    if (route) void Promise.resolve(route(request, response, url)).catch(() => response.destroy());
    else if (id && request.method === "GET") this.#show(response, id);
    else answer(response, 404, { message: "Not found" });
  };

  async setFault(fault: Fault): Promise<void> {
    this.#fault = fault;
    this.#random = fault.seed === undefined ? Math.random : seeded(fault.seed);
    for (const response of this.#hanging) response.destroy();
    this.#hanging.clear();
    clearTimeout(this.#refusing);
    if (fault.fault === "refuse") {
      this.#port ||= (this.main!.address() as AddressInfo).port;
      if (this.main!.listening) await close(this.main!);
      if (fault.forMs !== undefined) this.#refusing = setTimeout(() => this.setFault({ fault: "none" }), fault.forMs);
    } else if (!this.main!.listening) {
      await new Promise<void>((resolve) => this.main!.listen(this.#port, this.#hostname, resolve));
    }
  }

  async stop(): Promise<void> {
    clearTimeout(this.#refusing);
    await Promise.resolve(this.#hanging.clear());
  }

  async #pay(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const place = this.#limiter.enter();
    if (!place) return answer(response, 429, { message: "Too many requests" });
    const body = await read(request);
    await place;
    try {
      await sleep(this.delayMs);
      // the caller may have left: that stops nothing
      this.#conclude(body, response);
    } finally {
      this.#limiter.leave();
    }
  }

  #conclude(body: Record<string, unknown> | undefined, response: ServerResponse): void {
    const id = parseId(String(body?.correlationId ?? ""));
    const cents = centsOf(Math.round(Number(body?.amount) * 100) / 100);
    const requestedAt = body?.requestedAt;
    if (!id || cents === undefined || typeof requestedAt !== "string" || Number.isNaN(Date.parse(requestedAt))) {
      return answer(response, 400, { message: "A payment has a correlationId, an amount and a requestedAt" });
    }
    this.books.deliver(id);
    const { fault, probability = 1 } = this.#fault;
    const strikes = fault !== "none" && this.#random() < probability;
    if (strikes && fault === "never-answer") return void this.#hanging.add(response);
    if (this.failing) return answer(response, 500, { message: "Internal error" });
    const booked = this.books.book(id, { cents, requestedAt });
    if (strikes && fault === "book-then-drop") return void response.destroy();
    if (strikes && fault === "book-then-500") return answer(response, 500, { message: "Internal error" });
    if (booked) answer(response, 200, { message: "payment processed successfully" });
    else answer(response, 422, { message: "CorrelationId already exists" });
  }

  #show(response: ServerResponse, text: string): void {
    const id = parseId(text) ?? text;
    const booking = this.books.get(id);
    if (!booking) return answer(response, 404, { message: "Not found" });
    const requestedAt = booking.requestedAt.replace(/Z$/, "");
    answer(response, 200, { correlationId: id, amount: amountOf(booking.cents), requestedAt });
  }

  async #tellHealth(response: ServerResponse): Promise<void> {
    const waitMs = this.#health.enter(performance.now());
    if (waitMs < 0) {
      return answer(response, 429, { message: "Too many requests" }, {
        "retry-after": String(Math.ceil(-waitMs / 1000)),
      });
    }
    await sleep(waitMs);
    answer(response, 200, { failing: this.failing, minResponseTime: this.delayMs });
  }

  #summarise(response: ServerResponse, url: URL): void {
    const [from, to] = ["from", "to"].map((name) => url.searchParams.get(name));
    const bounds = from && to ? [Date.parse(zoned(from)), Date.parse(zoned(to))] : [];
    if (bounds.some(Number.isNaN)) return answer(response, 400, { message: "from and to are timestamps" });
    const { count, cents } = this.books.window(...bounds);
    answer(response, 200, {
      totalRequests: count,
      totalAmount: amountOf(cents),
      totalFee: Math.round(cents * this.#feeRate) / 100,
      feePerTransaction: this.#feeRate,
    });
  }

  #deliveries(response: ServerResponse, url: URL): void {
    const one = url.searchParams.get("correlationId");
    const rows = [...one ? [one] : this.books.ids()].map((id) => {
      const booking = this.books.get(id);
      const booked = booking ? 1 : 0;
      const delivered = this.books.delivered(id);
      return {
        correlationId: id,
        delivered,
        booked,
        cents: booking?.cents ?? null,
        requestedAt: booking?.requestedAt ?? null,
      };
    });
    answer(response, 200, rows);
  }

  #setting<T>(name: string, is: (value: unknown) => value is T, set: (value: T) => void, status = 200): Route {
    return async (request, response) => {
      const value = (await read(request))?.[name];
      if (!is(value)) return answer(response, 400, { message: `${name} is missing or no valid value` });
      set(value);
      answer(response, status, status === 204 ? undefined : { message: "ok" });
    };
  }

  async #switchFault(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request) as Partial<Fault> | undefined;
    const { fault, forMs } = body ?? {};
    if (!fault || !FAULTS.includes(fault)) {
      return answer(response, 400, { message: `fault is one of ${FAULTS.join(", ")}` });
    }
    if (fault === "refuse" && !this.#hasAdminPort && forMs === undefined) {
      return answer(response, 422, { message: "refuse needs forMs where there is no admin port" });
    }
    answer(response, 200, { message: "ok" });
    await this.setFault(body as Fault);
  }
}

function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  port: number,
  hostname: string,
): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 120_000 }, handle);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  if (response.destroyed) return;
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** The JSON object in a request's body; undefined where there is none. */
async function read(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  let text = "";
  try {
    for await (const chunk of request) text += chunk;
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function sleep(ms: number): Promise<void> | void {
  if (ms > 0) return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A timestamp without a zone is in UTC. */
function zoned(text: string): string {
  return /(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`;
}

const isDelay = (value: unknown): value is number => typeof value === "number" && value >= 0;
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
