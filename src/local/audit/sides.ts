/** The four sides of an audit: the router, Postgres, and both processors. @module */
// @ts-types="@types/pg"
import pg from "pg";
import { z } from "@zod/zod";
import type { Summary } from "../../payment/book.ts";
import { type Booking, type Processor, PROCESSORS } from "../../payment/fact.ts";
import { parseInstant } from "../../payment/instant.ts";
import { centsOf } from "../../payment/money.ts";
import { STAGES } from "../../payment/payment.ts";
import type { Total } from "../../payment/totals.ts";
import { errorLine } from "../../errors.ts";
import { connectionOf } from "../../store/connection.ts";

/** How long a call may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** One of the four does not answer; the message is one line, without secrets. */
export class AuditError extends Error {
  /** what a stack shows */
  override name = "AuditError";
}

/** A span of `requestedAt`, both ends inclusive, in milliseconds since 1970. */
export interface Window {
  /** the first millisecond */
  readonly from: number;
  /** the last millisecond, included */
  readonly to: number;
}

/** What is booked under an id. */
export interface Booked extends Booking {
  /** the payment's */
  readonly id: string;
}

/** The addresses of the four. */
export interface Addresses {
  /** base URL */
  readonly router: string;
  /** base URLs */
  readonly processors: Readonly<Record<Processor, string>>;
  /** DATABASE_URL: see {@link connectionOf} */
  readonly database: string;
  /** the token of the processors' admin API */
  readonly token: string;
}

const totalSchema = z.object({ totalRequests: z.int(), totalAmount: z.number() })
  // a sum of many amounts may come as a float that is off by far less than a cent
  .transform(({ totalRequests, totalAmount }) => ({ count: totalRequests, cents: Math.round(totalAmount * 100) }));
const summarySchema = z.object({ default: totalSchema, fallback: totalSchema });
const bookedSchema = z.object({
  amount: z.number().transform(centsOf).pipe(z.int()),
  requestedAt: z.string().transform((text) => parseInstant(text)?.ms).pipe(z.int()),
});
const settledSchema = bookedSchema.extend({ state: z.literal("settled"), processor: z.enum(PROCESSORS) });
const unsettledSchema = z.object({ state: z.enum(STAGES).exclude(["settled"]) }).transform(() => null);

/** Asks the four. */
export class Sides {
  /** Asks nothing yet. @param queryTimeoutMs how long Postgres may take for its answer, in milliseconds */
  constructor(private readonly addresses: Addresses, private readonly queryTimeoutMs = 6 * TIMEOUT_MS) {}

  /** What the router's summary says. */
  async router(window: Window): Promise<Summary> {
    return await ask("the router", `${this.addresses.router}/payments-summary${query(window)}`, summarySchema);
  }

  /** What a processor's own books say. */
  async processor(name: Processor, window: Window): Promise<Total> {
    const url = `${this.addresses.processors[name]}/admin/payments-summary${query(window)}`;
    return await ask(`the ${name} processor`, url, totalSchema, { "x-rinha-token": this.addresses.token });
  }

  /** Every settled payment of the store in the window, by `requestedAt`. */
  async store({ from, to }: Window): Promise<Booked[]> {
    try {
      const database = new pg.Client({
        ...connectionOf(this.addresses.database),
        connectionTimeoutMillis: TIMEOUT_MS,
        statement_timeout: this.queryTimeoutMs,
        // for a server that is frozen or cut off, and cannot keep its own time
        query_timeout: this.queryTimeoutMs + 1_000,
        application_name: "galo-audit",
      });
      // the query gets the error
      database.on("error", () => {});
      await database.connect();
      const { rows } = await database.query<{ id: string; cents: string; processor: number; at: string }>(
        `select id, cents, processor, requested_at_ms as at from payment
         where stage = $1 and requested_at_ms between $2 and $3 order by requested_at_ms, id`,
        [STAGES.indexOf("settled"), from, to],
      ).finally(() => database.end().catch(() => {}));
      return rows.map(({ id, cents, processor, at }) => (
        { id, processor: PROCESSORS[processor]!, cents: Number(cents), requestedAt: Number(at) }
      ));
    } catch (error) {
      throw new AuditError(`Postgres (DATABASE_URL) cannot be asked: ${shown(error)}`);
    }
  }

  /** What a processor says of an id; null if it does not have it. */
  async lookup(processor: Processor, id: string): Promise<Booked | null> {
    const url = `${this.addresses.processors[processor]}/payments/${id}`;
    const booked = await ask(`the ${processor} processor`, url, bookedSchema.nullable());
    return booked && { id, processor, cents: booked.amount, requestedAt: booked.requestedAt };
  }

  /** Where the router says that an id is settled; null if it is not. */
  async routerHas(id: string): Promise<Booked | null> {
    const url = `${this.addresses.router}/payments/${id}`;
    const settled = await ask("the router", url, z.union([settledSchema, unsettledSchema]).nullable());
    return settled &&
      { id, processor: settled.processor, cents: settled.amount, requestedAt: settled.requestedAt };
  }
}

/** What an answer says; 404 is null. */
async function ask<T>(who: string, url: string, schema: z.ZodType<T>, headers: HeadersInit = {}): Promise<T> {
  const init = { headers: { accept: "application/json", ...headers }, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const response = await fetch(url, init).catch((error) => {
    throw new AuditError(`${who} does not answer: ${shown(error)}`);
  });
  const body = await response.json().catch(() => undefined);
  if (response.status === 401) throw new AuditError(`${who} rejects the token`);
  if (!response.ok && response.status !== 404) throw new AuditError(`${who} answers ${response.status}`);
  const { success, data } = schema.safeParse(response.ok ? body : null);
  if (success) return data;
  throw new AuditError(`${who} gives an answer that makes no sense: ${new URL(url).pathname}`);
}

function query({ from, to }: Window): string {
  return `?from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
}

function shown(error: unknown): string {
  return errorLine(error).replaceAll(/\/\/[^@\s/]*@/g, "//***@");
}
