/**
 * The ledger of one machine. It appends a fact to the log, reads the log up to it, and folds what it reads, the other
 * replicas' facts included: all of it at once, so whether the fact holds is known when `append` returns.
 * @module
 */
import { Book } from "../payment/book.ts";
import type { Fact } from "../payment/fact.ts";
import type { Roster } from "../payment/roster.ts";
import { Fold } from "./fold.ts";
import type { Checkpoint, Ledger, LedgerObserver, Receipt } from "./ledger.ts";
import { type Log, segmentOf } from "./log.ts";
import { RecordBuffer } from "./record.ts";

/** The {@link Ledger} over files that the replicas of one machine share. */
export class FileLedger implements Ledger {
  /** As {@link Ledger} says. */
  readonly book: Book;
  /** Whoever reads a file reads what is there now. */
  readonly isCurrent = true;
  /** A write is there, or never will be. */
  readonly isDelayed = false;
  readonly #log: Log;
  readonly #fold: Fold;
  readonly #written: RecordBuffer;
  readonly #read: RecordBuffer;
  #nonce: number;

  /**
   * Reads nothing yet.
   *
   * @param log its position is where the book ends
   * @param nonce a number that is not likely to be near another writer's
   * @param roster the replicas that append to the log
   * @param book what the log comes to before that position
   * @param hash at that position
   */
  constructor(log: Log, nonce: number, roster: Roster, book: Book = new Book(), hash = 0) {
    this.#log = log;
    this.#nonce = nonce;
    this.book = book;
    this.#written = new RecordBuffer(roster);
    this.#read = new RecordBuffer(roster);
    this.#fold = new Fold(book, hash, roster);
  }

  get position(): number {
    return this.#log.position;
  }

  get hash(): number {
    return this.#fold.hash;
  }

  get checkpoints(): readonly Checkpoint[] {
    return this.#fold.checkpoints;
  }

  observe(observer: LedgerObserver): void {
    this.#fold.observe(observer);
  }

  append(fact: Fact, isRead = false): Receipt {
    if (!isRead) this.catchUp();
    const nonce = this.#nonce = this.#nonce + 1 >>> 0;
    this.#written.write(fact, nonce);
    for (;;) {
      const segment = segmentOf(this.#log.position);
      if (!this.#log.append(this.#written)) return { kind: "not-taken" };
      while (this.#log.next(this.#read)) {
        const own = this.#read.nonce === nonce && this.#read.sum === this.#written.sum;
        const holds = this.#take(own ? fact : undefined);
        if (own) return { kind: holds ? "holds" : "void", payment: "id" in fact ? this.book.get(fact.id) : undefined };
      }
      // it does not count, since it stands after the end of its segment: append it to the next one, if there is one
      if (segmentOf(this.#log.position) === segment) return { kind: "not-taken" };
    }
  }

  catchUp(): void {
    for (let on = false; this.#log.next(this.#read, on); on = true) this.#take();
  }

  barrier(): void {
    this.catchUp();
  }

  /** Folds the record that was read; `known` is its fact, if that is known. @returns whether it holds */
  #take(known?: Fact): boolean {
    const record = known ?? this.#read.read();
    if (record.kind === "header") {
      if (record.base !== null) this.#fold.beginAnew();
      return true;
    }
    if (record.kind === "sealed" || record.kind === "barrier") {
      throw new Error(`invariant: a ${record.kind} is no fact`);
    }
    return this.#fold.add(record, this.#read.sum, this.#log.position);
  }
}
