/**
 * What the bench asks the router and the processors beside the load, as the grader does: purges, outages, summaries.
 * Each successful request counts in the run's p99, because the grader's does over "every successful request".
 * @module
 */
import { Connection, ConnectionError, encodeRequest } from "./connection.ts";
import type { Latency } from "./latency.ts";
import type { ProcessorState } from "./scenario.ts";
import type { Books, BothBooks } from "./score.ts";

/** The grader's own limit for every request, in milliseconds. */
const TIMEOUT_MS = 1_500;
/** How long a system may take until its summary answers, in milliseconds: CONTRACT.md. */
const READY_MS = 75_000;
const READY_POLL_MS = 100;
const TOKEN = { "X-Rinha-Token": "123" };

export type ProcessorName = "default" | "fallback";
export const PROCESSORS: readonly ProcessorName[] = ["default", "fallback"];

/** Where everything listens, each such as `http://127.0.0.1:9999`. */
export interface Addresses {
  readonly router: string;
  readonly processors: { readonly [N in ProcessorName]: string };
}

/** A span of time, both ends inclusive, as epoch milliseconds. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** One of the three does not do what the bench needs of it; the message names it. */
export class ApiError extends Error {
  override name = "ApiError";
}

export class Api {
  readonly addresses: Addresses;
  readonly #latency: Latency;
  readonly #idle = new Map<string, Connection[]>();

  /** @param latency every successful request is recorded here */
  constructor(addresses: Addresses, latency: Latency) {
    this.addresses = addresses;
    this.#latency = latency;
  }

  /**
   * Waits until the router's summary answers 200.
   *
   * @throws ApiError after 75 s
   */
  async untilReady(): Promise<void> {
    const end = performance.now() + READY_MS;
    const url = `${this.addresses.router}/payments-summary`;
    for (let last = ""; performance.now() < end;) {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
        await response.body?.cancel();
        if (response.status === 200) return;
        last = `${response.status}`;
      } catch (error) {
        last = (error as Error).message;
      }
      await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
      if (performance.now() >= end) {
        throw new ApiError(`${url} did not answer 200 within ${READY_MS / 1_000} s: ${last}`);
      }
    }
  }

  /**
   * Empties the router and both processors.
   *
   * @returns whether the router has a purge: it may be missing
   * @throws ApiError where a processor refuses
   */
  async purge(): Promise<boolean> {
    const router = await this.#request("POST", this.addresses.router, "/purge-payments");
    for (const name of PROCESSORS) await this.#admin("POST", name, "/admin/purge-payments");
    return router !== undefined;
  }

  /** Sets what a processor does from now on. @throws ApiError where it refuses */
  async configure(name: ProcessorName, { delayMs, failing }: ProcessorState): Promise<void> {
    const put = (what: string, value: unknown) =>
      this.#admin("PUT", name, `/admin/configurations/${what}`, JSON.stringify(value));
    await put("delay", { delay: delayMs });
    await put("failure", { failure: failing });
  }

  /** What a processor has booked in a window and what it charges; undefined where it does not answer in time. */
  async processorBooks(name: ProcessorName, window: Window): Promise<Books & { feeBp: number } | undefined> {
    const json = await this.#request("GET", this.addresses.processors[name], `/admin/payments-summary${query(window)}`);
    const who = `the ${name} processor's summary`;
    return json && { ...booksOf(json, who), feeBp: Math.round(number(json, "feePerTransaction", who) * 10_000) };
  }

  /** What the router says was booked in a window; undefined where it does not answer in time. */
  async routerBooks(window: Window): Promise<BothBooks | undefined> {
    const json = await this.#request("GET", this.addresses.router, `/payments-summary${query(window)}`);
    const who = "the router's summary";
    return json && { default: booksOf(json.default, who), fallback: booksOf(json.fallback, who) };
  }

  /** Closes every connection. */
  close(): void {
    for (const connection of [...this.#idle.values()].flat()) connection.close();
    this.#idle.clear();
  }

  async #admin(method: string, name: ProcessorName, path: string, body?: string): Promise<void> {
    const answer = await this.#request(method, this.addresses.processors[name], path, body);
    if (answer === undefined) {
      throw new ApiError(`the ${name} processor did not take ${method} ${this.addresses.processors[name]}${path}`);
    }
  }

  /** The answer's JSON, an empty object where there is none; undefined for a failure, a refusal or none in time. */
  // deno-lint-ignore no-explicit-any
  async #request(method: string, origin: string, path: string, body?: string): Promise<any> {
    const url = new URL(origin);
    const idle = this.#idle.get(origin) ?? [];
    this.#idle.set(origin, idle);
    const connection = idle.pop() ?? new Connection(url);
    const timer = setTimeout(() => connection.expire(Infinity, 0), TIMEOUT_MS);
    try {
      const answer = await connection.send(
        encodeRequest(method, url, path, body, origin === this.addresses.router ? {} : TOKEN),
      );
      if (answer.status < 200 || answer.status > 299) return undefined;
      this.#latency.record(answer.ms);
      return answer.body.startsWith("{") ? JSON.parse(answer.body) : {};
    } catch (error) {
      // no answer, or an answer without JSON, is a failure of the side that was asked
      if (error instanceof ConnectionError || error instanceof SyntaxError) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
      idle.push(connection);
    }
  }
}

function query({ from, to }: Window): string {
  return `?from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
}

function booksOf(json: unknown, who: string): Books {
  return {
    count: number(json, "totalRequests", who),
    cents: Math.round(number(json, "totalAmount", who) * 100),
  };
}

function number(json: unknown, field: string, who: string): number {
  const value = (json as Record<string, unknown> | undefined)?.[field];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new ApiError(`${who}: ${field} is no number but ${JSON.stringify(value)}`);
}
