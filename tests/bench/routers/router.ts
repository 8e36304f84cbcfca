/**
 * A payment router in memory, deliberately simple, and wrong in one way on request: what the harness has to notice.
 * `deno run -A router.ts FAULT DEFAULT_URL FALLBACK_URL` says where it listens on its standard output, and ends when its
 * standard input does.
 * @module
 */

/** How it is wrong; `none` is honest. */
export type Fault = "none" | "loses" | "claims" | "doubles" | "late" | "wrong-processor";

/** One payment in this many goes wrong. */
export const ONE_IN = 1_000;
/** How old the state is that a late summary shows, in milliseconds. */
const LATE_MS = 3_000;
const CALLS_MAX = 64;
const RETRY_MS = 50;

type Name = "default" | "fallback";

interface Settled {
  readonly name: Name;
  readonly requestedAt: number;
  /** when this router learned of it */
  readonly knownAt: number;
  readonly cents: number;
}

class Router {
  readonly #fault: Fault;
  readonly #urls: Readonly<Record<Name, string>>;
  #settled: Settled[] = [];
  #queue: { id: string; amount: number }[] = [];
  #calls = 0;
  #taken = 0;

  constructor(fault: Fault, urls: Readonly<Record<Name, string>>) {
    this.#fault = fault;
    this.#urls = urls;
  }

  async handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/payments-summary") return this.#summary(url.searchParams);
    if (url.pathname === "/purge-payments") {
      this.#settled = [];
      this.#queue = [];
      return new Response();
    }
    if (url.pathname === "/payments") {
      const { correlationId, amount } = await request.json();
      this.#take(correlationId, amount);
      return new Response(null, { status: 202 });
    }
    return new Response(null, { status: 404 });
  }

  #take(id: string, amount: number): void {
    const goesWrong = ++this.#taken % ONE_IN === 0;
    if (goesWrong && this.#fault === "loses") return;
    if (goesWrong && this.#fault === "claims") return this.#settle("default", Date.now(), amount);
    this.#queue.push({ id, amount });
    if (goesWrong && this.#fault === "doubles") this.#queue.push({ id: crypto.randomUUID(), amount });
    this.#dispatch();
  }

  #dispatch(): void {
    while (this.#calls < CALLS_MAX) {
      const payment = this.#queue.shift();
      if (!payment) return;
      this.#calls++;
      this.#book(payment.id, payment.amount).finally(() => {
        this.#calls--;
        this.#dispatch();
      });
    }
  }

  async #book(id: string, amount: number): Promise<void> {
    const name: Name = this.#fault === "wrong-processor" ? "fallback" : "default";
    for (;;) {
      const requestedAt = Date.now();
      const response = await fetch(`${this.#urls[name]}/payments`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ correlationId: id, amount, requestedAt: new Date(requestedAt).toISOString() }),
      });
      await response.body?.cancel();
      if (response.ok) return this.#settle("default", requestedAt, amount);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #settle(name: Name, requestedAt: number, amount: number): void {
    this.#settled.push({ name, requestedAt, knownAt: Date.now(), cents: Math.round(amount * 100) });
  }

  #summary(window: URLSearchParams): Response {
    const from = Date.parse(window.get("from") ?? "1970-01-01");
    const to = Date.parse(window.get("to") ?? "2970-01-01");
    const known = Date.now() - (this.#fault === "late" ? LATE_MS : 0);
    const of = (name: Name) => {
      const found = this.#settled.filter((payment) =>
        payment.name === name && payment.requestedAt >= from && payment.requestedAt <= to && payment.knownAt <= known
      );
      return { totalRequests: found.length, totalAmount: found.reduce((sum, { cents }) => sum + cents, 0) / 100 };
    };
    return Response.json({ default: of("default"), fallback: of("fallback") });
  }
}

async function endWithParent(): Promise<void> {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}

if (import.meta.main) {
  endWithParent();
  const [fault, byDefault, byFallback] = Deno.args;
  const router = new Router(fault as Fault, { default: byDefault!, fallback: byFallback! });
  const onListen = ({ port }: Deno.NetAddr) => console.log(`http://127.0.0.1:${port}`);
  Deno.serve({ port: 0, hostname: "127.0.0.1", onListen }, (request) => router.handle(request));
}
