/** The four who say what was booked: the router, Postgres, and both processors. @module */
// @ts-types="@types/pg"
import pg from "pg";
import { type Processor, PROCESSORS } from "../../payment/fact.ts";
import { parseInstant } from "../../payment/instant.ts";
import { type Cents, centsOf } from "../../payment/money.ts";
import { STAGES } from "../../payment/payment.ts";
import type { Total } from "../../payment/totals.ts";
import { errorLine } from "../../errors.ts";
import { connectionOf } from "../../store/connection.ts";

/** A call may take so long, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** One of the four cannot be asked; the message is one line, without secrets. */
export class AuditError extends Error {
  override name = "AuditError";
}

/** A span of `requestedAt`, both ends inclusive, in milliseconds since 1970. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** What is booked at each processor. */
export type Totals = Readonly<Record<Processor, Total>>;

/** What is booked under an id. */
export interface Booking {
  readonly id: string;
  readonly processor: Processor;
  readonly cents: Cents;
  readonly requestedAt: number;
}

/** Where the four are. */
export interface Addresses {
  readonly router: string;
  readonly processors: Readonly<Record<Processor, string>>;
  readonly database: string;
  /** what a processor's admin API wants to see */
  readonly token: string;
}

/** Asks the four. */
export class Sides {
  readonly #addresses: Addresses;
  readonly #database: pg.Client;

  constructor(addresses: Addresses) {
    this.#addresses = addresses;
    this.#database = new pg.Client({
      ...connectionOf(addresses.database),
      connectionTimeoutMillis: TIMEOUT_MS,
      statement_timeout: 6 * TIMEOUT_MS,
      application_name: "galo-audit",
    });
    // whoever asks next is told
    this.#database.on("error", () => {});
  }

  async open(): Promise<void> {
    await this.#database.connect().catch((error: Error) => {
      throw new AuditError(`Postgres (DATABASE_URL) cannot be asked: ${shown(error)}`);
    });
  }

  async close(): Promise<void> {
    await this.#database.end().catch(() => {});
  }

  /** What the router's summary says. */
  async router(window: Window): Promise<Totals> {
    const body = await this.#ask("the router", `${this.#addresses.router}/payments-summary${query(window)}`);
    const of = (name: Processor) => totalOf(`the router's ${name}`, body?.[name]);
    return { default: of("default"), fallback: of("fallback") };
  }

  /** What a processor's own books say. */
  async processor(name: Processor, window: Window): Promise<Total> {
    const url = `${this.#addresses.processors[name]}/admin/payments-summary${query(window)}`;
    return totalOf(`the ${name} processor`, await this.#ask(`the ${name} processor`, url, this.#addresses.token));
  }

  /** Every settled payment of the store in the window, by `requestedAt`. */
  async store({ from, to }: Window): Promise<Booking[]> {
    const { rows } = await this.#database.query<{ id: string; cents: string; processor: number; at: string }>(
      `select id, cents, processor, requested_at_ms as at from payment
       where stage = $1 and requested_at_ms between $2 and $3 order by requested_at_ms, id`,
      [STAGES.indexOf("settled"), from, to],
    ).catch((error: Error) => {
      throw new AuditError(`Postgres does not know Galo's tables: ${shown(error)}`);
    });
    return rows.map(({ id, cents, processor, at }) => ({
      id,
      cents: Number(cents),
      processor: PROCESSORS[processor]!,
      requestedAt: Number(at),
    }));
  }

  /** What a processor says of an id; null where it does not have it. */
  async lookup(processor: Processor, id: string): Promise<Booking | null> {
    const who = `the ${processor} processor`;
    const body = await this.#ask(who, `${this.#addresses.processors[processor]}/payments/${id}`);
    return body ? bookingOf(who, id, processor, body) : null;
  }

  /** Where the router says that an id is settled; null where it is not. */
  async routerHas(id: string): Promise<Booking | null> {
    const body = await this.#ask("the router", `${this.#addresses.router}/payments/${id}`);
    return body?.state === "settled" ? bookingOf("the router", id, body.processor as Processor, body) : null;
  }

  /** @returns undefined for 404 */
  async #ask(who: string, url: string, token?: string): Promise<Record<string, unknown> | undefined> {
    let response: Response;
    try {
      const headers: HeadersInit = { accept: "application/json", ...token !== undefined && { "x-rinha-token": token } };
      response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      throw new AuditError(`${who} does not answer: ${shown(error)}`);
    }
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (response.status === 401) throw new AuditError(`${who} does not take the token`);
    if (!response.ok) throw new AuditError(`${who} answers ${response.status}`);
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch {
      throw new AuditError(`${who} answers no JSON`);
    }
  }
}

function query({ from, to }: Window): string {
  return `?from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
}

function bookingOf(who: string, id: string, processor: Processor, body: Record<string, unknown>): Booking {
  const cents = centsOf(Number(body.amount));
  const requestedAt = parseInstant(String(body.requestedAt))?.ms;
  if (cents !== undefined && requestedAt !== undefined) return { id, processor, cents, requestedAt };
  throw new AuditError(`${who} says of ${id} what makes no sense`);
}

function totalOf(who: string, body: unknown): Total {
  const { totalRequests: count, totalAmount } = (body ?? {}) as Record<string, unknown>;
  // a sum of many amounts may come as a float that is off by far less than a cent
  const cents = Math.round(Number(totalAmount) * 100);
  if (Number.isSafeInteger(count) && Number.isSafeInteger(cents)) return { count: count as number, cents };
  throw new AuditError(`${who} says no totals`);
}

function shown(error: unknown): string {
  return errorLine(error).replaceAll(/\/\/[^@\s/]*@/g, "//***@");
}
