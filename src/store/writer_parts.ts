/** What a writer of the store is made of. @module */
import type { Fact } from "../payment/fact.ts";
import type { Clock, Random } from "../clock.ts";
import type { Store } from "./store.ts";

export interface StoreWriterLimits {
  /** facts in one statement at most */
  readonly batchMax: number;
  /** between the starts of two batches at least, unless somebody waits; in milliseconds */
  readonly intervalMs: number;
  /** payments that may wait for the store; with one more, none is kept and everything is written anew later */
  readonly backlogMax: number;
}

export interface StoreWriterParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: StoreWriterLimits;
  /** The greatest fact of every payment there is; facts that are noted while it is read need not be in it. */
  everything(): Iterable<Fact>;
  /** Told after each commit what is stored now. */
  onStored?(facts: readonly Fact[]): void;
  /** Told when the store is in a later epoch than this replica, so that it ignores what is written. */
  onLaterEpoch?(epoch: number): unknown;
  /** Told once whenever the store begins to work, stops working, or fails for another reason. */
  log?(level: "info" | "warning", line: string): void;
}
