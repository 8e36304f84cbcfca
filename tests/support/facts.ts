/** Facts in the order of a log that a test writes: each is made from its payment's newest one, and holds. @module */
import assert from "node:assert/strict";
import type { LedgerObserver } from "../../src/ledger/ledger.ts";
import { Book } from "../../src/payment/book.ts";
import { dispatched, type Fact, type Processor, type Reason, released } from "../../src/payment/fact.ts";
import { type ReplicaId, settled } from "../../src/payment/fact.ts";
import type { Cents } from "../../src/payment/money.ts";
import type { Payment } from "../../src/payment/payment.ts";

/** A book, the observers of its facts, and short names to make them; by default replica a makes them, at 0. */
export class Facts {
  readonly book = new Book();
  readonly #observers: LedgerObserver[];
  #position = 0;

  constructor(...observers: LedgerObserver[]) {
    this.#observers = observers;
  }

  /** Adds an observer of all facts from now on. */
  observe(observer: LedgerObserver): void {
    this.#observers.push(observer);
  }

  /** Folds a fact and calls the observers. @returns the payment after it */
  fold(fact: Fact): Payment | undefined {
    const holds = this.book.fold(fact, ++this.#position);
    assert.ok(holds, `void: ${JSON.stringify(fact)}`);
    const payment = "id" in fact ? this.book.get(fact.id) : undefined;
    for (const observer of this.#observers) observer.folded(fact, holds, payment);
    return payment;
  }

  accept(id: string, cents: Cents = 1990, at = 0, by: ReplicaId = "a", doubt = false): Payment {
    return this.fold({ kind: "accepted", by, id, cents, at, doubt })!;
  }

  dispatch(id: string, processor: Processor, reason: Reason = "default-up", at = 0, by: ReplicaId = "a"): Payment {
    return this.fold(dispatched(this.#of(id), by, processor, at, reason))!;
  }

  release(id: string, reason: Reason = "failed", at = 0, by: ReplicaId = "a"): Payment {
    return this.fold(released(this.#of(id), by, at, reason, reason === "failed"))!;
  }

  /** Settles it where it is bound, under the `requestedAt` that the processor got. */
  settle(id: string, reason: Reason = "booked", at = 0, by: ReplicaId = "a"): Payment {
    const payment = this.#of(id);
    const { processor, requestedAt, cents } = payment;
    return this.fold(settled(payment, by, at, { processor: processor!, requestedAt, cents }, reason))!;
  }

  purge(at = 0, by: ReplicaId = "a"): void {
    this.fold({ kind: "purged", by, at });
  }

  /** The log may have lost facts. */
  doubt(uptimeMs: number, at = 0, by: ReplicaId = "a"): void {
    this.fold({ kind: "doubted", by, at, uptimeMs });
  }

  #of(id: string): Payment {
    const payment = this.book.get(id);
    assert.ok(payment, `unknown: ${id}`);
    return payment;
  }
}
