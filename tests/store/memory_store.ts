/** A store in memory for tests: as many projectors as a test has share it, as two replicas share a database. @module */
import type { Payment } from "../../src/payment/payment.ts";
import type { Batch, Store, Stored } from "../../src/store/store.ts";

/** What it was asked. */
export type Call =
  | { readonly kind: "stored" | "load" | "close" }
  | { readonly kind: "write"; readonly batch: Batch };

/** What it holds. */
export interface Content {
  readonly stored: Stored;
  readonly rows: ReadonlyMap<string, Payment>;
}

const NOTHING: Content = { stored: { logId: null, position: 0, hash: 0, doubtedUptimeMs: null }, rows: new Map() };

/** Every call is atomic, and happens between its two hooks. */
export class MemoryStore implements Store {
  /** All it holds; to be kept as a backup, and set to restore one. */
  content: Content = NOTHING;
  /** Called before anything happens: what it throws fails the call, what it promises is waited for. */
  before: (call: Call) => void | Promise<void> = () => {};
  /** Called when it has happened, with what the call will say: what it throws loses the answer. */
  after: (call: Call, stored: Stored) => void | Promise<void> = () => {};

  stored(): Promise<Stored> {
    return this.#called({ kind: "stored" }, () => this.content.stored);
  }

  async load(visit: (payment: Payment) => void): Promise<Stored> {
    let payments: Payment[] = [];
    const stored = await this.#called({ kind: "load" }, () => {
      payments = this.payments();
      return this.content.stored;
    });
    for (const payment of payments) visit(payment);
    return stored;
  }

  async write(batch: Batch): Promise<Stored> {
    return await this.#called({ kind: "write", batch }, () => this.put(batch));
  }

  /** What a load hands over now, in its order. */
  payments(): Payment[] {
    const rows = [...this.content.rows.values()];
    const settled = rows.filter(({ stage }) => stage === "settled").sort((a, b) => a.requestedAt - b.requestedAt);
    return [...rows.filter(({ stage }) => stage !== "settled"), ...settled];
  }

  /** What a write does, without its hooks. */
  put({ from, to, replacesAll, payments }: Batch): Stored {
    const { stored } = this.content;
    if (stored.logId !== from.logId || stored.position !== from.position) return stored;
    const rows = new Map(replacesAll ? [] : this.content.rows);
    for (const payment of payments) rows.set(payment.id, payment);
    this.content = { stored: to, rows };
    return to;
  }

  async close(): Promise<void> {
    await this.#called({ kind: "close" }, () => this.content.stored);
  }

  async #called(call: Call, happen: () => Stored): Promise<Stored> {
    await this.before(call);
    const stored = happen();
    await this.after(call, stored);
    return stored;
  }
}
