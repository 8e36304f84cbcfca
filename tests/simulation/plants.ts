/**
 * Bugs that are planted on purpose, to see that the simulation finds them. They exist in tests only: each replaces
 * methods of the production classes, or wraps a port, for as long as it is planted.
 * @module
 */
import { Dispatcher } from "../../src/routing/dispatcher.ts";
import { Gossip } from "../../src/peer/gossip.ts";
import { Tenure } from "../../src/peer/tenure.ts";
import { Book } from "../../src/payment/book.ts";
import type { Fact } from "../../src/payment/fact.ts";
import { Totals } from "../../src/payment/totals.ts";
import type { Lookup, Outcome } from "../../src/routing/processor_client.ts";
import { Replica } from "../../src/replica.ts";
import { Recovery } from "../../src/store/recovery.ts";
import { StoreWriter } from "../../src/store/writer.ts";
import { SimulatedClient } from "./client.ts";

/** A bug: planting it returns what digs it out again. */
export type Plant = () => () => void;

/** Replaces a method or a getter by what `make` makes of it. */
function replace<T extends object, K extends keyof T & string>(of: T, name: K, make: (was: T[K]) => T[K]): () => void {
  const was = Object.getOwnPropertyDescriptor(of, name)!;
  const changed = was.get
    ? { ...was, get: make(was.get as T[K]) as () => unknown }
    : { ...was, value: make(was.value) };
  Object.defineProperty(of, name, changed);
  return () => Object.defineProperty(of, name, was);
}

/** Replaces what a processor's answer is taken for. */
function outcomes(change: (outcome: Outcome) => Outcome): () => void {
  return replace(SimulatedClient.prototype, "pay", (pay) =>
    async function (this: SimulatedClient, ...call) {
      return change(await pay.apply(this, call));
    });
}

/** Every bug, by what is broken. */
export const PLANTS: Readonly<Record<string, Plant>> = {
  "lock ignored": () => replace(Tenure.prototype, "owns", () => () => true),
  "tie-break removed": () => {
    // the replica that takes a payment also sends it
    let taker: "a" | "b" | undefined;
    const accept = replace(Replica.prototype, "accept", (was) =>
      function (this: Replica, id, cents) {
        taker = this.readiness().replica;
        const answer = was.call(this, id, cents);
        taker = undefined;
        return answer;
      });
    const fold = replace(Book.prototype, "fold", (was) =>
      function (this: Book, fact) {
        if (taker && fact.stage === "accepted") (fact as { owner: string }).owner = taker;
        return was.call(this, fact);
      });
    return () => [accept, fold].forEach((undo) => undo());
  },
  "binding forgotten on timeout": () =>
    outcomes((outcome) => outcome.kind === "unknown" ? { kind: "refused", why: "unreachable" } : outcome),
  "5xx without a lookup": () =>
    outcomes((outcome) => outcome.kind === "failed" ? { kind: "refused", why: "unreachable" } : outcome),
  "already booked taken for refused": () =>
    outcomes((outcome) => outcome.kind === "already-booked" ? { kind: "refused", why: "refused" } : outcome),
  "no answer to a lookup taken for absent": () =>
    replace(
      SimulatedClient.prototype,
      "lookup",
      (was) =>
        async function (this: SimulatedClient, ...call): Promise<Lookup> {
          const lookup = await was.apply(this, call);
          return lookup.kind === "unanswered" ? { kind: "absent" } : lookup;
        },
    ),
  "acknowledged before the peer holds it": () => {
    const now = () => Promise.resolve(true);
    const publish = replace(Gossip.prototype, "publish", (was) =>
      function (this: Gossip, fact) {
        was.call(this, fact);
        return now();
      });
    const held = replace(Gossip.prototype, "held", () => now);
    return () => [publish, held].forEach((undo) => undo());
  },
  "a lost link taken for an acknowledgement": () =>
    replace(Gossip.prototype, "publish", (was) =>
      async function (this: Gossip, fact) {
        await was.call(this, fact);
        return true;
      }),
  "acknowledged before the commit": () => replace(StoreWriter.prototype, "covered", () => () => Promise.resolve(true)),
  "off by one in the window": () =>
    replace(Totals.prototype, "window", (was) =>
      function (this: Totals, from = -Infinity, to = Infinity) {
        return was.call(this, from - 1, to + 1);
      }),
  "money in floats": () =>
    replace(
      SimulatedClient.prototype,
      "pay",
      (was) =>
        function (this: SimulatedClient, processor, { cents, ...attempt }) {
          return was.call(this, processor, {
            ...attempt,
            cents: Math.trunc(cents / 100 * 100),
          });
        },
    ),
  "epoch ignored": () => replace(Book.prototype, "purge", () => () => false),
  "suspect dispatched at once": () => replace(Recovery.prototype, "doubt", () => () => {}),
  "the newest fact wins, not the greatest": () =>
    replace(Book.prototype, "fold", (was) =>
      function (this: Book, fact) {
        const known = this.pending.get(fact.id);
        if (known && fact.stage !== "settled" && fact !== known) (this.pending as Map<string, Fact>).delete(fact.id);
        return was.call(this, fact);
      }),
  "of two facts that got equally far the first stays": () =>
    replace(Book.prototype, "fold", (was) =>
      function (this: Book, fact) {
        const known = this.pending.get(fact.id);
        return known?.stage === fact.stage && known.attempt === fact.attempt ? false : was.call(this, fact);
      }),
  "the summary does not ask the peer": () => replace(Gossip.prototype, "exchange", () => () => Promise.resolve(true)),
  "what was taken over is not dispatched": () => replace(Dispatcher.prototype, "wake", () => () => {}),
};
