/** What a stand-in processor has booked. @module */
import type { Cents } from "../payment/money.ts";
import { Totals } from "../payment/totals.ts";

/** A payment at a processor. */
interface BookedPayment {
  readonly cents: Cents;
  /** as it was sent */
  readonly requestedAt: string;
  /** the same in milliseconds since 1970 */
  readonly at: number;
}

/** The books of one stand-in: a payment once for each id, and how often each id came in. */
export class StandInBooks {
  /** the payments by their ids */
  readonly booked = new Map<string, BookedPayment>();
  /** how many requests to book an id came in; one may come in before a purge and be booked after it */
  readonly delivered = new Map<string, number>();
  /** of what is booked */
  totals = new Totals();
  /** requests to book a payment, repeated ones too */
  deliveries = 0;

  /** Counts a request to book a payment. */
  deliver(id: string): void {
    this.deliveries++;
    this.delivered.set(id, (this.delivered.get(id) ?? 0) + 1);
  }

  /** Books a payment. @returns false if it was booked already */
  book(id: string, booking: BookedPayment): boolean {
    if (this.booked.has(id)) return false;
    this.booked.set(id, booking);
    this.totals.add(booking.at, booking.cents);
    return true;
  }

  /** Forgets everything. */
  purge(): void {
    this.booked.clear();
    this.delivered.clear();
    this.totals = new Totals();
    this.deliveries = 0;
  }
}
