/** Payments waiting to be dispatched, oldest first. @module */

/** Removed places are given back once there are this many. */
const TRIM = 1024;

class Lane<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#head++;
    if (this.#head < TRIM || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

/** A first-in, first-out queue, in which those that come again go before those that come for the first time. */
export class Queue<T> {
  readonly #again = new Lane<T>();
  readonly #new = new Lane<T>();

  /** How many wait. */
  get length(): number {
    return this.#again.length + this.#new.length;
  }

  /** The first of those that come again, else of the new ones; undefined if none waits. */
  get first(): T | undefined {
    return this.#again.first ?? this.#new.first;
  }

  /** Adds one that comes for the first time. */
  push(item: T): void {
    this.#new.push(item);
  }

  /** It was here before, or is bound already. */
  pushAgain(item: T): void {
    this.#again.push(item);
  }

  /** Takes the first one off; there is one. */
  shift(): void {
    (this.#again.length > 0 ? this.#again : this.#new).shift();
  }
}
