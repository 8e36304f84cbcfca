/** Reads a stream as somebody who sees every message that a majority has, at once. @module */
import { Fold } from "../../src/ledger/fold.ts";
import type { LedgerObserver } from "../../src/ledger/ledger.ts";
import { RecordBuffer } from "../../src/ledger/record.ts";
import type { Book } from "../../src/payment/book.ts";
import type { Roster } from "../../src/payment/roster.ts";
import type { Engine } from "./engine.ts";

/** The reader. */
export class StreamReader {
  readonly #fold: Fold;
  readonly #record: RecordBuffer;

  /** @param position the end of what the book holds, in the stream that is there now */
  constructor(
    private readonly engine: Engine,
    public position: number,
    readonly book: Book,
    hash: number,
    roster: Roster,
  ) {
    this.#fold = new Fold(book, hash, roster);
    this.#record = new RecordBuffer(roster);
  }

  get hash(): number {
    return this.#fold.hash;
  }

  observe(observer: LedgerObserver): void {
    this.#fold.observe(observer);
  }

  catchUp(): void {
    const { all, first } = this.engine.stream!;
    for (; this.position < first + all.length; this.position++) {
      this.#record.bytes.set(all[this.position - first]!.bytes);
      const record = this.#record.read();
      if (record.kind === "header" || record.kind === "sealed") throw new Error(`a ${record.kind} in a stream`);
      if (record.kind !== "barrier") this.#fold.add(record, this.#record.sum, this.position + 1);
    }
  }
}
