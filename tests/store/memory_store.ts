/** A store for tests: it remembers what it was asked, and answers when and how a test says. @module */
import { compareFacts, type Fact, type ReplicaId } from "../../src/payment/fact.ts";
import type { Opened, Store, StoreError } from "../../src/store/store.ts";

/** What the store was asked, in order. */
export type Call =
  | { readonly write: readonly string[]; readonly epoch: number }
  | { readonly purge: number }
  | { readonly close: boolean };

/** Keeps the greatest fact of each payment. */
export class MemoryStore implements Store {
  readonly calls: Call[] = [];
  rows = new Map<string, Fact>();
  epoch = 0;
  /** every call fails with it, while there is one */
  error: StoreError | undefined;
  /** calls wait for it, while there is one */
  gate: Promise<void> | undefined;
  onCall: () => void = () => {};
  /** batches that are being written; more than one is a mistake */
  #busy = 0;

  open(_replica: ReplicaId): Promise<Opened> {
    return Promise.resolve({ epoch: this.epoch, state: "empty" });
  }

  load(visit: (facts: readonly Fact[]) => void): Promise<void> {
    visit([...this.rows.values()]);
    return Promise.resolve();
  }

  async write(epoch: number, facts: readonly Fact[]): Promise<number> {
    await this.#called({ write: facts.map(({ id }) => id), epoch });
    if (epoch < this.epoch) return this.epoch;
    if (epoch > this.epoch) this.#begin(epoch);
    for (const fact of facts) {
      const known = this.rows.get(fact.id);
      if (!known || compareFacts(fact, known) > 0) this.rows.set(fact.id, fact);
    }
    return epoch;
  }

  async purge(epoch: number): Promise<void> {
    await this.#called({ purge: epoch });
    if (epoch > this.epoch) this.#begin(epoch);
  }

  async close(clean: boolean): Promise<void> {
    await this.#called({ close: clean });
  }

  async #called(call: Call): Promise<void> {
    this.calls.push(call);
    this.onCall();
    if (++this.#busy > 1 && !("close" in call)) throw new Error("two calls at once");
    await this.gate;
    this.#busy--;
    if (this.error) throw this.error;
  }

  #begin(epoch: number): void {
    this.epoch = epoch;
    this.rows = new Map();
  }
}
