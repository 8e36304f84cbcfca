/**
 * The ledger: the only way to record facts. It appends a fact to the log, reads the log up to it, and folds what it reads,
 * the peer's facts included. Only then does it know whether the fact holds.
 * @module
 */
import { Book } from "../payment/book.ts";
import type { Fact } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import { indexOf, type Log, segmentOf } from "./log.ts";
import { mix, RecordBuffer } from "./record.ts";

/** What became of a fact. */
type Receipt =
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

/** Records between two checkpoints: at each the replicas compare what they have folded. */
export const CHECKPOINT_RECORDS = 64;
/** Checkpoints that are kept to be compared with. */
const CHECKPOINTS_MAX = 1_024;

/** What a replica had folded up to a position: all of it must be the same at both. */
export interface Checkpoint {
  /** in the log */
  readonly position: number;
  /** the hash of every record up to there, and of whether it held */
  readonly hash: number;
  /** what each replica had settled by then, since this process began to read: a, b; default, fallback; count, cents */
  readonly settled: readonly number[];
}

/** The only way to record a fact: appends it, and folds the log. */
export class Ledger {
  /** the fold of the log up to {@link position} */
  readonly book: Book;
  readonly #log: Log;
  readonly #observers: LedgerObserver[] = [];
  readonly #written = new RecordBuffer();
  readonly #read = new RecordBuffer();
  #nonce: number;
  #hash: number;
  #folding = false;
  #checkpoints: Checkpoint[] = [];

  /**
   * Continues from a position.
   *
   * @param log its position is where the book ends
   * @param hash at that position
   * @param nonce a number that is not likely to be near another writer's
   */
  constructor(log: Log, nonce: number, book = new Book(), hash = 0) {
    this.#log = log;
    this.book = book;
    this.#nonce = nonce;
    this.#hash = hash;
  }

  /** The end of what is folded: the last fact stands at `position - 1` or before. */
  get position(): number {
    return this.#log.position;
  }

  /** The hash of every record up to the position, and of whether it held. */
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
   * Records a fact. It is void if the log has a fact of the same payment that is newer than `over`: the peer may have
   * recorded it a moment before.
   *
   * @param isRead whether the log was read to its end just now
   */
  append(fact: Fact, isRead = false): Receipt {
    if (!isRead) this.catchUp();
    const nonce = this.#nonce = this.#nonce + 1 >>> 0;
    this.#written.write(fact, nonce);
    for (;;) {
      const segment = segmentOf(this.#log.position);
      if (!this.#log.append(this.#written)) return { kind: "not-taken" };
      while (this.#log.next(this.#read)) {
        const own = this.#read.nonce === nonce && this.#read.sum === this.#written.sum;
        const holds = this.#fold(own ? fact : undefined);
        if (own) return { kind: holds ? "holds" : "void", payment: "id" in fact ? this.book.get(fact.id) : undefined };
      }
      // it does not count, since it stands after the end of its segment: append it to the next one, if there is one
      if (segmentOf(this.#log.position) === segment) return { kind: "not-taken" };
    }
  }

  /** Reads the log to its end. */
  catchUp(): void {
    for (let on = false; this.#log.next(this.#read, on); on = true) this.#fold();
  }

  /** Folds the record that was read; `known` is its fact, if that is known. @returns whether it holds */
  #fold(known?: Fact): boolean {
    if (this.#folding) throw new Error("invariant: a fact is recorded while another one is folded");
    const record = known ?? this.#read.read();
    if (record.kind === "header") {
      // the hash starts over here: a replica that starts from the store has not folded what stands before
      if (record.base !== null) {
        this.#hash = 0;
        // before this position an earlier process of the peer may have folded an earlier log
        this.#checkpoints = [];
      }
      return true;
    }
    if (record.kind === "sealed") throw new Error("invariant: a seal is no fact");
    const { position } = this.#log;
    const holds = this.book.fold(record, position - 1);
    this.#hash = mix(mix(this.#hash, this.#read.sum), Number(holds));
    if (indexOf(position) % CHECKPOINT_RECORDS === 0) this.#checkpoint(position);
    const payment = "id" in record ? this.book.get(record.id) : undefined;
    this.#folding = true;
    try {
      for (const observer of this.#observers) observer.folded(record, holds, payment);
    } finally {
      this.#folding = false;
    }
    return holds;
  }

  #checkpoint(position: number): void {
    const { a, b } = this.book.settledBy;
    const settled = [a, b].flatMap((by) => [by.default, by.fallback]).flatMap(({ count, cents }) => [count, cents]);
    this.#checkpoints.push({ position, hash: this.#hash, settled });
    if (this.#checkpoints.length > 2 * CHECKPOINTS_MAX) this.#checkpoints = this.#checkpoints.slice(-CHECKPOINTS_MAX);
  }
}
