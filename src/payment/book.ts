/**
 * The book: what a replica knows, the fold of every fact it has seen. Facts may come in any order, late and repeatedly.
 * @module
 */
import { compareFacts, type Fact, type Processor } from "./fact.ts";
import { type Cents, TOTAL_CENTS_MAX } from "./money.ts";
import { SettledIndex } from "./settled.ts";
import { type Total, Totals } from "./totals.ts";

/** What both processors have booked, as far as facts tell. */
export type Summary = Readonly<Record<Processor, Total>>;

/** The fold of facts of one epoch. */
export class Book {
  /** the current epoch: facts of older ones no longer count */
  epoch = 0;
  #pending = new Map<string, Fact>();
  #pendingCents: Cents = 0;
  #settled = new SettledIndex();
  #totals = freshTotals();

  /** Payments that are not settled, in the order they became known. */
  get pending(): ReadonlyMap<string, Fact> {
    return this.#pending;
  }

  /** Settled payments, by id and in the order they became known. */
  get settled(): Pick<SettledIndex, "size" | "at" | "bytes"> {
    return this.#settled;
  }

  /** The greatest fact known of a payment. */
  get(id: string): Fact | undefined {
    const fact = this.#pending.get(id);
    if (fact) return fact;
    const position = this.#settled.find(id);
    return position === -1 ? undefined : this.#settled.at(position);
  }

  /**
   * Takes a fact in.
   *
   * @returns whether it said anything new
   * @throws where a total would not be exact: nothing may go on after that
   */
  fold(fact: Fact): boolean {
    const known = this.get(fact.id);
    if (known && compareFacts(fact, known) <= 0) return false;
    if (known && known.stage !== "settled") this.#pendingCents -= known.cents;
    if (fact.stage !== "settled") {
      this.#pending.set(fact.id, fact);
      this.#pendingCents += fact.cents;
      return true;
    }
    this.#pending.delete(fact.id);
    if (known?.stage === "settled") this.#totals[known.processor!].add(known.requestedAt, -known.cents, -1);
    this.#settled.set(fact);
    this.#totals[fact.processor!].add(fact.requestedAt, fact.cents);
    return true;
  }

  /** The greatest fact of every payment, also of those that come in while it is read. */
  *facts(): Generator<Fact> {
    yield* this.#pending.values();
    for (let position = 0; position < this.#settled.size; position++) yield this.#settled.at(position);
  }

  /** What is settled with `from <= requestedAt <= to`, in milliseconds, both ends inclusive. */
  summary(from?: number, to?: number): Summary {
    return { default: this.#totals.default.window(from, to), fallback: this.#totals.fallback.window(from, to) };
  }

  /** Whether the book's totals stay exact with one more payment of `cents`. */
  holds(cents: Cents): boolean {
    const { default: first, fallback: second } = this.#totals;
    return first.all.cents + second.all.cents + this.#pendingCents + cents <= TOTAL_CENTS_MAX;
  }

  /**
   * Begins a new epoch with an empty book.
   *
   * @returns whether `epoch` is newer than the current one; otherwise nothing changes
   */
  purge(epoch: number): boolean {
    if (epoch <= this.epoch) return false;
    this.epoch = epoch;
    this.#pending = new Map();
    this.#pendingCents = 0;
    this.#settled = new SettledIndex();
    this.#totals = freshTotals();
    return true;
  }

  /** The epoch turns out to have another number: everything stays. */
  rebase(epoch: number): void {
    if (epoch < this.epoch) throw new Error(`invariant: epoch ${this.epoch} cannot become ${epoch}`);
    this.epoch = epoch;
  }
}

function freshTotals(): Record<Processor, Totals> {
  return { default: new Totals(), fallback: new Totals() };
}
