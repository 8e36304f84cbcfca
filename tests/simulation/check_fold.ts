/** Checks that the facts of a run fold to the same book in any order, and however often each comes. @module */
import { Book } from "../../src/payment/book.ts";
import type { Fact } from "../../src/payment/fact.ts";
import type { World } from "./world.ts";

/** Folds everything that the store was ever given, in three orders. */
export function checkFold(world: World): void {
  const facts = world.database?.written ?? [];
  const shuffled = facts.map((fact) => ({ fact, at: world.prng.float() })).sort((a, b) => a.at - b.at);
  const [asWritten, ...others] = [
    facts,
    [...facts, ...facts.toReversed()],
    [...shuffled.map(({ fact }) => fact), ...facts.slice(0, facts.length >> 1)],
  ].map(shown);
  for (const other of others) {
    if (other !== asWritten) world.violate("fold", `one order of the facts gives ${asWritten}, another ${other}`);
  }
}

function shown(facts: readonly Fact[]): string {
  const book = new Book();
  for (const fact of facts) book.fold(fact);
  const all = [...book.facts()].sort((a, b) => a.id < b.id ? -1 : 1);
  return JSON.stringify([book.summary(), all.map((fact) => Object.entries(fact).sort())]);
}
