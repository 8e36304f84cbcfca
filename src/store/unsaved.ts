/**
 * What the store lacks of the book. For pending payments: the id, and the position of the last change. For settled ones: a
 * position each, 8 bytes; the book's index has them in the order of the log, so its end is what the store lacks.
 * @module
 */
import type { Book } from "../payment/book.ts";
import type { Fact } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";

/** The least time between two marks, in milliseconds. */
const MARK_MS = 10;
/** The most marks that are kept: beyond it every second one is dropped, so old ones are further apart. */
const MARKS_MAX = 256;

/** A mark: when the first change at or after a position came, on the monotonic clock in milliseconds. */
interface Mark {
  readonly position: number;
  readonly atMs: number;
}

/** What the store does not hold yet. */
export class Unsaved {
  readonly #book: Book;
  /** pending payments by id: the position of the last change */
  #pending = new Map<string, number>();
  /** the first of the settled payments that is unsaved, and the positions where it and those behind it were settled */
  #settledFrom: number;
  #settledPositions: number[] = [];
  /** the position of {@link markAll}, until the store holds the log up to there */
  #replacedAt: number | undefined;
  #marks: Mark[] = [];

  /** Nothing is unsaved yet. @param book holds exactly what the store holds */
  constructor(book: Book) {
    this.#book = book;
    this.#settledFrom = book.settled.size;
  }

  /** How many payments differ. */
  get size(): number {
    return this.#pending.size + this.#settledPositions.length;
  }

  /** Whether all rows of the store are deleted first. */
  get replacesAll(): boolean {
    return this.#replacedAt !== undefined;
  }

  /** When the oldest change came that is unsaved, or up to the distance of two marks earlier; undefined without one. */
  get sinceMs(): number | undefined {
    return this.#marks[0]?.atMs;
  }

  /** A fact was folded into the book. */
  folded(fact: Fact, position: number, payment: Payment | undefined, nowMs: number): void {
    if (fact.kind === "purged") return this.markAll(position, nowMs);
    this.#mark(position, nowMs);
    if (!payment) {
      for (const one of this.#book.pending.values()) if (one.position === position) this.#pending.set(one.id, position);
    } else if (payment.stage === "settled") {
      this.#pending.delete(payment.id);
      this.#settledPositions.push(position);
    } else this.#pending.set(payment.id, position);
  }

  /** Marks all that the book holds as changed at this position, and all else in the store as superfluous. */
  markAll(position: number, nowMs: number): void {
    this.#mark(position, nowMs);
    this.#pending = new Map(Array.from(this.#book.pending.keys(), (id) => [id, position]));
    this.#settledFrom = 0;
    this.#settledPositions = new Array<number>(this.#book.settled.size).fill(position);
    this.#replacedAt = position;
  }

  /** The store holds the log up to `position`. @param isEnd whether nothing after it is folded */
  saved(position: number, isEnd: boolean): void {
    for (const [id, changed] of this.#pending) if (changed < position) this.#pending.delete(id);
    const first = this.#settledPositions.findIndex((settled) => settled >= position);
    const count = first === -1 ? this.#settledPositions.length : first;
    this.#settledPositions = this.#settledPositions.slice(count);
    this.#settledFrom += count;
    if ((this.#replacedAt ?? Infinity) < position) this.#replacedAt = undefined;
    // the mark before the first one behind the position may stand for changes behind it
    while ((this.#marks[1]?.position ?? Infinity) <= position) this.#marks.shift();
    if (isEnd) this.#marks = [];
  }

  /** The payments that differ now, in their state now, whatever is folded meanwhile. */
  payments(): Iterable<Payment> {
    const { pending, settled } = this.#book;
    const changed = Array.from(this.#pending.keys(), (id) => pending.get(id)!);
    const [from, to] = [this.#settledFrom, settled.size];
    return {
      *[Symbol.iterator]() {
        yield* changed;
        for (let at = from; at < to; at++) yield settled.at(at);
      },
    };
  }

  #mark(position: number, atMs: number): void {
    const last = this.#marks.at(-1);
    if (last && atMs - last.atMs < MARK_MS) return;
    this.#marks.push({ position, atMs });
    if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, i) => i % 2 === 0);
  }
}
