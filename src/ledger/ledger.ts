/**
 * The ledger: the only way to record facts. Whether a fact holds is known once it stands in the log and everything before
 * it is folded. `FileLedger` knows at once; `StreamLedger` knows when other machines have answered.
 * @module
 */
import type { Book } from "../payment/book.ts";
import type { Fact } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";

/** What became of a fact. */
export type Receipt =
  /** it holds: `payment` is its payment after it */
  | { readonly kind: "holds"; readonly payment: Payment | undefined }
  /** it is void, another fact came first: `payment` is the payment as it is, if there is one */
  | { readonly kind: "void"; readonly payment: Payment | undefined }
  /** the log did not take it: nothing happened */
  | { readonly kind: "not-taken" };

/** Called with every fact of the log, in order, once it is folded. It must not append: that would be out of order. */
export interface LedgerObserver {
  /**
   * Takes the next fact.
   *
   * @param holds whether the fact holds
   * @param payment what is known of its payment now, if it is about one
   */
  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void;
}

/** What a replica had folded up to a position: all of it must be the same at all of them. */
export interface Checkpoint {
  /** in the log */
  readonly position: number;
  /** the hash of every record up to there, and of whether it held */
  readonly hash: number;
  /** what each replica of the roster had settled by then, since this process began to read: default, fallback; count, cents */
  readonly settled: readonly number[];
}

/** The only way to record a fact: appends it, and folds the log. */
export interface Ledger {
  /** What the facts come to, up to the position. */
  readonly book: Book;
  /** The end of what is folded: the last fact stands at `position - 1` or before. */
  readonly position: number;
  /** The hash of every record up to the position, and of whether it held. */
  readonly hash: number;
  /** The newest ones, oldest first. */
  readonly checkpoints: readonly Checkpoint[];
  /** Whether this replica heard the log a moment ago. If not, it may lack facts of others, and begins nothing new. */
  readonly isCurrent: boolean;
  /** Whether a fact may come to stand long after it was recorded, even after its process is dead. */
  readonly isDelayed: boolean;
  /** Adds an observer of all that is folded from now on. The first one is called first. */
  observe(observer: LedgerObserver): void;
  /**
   * Records a fact. It is void if the log has a fact of the same payment that is newer than `over`: another replica may have
   * recorded it a moment before.
   *
   * @param isRead whether the caller has just called {@link catchUp}
   * @returns a promise where other machines keep the log; until it resolves, the fact may stand in the log or not
   */
  append(fact: Fact, isRead?: boolean): Receipt | Promise<Receipt>;
  /** Folds what is there to be read without waiting. */
  catchUp(): void;
  /**
   * Folds all that was recorded, anywhere, before the call.
   *
   * @returns nothing if that is done; else a promise of whether it was done in time
   */
  barrier(): void | Promise<boolean>;
}
