/** What a stand-in processor has booked. @module */
import type { Cents } from "../payment/money.ts";
import { type Total, Totals } from "../payment/totals.ts";

/** A payment at a processor. */
export interface Booking {
  readonly cents: Cents;
  /** as it was sent */
  readonly requestedAt: string;
  /** the same in milliseconds since 1970 */
  readonly at: number;
}

/** The books of one stand-in: a payment once for each id, and how often each id came in. */
export class StandInBooks {
  readonly #booked = new Map<string, Booking>();
  readonly #delivered = new Map<string, number>();
  #totals = new Totals();
  /** Requests to book a payment, repeated ones too. */
  deliveries = 0;

  /** Payments that are booked. */
  get count(): number {
    return this.#booked.size;
  }

  /** What they add up to. */
  get cents(): Cents {
    return this.#totals.all.cents;
  }

  /** The amount an id is booked with; undefined where it is not. */
  bookedCents(id: string): Cents | undefined {
    return this.#booked.get(id)?.cents;
  }

  /** What is booked under an id. */
  get(id: string): Booking | undefined {
    return this.#booked.get(id);
  }

  /** How often a request to book this id came in. */
  delivered(id: string): number {
    return this.#delivered.get(id) ?? 0;
  }

  /** Every id that came in, or that is booked: one may have come in before a purge and be booked after it. */
  ids(): Iterable<string> {
    return new Set([...this.#delivered.keys(), ...this.#booked.keys()]);
  }

  /** What is booked with `from <= requestedAt <= to`, in milliseconds. */
  window(from?: number, to?: number): Total {
    return this.#totals.window(from, to);
  }

  /** Counts a request to book a payment. */
  deliver(id: string): void {
    this.deliveries++;
    this.#delivered.set(id, this.delivered(id) + 1);
  }

  /** @returns whether it is booked now: false where it was booked already */
  book(id: string, booking: Booking): boolean {
    if (this.#booked.has(id)) return false;
    this.#booked.set(id, booking);
    this.#totals.add(booking.at, booking.cents);
    return true;
  }

  /** Forgets everything. */
  purge(): void {
    this.#booked.clear();
    this.#delivered.clear();
    this.#totals = new Totals();
    this.deliveries = 0;
  }
}
