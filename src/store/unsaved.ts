/**
 * What the store lacks of the book. Of a pending payment its id and the place of its last change are kept; settled ones
 * are added to the book's index in the order of the log, so that those the store lacks are its end, and a place each does:
 * 8 bytes, however long the store is away.
 * @module
 */
import type { Book } from "../payment/book.ts";
import type { Fact } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";

/** Between two marks at least, in milliseconds. */
const MARK_MS = 10;
/** Marks that are kept at most: of more, every second one goes, so that old ones are further apart. */
const MARKS_MAX = 256;

/** The first change at or after a place came at this time, by the monotonic clock in milliseconds. */
interface Mark {
  readonly place: number;
  readonly atMs: number;
}

export class Unsaved {
  readonly #book: Book;
  /** pending payments by id: the place of the last change */
  #pending = new Map<string, number>();
  /** the first of the settled payments that is unsaved, and the places where it and those behind it were settled */
  #settledFrom: number;
  #settledAt: number[] = [];
  /** what was stored before this place counts no longer */
  #forgottenAt: number | undefined;
  #marks: Mark[] = [];

  /** @param book holds what the store holds, and nothing else */
  constructor(book: Book) {
    this.#book = book;
    this.#settledFrom = book.settled.size;
  }

  /** Payments that differ. */
  get size(): number {
    return this.#pending.size + this.#settledAt.length;
  }

  /** Whether the store is to forget all it holds. */
  get purges(): boolean {
    return this.#forgottenAt !== undefined;
  }

  /** When the oldest change came that is unsaved, or up to the distance of two marks earlier; undefined without one. */
  get sinceMs(): number | undefined {
    return this.#marks[0]?.atMs;
  }

  /** A fact was folded into the book. */
  folded(fact: Fact, place: number, payment: Payment | undefined, nowMs: number): void {
    if (fact.kind === "purged") return this.all(place, nowMs);
    this.#mark(place, nowMs);
    if (!payment) {
      for (const { id, last } of this.#book.pending.values()) if (last === place) this.#pending.set(id, place);
    } else if (payment.stage === "settled") {
      this.#pending.delete(payment.id);
      this.#settledAt.push(place);
    } else this.#pending.set(payment.id, place);
  }

  /** All that the book holds is unsaved, as if it had changed at this place, and nothing else is to be stored. */
  all(place: number, nowMs: number): void {
    this.#mark(place, nowMs);
    this.#pending = new Map(Array.from(this.#book.pending.keys(), (id) => [id, place]));
    this.#settledFrom = 0;
    this.#settledAt = new Array<number>(this.#book.settled.size).fill(place);
    this.#forgottenAt = place;
  }

  /**
   * The store holds the log up to this place.
   *
   * @param isEnd whether nothing behind it is folded
   */
  saved(position: number, isEnd: boolean): void {
    for (const [id, place] of this.#pending) if (place < position) this.#pending.delete(id);
    const first = this.#settledAt.findIndex((place) => place >= position);
    const count = first === -1 ? this.#settledAt.length : first;
    this.#settledAt = this.#settledAt.slice(count);
    this.#settledFrom += count;
    if (this.#forgottenAt !== undefined && this.#forgottenAt < position) this.#forgottenAt = undefined;
    // the mark before the first one behind the position may stand for changes behind it
    while ((this.#marks[1]?.place ?? Infinity) <= position) this.#marks.shift();
    if (isEnd) this.#marks = [];
  }

  /** What differs now, as it is now, whatever is folded while it is read. */
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

  #mark(place: number, atMs: number): void {
    const last = this.#marks.at(-1);
    if (last && atMs - last.atMs < MARK_MS) return;
    this.#marks.push({ place, atMs });
    if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, i) => i % 2 === 0);
  }
}
