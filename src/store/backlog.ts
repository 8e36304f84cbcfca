/** The payments that wait for the store: the greatest fact of each, in the order in which they began to wait. @module */
import { compareFacts, type Fact } from "../payment/fact.ts";

/** A payment that waits. */
interface Dirty {
  fact: Fact;
  /** counts those that began to wait: a map of them is in this order */
  readonly seq: number;
  readonly sinceMs: number;
}

/** What waits and what is on its way. A fact that comes in while its payment is on its way waits for the next batch. */
export class Backlog {
  #waiting = new Map<string, Dirty>();
  #flying = new Map<string, Dirty>();
  #seq = 0;

  /** Payments that wait or are on their way; one that is both counts twice. */
  get size(): number {
    return this.#waiting.size + this.#flying.size;
  }

  /** The number of the last payment that began to wait. */
  get lastSeq(): number {
    return this.#seq;
  }

  /** The one that began to wait first. */
  get oldest(): Pick<Dirty, "seq" | "sinceMs"> | undefined {
    for (const dirty of this.#flying.values()) return dirty;
    for (const dirty of this.#waiting.values()) return dirty;
    return undefined;
  }

  /** Replaces the fact of a payment that waits by a greater one; false where it does not wait. */
  update(fact: Fact): boolean {
    const known = this.#waiting.get(fact.id);
    if (known && compareFacts(fact, known.fact) > 0) known.fact = fact;
    return known !== undefined;
  }

  /** Has a payment wait that does not. */
  add(fact: Fact, nowMs: number): void {
    this.#waiting.set(fact.id, { fact, seq: ++this.#seq, sinceMs: nowMs });
  }

  /** Sends the first ones on their way, at most `max`. Nothing else may be on its way. */
  take(max: number): Fact[] {
    if (this.#flying.size > 0) throw new Error(`invariant: ${this.#flying.size} facts are on their way already`);
    for (const [id, dirty] of this.#waiting) {
      if (this.#flying.size === max) break;
      this.#flying.set(id, dirty);
      this.#waiting.delete(id);
    }
    return Array.from(this.#flying.values(), (dirty) => dirty.fact);
  }

  /** What is on its way has arrived. */
  arrived(): void {
    this.#flying = new Map();
  }

  /** What is on its way comes back, and waits before all that came later. */
  returned(): void {
    const later = this.#waiting;
    this.#waiting = this.#flying;
    this.#flying = new Map();
    for (const [id, dirty] of later) if (!this.update(dirty.fact)) this.#waiting.set(id, dirty);
  }

  /** Forgets everything. */
  clear(): void {
    this.#waiting = new Map();
    this.#flying = new Map();
  }
}
