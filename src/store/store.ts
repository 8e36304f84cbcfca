/**
 * The port to what outlives the machine: a projection of the log, with its position. Whoever writes moves the position in
 * the same transaction, from where it believes it to be, so that two writers cannot harm each other.
 * @module
 */
import type { Payment } from "../payment/payment.ts";

/** Which part of which log the store holds. */
export interface Stored {
  /** the identity of the log; null where nothing was ever stored */
  readonly logId: string | null;
  /** the store holds the log up to here; 0 where nothing was ever stored */
  readonly position: number;
  /** the hash of the fold there */
  readonly hash: number;
  /** see {@link Book.doubtedUptimeMs} */
  readonly doubtedUptimeMs: number | null;
}

/** Where the store is: in which log, and up to which position. */
export type LogPosition = Pick<Stored, "logId" | "position">;

/** What one write brings the store. */
export interface Batch {
  /** where the store is believed to be */
  readonly from: LogPosition;
  /** where it will be */
  readonly to: Stored & { readonly logId: string };
  /** whether all that is stored goes first: after a purge, and where a restored backup is written anew */
  readonly replacesAll: boolean;
  /** every payment that differs between the two positions, as it is at the second; each once */
  readonly payments: Iterable<Payment>;
}

/** Every method may reject with a {@link StoreError}; calling it again is safe. */
export interface Store {
  /**
   * Connects, migrates (once, whoever comes first), and tells where the store is.
   *
   * @param toWrite rejected as {@link write} would be where nothing can be written
   */
  stored(toWrite?: boolean): Promise<Stored>;
  /** Hands every payment to `visit`, from one snapshot, settled ones last, oldest `requestedAt` first. @returns where that snapshot is */
  load(visit: (payment: Payment) => void): Promise<Stored>;
  /**
   * Writes a batch in one transaction, if the store is where it is believed to be. Resolved after the commit.
   *
   * @returns where the store is now: the very `to` of this batch, once it is committed, or where another writer has brought it
   */
  write(batch: Batch): Promise<Stored>;
}

/** Why the store did not do what it was asked. */
export class StoreError extends Error {
  /**
   * @param kind `unavailable`: trying again may help; `refused`: somebody has to act first (a wrong password, a disk
   * that is full, a read-only database, a schema from a newer version)
   * @param message one clear line, without secrets
   */
  constructor(readonly kind: "unavailable" | "refused", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}
