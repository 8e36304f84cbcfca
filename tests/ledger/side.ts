/** One replica's ledger on a log that a test has made. @module */
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import { type Log, positionOf, type SegmentFiles } from "../../src/ledger/log.ts";
import { RecordBuffer } from "../../src/ledger/record.ts";
import { SegmentLog, type SegmentLogOptions } from "../../src/ledger/segment_log.ts";
import type { Accepted, Fact, ReplicaId } from "../../src/payment/fact.ts";
import { PAIR } from "../support/pair.ts";

export const LOG_ID = "0f0e0d0c-1111-4222-8333-444455556666";
export const BOOT = 7;
/** Few, so that tests are fast. */
export const REREADS = 3;

/** The id of the `n`th payment of a test. */
export function idOf(n: number): string {
  return `4a7901b8-7d26-4d9d-aa19-${n.toString(16).padStart(12, "0")}`;
}

export function accepted(n: number, by: ReplicaId = "a", cents = 1990): Accepted {
  return { kind: "accepted", by, id: idOf(n), cents, at: 1_000 + n, doubt: false };
}

/** The bytes of records, one after another. */
export function bytesOf(...records: readonly Parameters<RecordBuffer["write"]>[0][]): Uint8Array {
  return Uint8Array.from(records.flatMap((record, i) => [...new RecordBuffer(PAIR).write(record, i).bytes]));
}

/** Begins a log in its first segment, as the first start of all does. */
export function begin(files: SegmentFiles, segment = 1, ...facts: readonly Fact[]): void {
  const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(segment, 0) };
  files.create(segment, bytesOf({ kind: "header", logId: LOG_ID, segment, boot: BOOT, base }, ...facts));
}

/** Lets a test act between two steps of an append. */
export class Paused implements Log {
  readonly #log: Log;
  /** runs once, before the next record is written */
  before: (() => void) | undefined;
  /** runs once, after the next record is written and before it is read */
  after: (() => void) | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  get position(): number {
    return this.#log.position;
  }

  append(record: RecordBuffer): boolean {
    const { before, after } = this;
    this.before = this.after = undefined;
    before?.();
    const taken = this.#log.append(record);
    after?.();
    return taken;
  }

  next(into: RecordBuffer, on?: boolean): boolean {
    return this.#log.next(into, on);
  }
}

/** A replica's side of the log. */
export class Side implements Disposable {
  readonly log: SegmentLog;
  readonly paused: Paused;
  readonly ledger: FileLedger;
  /** why the log was gone, each time it was told */
  readonly gone: string[] = [];
  /** every fact in the order of the log, and whether it holds */
  readonly told: { readonly fact: Fact; readonly holds: boolean }[] = [];

  constructor(files: SegmentFiles, nonce: number, options: Partial<SegmentLogOptions> = {}) {
    this.log = new SegmentLog({
      ...{ files, boot: BOOT, position: positionOf(1, 0), rereads: REREADS, gone: (why) => this.gone.push(why) },
      ...options,
    });
    this.paused = new Paused(this.log);
    this.ledger = new FileLedger(this.paused, nonce, PAIR);
    this.ledger.observe({ folded: (fact, holds) => this.told.push({ fact, holds }) });
  }

  /** Accepts a payment. @returns what became of that */
  accept(n: number, by: ReplicaId = "a", cents = 1990): string {
    return this.ledger.append(accepted(n, by, cents)).kind;
  }

  /** The numbers of the payments that were accepted, in the order of the log; void ones in brackets. */
  get payments(): string {
    return this.told.map(({ fact, holds }) => {
      const n = "id" in fact ? Number.parseInt(fact.id.slice(-12), 16) : fact.kind;
      return holds ? `${n}` : `(${n})`;
    }).join(" ");
  }

  [Symbol.dispose](): void {
    this.log.close();
  }
}
