/** Checks that the facts of a run fold to the same book in any order, and however often each comes. @module */
import { Book } from "../../src/payment/book.ts";
import { accepted, type Fact } from "../../src/payment/fact.ts";
import type { World } from "./world.ts";

const FIELDS = Object.keys(accepted("", 1, 0, "a"));

/** Records every fact of a run, to fold them all once more at its end. */
export class FoldChecker {
  readonly #facts: Fact[] = [];

  constructor(private readonly world: World) {}

  /** From now on all that is folded into `book` is recorded, also what says nothing new. */
  follow(book: Book): void {
    book.fold = (fact) => {
      this.#facts.push(fact);
      return Book.prototype.fold.call(book, fact);
    };
  }

  /** Folds what both replicas ever made, heard and read: as it came, and in two other orders with repetitions. */
  check(): void {
    const facts = this.#facts;
    const shuffled = facts.map((fact) => ({ fact, at: this.world.prng.float() })).sort((a, b) => a.at - b.at);
    const [asItCame, ...others] = [
      facts,
      [...facts, ...facts.toReversed()],
      [...shuffled.map(({ fact }) => fact), ...facts.slice(0, facts.length >> 1)],
    ].map(shown);
    for (const other of others) {
      for (let at = 0; at <= asItCame!.length; at++) {
        if (asItCame![at] === other[at]) continue;
        return this.world.violate("fold", `one order of the facts gives ${asItCame![at]}, another ${other[at]}`);
      }
    }
  }
}

/** What a book of these facts holds, in lines that can be compared. */
function shown(facts: readonly Fact[]): string[] {
  const book = new Book();
  for (const fact of facts) book.fold(fact);
  const all = [...book.facts()].sort((a, b) => a.id < b.id ? -1 : 1);
  return [...all.map((fact) => JSON.stringify(fact, FIELDS)), JSON.stringify(book.summary())];
}
