/** The fold of the log, the same for every kind of log: the book, its hash, its checkpoints and its observers. @module */
import type { Book } from "../payment/book.ts";
import type { Fact } from "../payment/fact.ts";
import type { Roster } from "../payment/roster.ts";
import type { Checkpoint, LedgerObserver } from "./ledger.ts";
import { mix } from "./record.ts";

/** Records between two checkpoints: at each the replicas compare what they have folded. */
export const CHECKPOINT_RECORDS = 64;
/** Checkpoints that are kept to be compared with. */
const CHECKPOINTS_MAX = 1_024;

/** What the facts of a log come to, in its order. */
export class Fold {
  #hash: number;
  #folding = false;
  #checkpoints: Checkpoint[] = [];
  readonly #observers: LedgerObserver[] = [];

  /**
   * Begins where the book ends.
   *
   * @param book what the facts before that come to
   * @param hash at that position
   * @param roster the replicas whose settled payments checkpoints count
   */
  constructor(readonly book: Book, hash: number, private readonly roster: Roster) {
    this.#hash = hash;
  }

  /** The hash of every fact so far, and of whether it held. */
  get hash(): number {
    return this.#hash;
  }

  /** The newest ones, oldest first. */
  get checkpoints(): readonly Checkpoint[] {
    return this.#checkpoints;
  }

  /** Adds an observer of all that is folded from now on. The first one is called first. */
  observe(observer: LedgerObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Folds the next fact of the log.
   *
   * @param sum the checksum of its record
   * @param position the end of the log after it: the fact stands at `position - 1`
   * @returns whether it holds
   */
  add(fact: Fact, sum: number, position: number): boolean {
    if (this.#folding) throw new Error("invariant: a fact is recorded while another one is folded");
    const holds = this.book.fold(fact, position - 1);
    this.#hash = mix(mix(this.#hash, sum), Number(holds));
    if (position % CHECKPOINT_RECORDS === 0) this.#checkpoint(position);
    const payment = "id" in fact ? this.book.get(fact.id) : undefined;
    this.#folding = true;
    try {
      for (const observer of this.#observers) observer.folded(fact, holds, payment);
    } finally {
      this.#folding = false;
    }
    return holds;
  }

  /** A new log begins here. A replica that starts from the store has not folded the old one, so the hash starts again. */
  beginAnew(): void {
    this.#hash = 0;
    // before this position an earlier process of another replica may have folded an earlier log
    this.#checkpoints = [];
  }

  #checkpoint(position: number): void {
    const settled = this.roster.names.map((name) => this.book.settledBy(name))
      .flatMap((by) => [by.default, by.fallback]).flatMap(({ count, cents }) => [count, cents]);
    this.#checkpoints.push({ position, hash: this.#hash, settled });
    if (this.#checkpoints.length > 2 * CHECKPOINTS_MAX) this.#checkpoints = this.#checkpoints.slice(-CHECKPOINTS_MAX);
  }
}
