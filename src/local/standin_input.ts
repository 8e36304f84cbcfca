/** What a stand-in processor is told: payments and settings, out of bodies that may be anything. @module */
import { parseId } from "../payment/id.ts";
import { centsOf } from "../payment/money.ts";
import { type Booking, millisecondsOf } from "./standin_books.ts";

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

/** A payment as it came in. */
export interface Payment {
  readonly id: string;
  readonly booking: Booking;
}

/** The JSON object in a body; undefined where there is none. */
export function objectIn(body: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The payment in a body; undefined where it is none. */
export function paymentOf(body: Record<string, unknown> | undefined): Payment | undefined {
  const { correlationId, amount, requestedAt } = body ?? {};
  const id = typeof correlationId === "string" ? parseId(correlationId) : undefined;
  const cents = typeof amount === "number" || typeof amount === "string" ? centsOf(rounded(Number(amount))) : undefined;
  if (!id || cents === undefined || typeof requestedAt !== "string" || Number.isNaN(millisecondsOf(requestedAt))) {
    return undefined;
  }
  return { id, booking: { cents, requestedAt } };
}

/** An amount rounded to two decimals, by its digits: 1.005 * 100 is less than 100.5. */
function rounded(amount: number): number {
  const text = `${amount}`;
  return Math.round(text.includes("e") ? amount * 100 : Number(`${text}e2`)) / 100;
}

/** Whether a body is a fault to switch to. */
export function isFault(body: Record<string, unknown>): body is Record<string, unknown> & Fault {
  const { fault, probability = 1, seed = 0, forMs = 0 } = body;
  return FAULTS.includes(fault as Fault["fault"]) && isDelay(probability) && probability <= 1 &&
    Number.isSafeInteger(seed) && isDelay(forMs);
}

/** The longest that a timer can wait, in milliseconds. */
const DELAY_MS_MAX = 2 ** 31 - 1;
/** Milliseconds. */
export const isDelay = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value <= DELAY_MS_MAX;
export const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
export const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
