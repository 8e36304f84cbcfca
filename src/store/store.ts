/**
 * The port to the store, which outlives the machine: a projection of the log, with its position. A writer moves the
 * position in the same transaction, from where it believes it to be, so two writers cannot harm each other.
 * @module
 */
import type { Payment } from "../payment/payment.ts";

/** How much of which log the store holds. */
export interface Stored {
  /** the identity of the log; null if nothing was ever stored */
  readonly logId: string | null;
  /** the store holds the log up to here; 0 if nothing was ever stored */
  readonly position: number;
  /** the hash of the fold there */
  readonly hash: number;
  /** see {@link Book.doubtedUptimeMs} */
  readonly doubtedUptimeMs: number | null;
}

/** Where the store is: in which log, and up to which position. */
export type LogPosition = Pick<Stored, "logId" | "position">;

/** The changes of one write. */
export interface Batch {
  /** where the store is believed to be */
  readonly from: LogPosition;
  /** where it will be */
  readonly to: Stored & { readonly logId: string };
  /** whether all rows are deleted first: after a purge, and to write a restored backup again */
  readonly replacesAll: boolean;
  /** every payment that differs between the two positions, as it is at the second; each once */
  readonly payments: Iterable<Payment>;
}

/** Every method may reject with a {@link StoreError}; calling it again is safe. */
export interface Store {
  /**
   * Connects, migrates (the first caller does), and says where the store is.
   *
   * @param toWrite rejects as {@link write} would if nothing can be written
   */
  stored(toWrite?: boolean): Promise<Stored>;
  /** Passes every payment to `visit`, from one snapshot, settled ones last, oldest `requestedAt` first. @returns where that snapshot is */
  load(visit: (payment: Payment) => void): Promise<Stored>;
  /**
   * Writes a batch in one transaction, if the store is where it is believed to be. Resolved after the commit.
   *
   * @returns where the store is now: the object `to` of this batch if it was committed, or where another writer moved it
   */
  write(batch: Batch): Promise<Stored>;
}

/** Why a call of the store failed. */
export class StoreError extends Error {
  /**
   * An error with one line for people.
   *
   * @param kind `unavailable`: trying again may help; `refused`: somebody has to act first (a wrong password, a disk
   * that is full, a read-only database, a schema from a newer version)
   * @param message one clear line, without secrets
   */
  constructor(readonly kind: "unavailable" | "refused", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}
