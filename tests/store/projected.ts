/** Two replicas' ledgers on one log, each with its projector, on one store: for tests. @module */
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import { type Log, positionOf } from "../../src/ledger/log.ts";
import { RecordBuffer } from "../../src/ledger/record.ts";
import { SEGMENT_RECORDS, SegmentLog } from "../../src/ledger/segment_log.ts";
import type { Book } from "../../src/payment/book.ts";
import { dispatched, type ReplicaId, settled } from "../../src/payment/fact.ts";
import { Projector, type ProjectorParts, STANDBY_MS } from "../../src/store/projector.ts";
import { StoreError } from "../../src/store/store.ts";
import { MemorySegments } from "../ledger/memory_segments.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { id, LOG } from "./contract.ts";
import { MemoryStore } from "./memory_store.ts";
import { PAIR } from "../support/pair.ts";

export const DOWN = new StoreError("unavailable", "nothing listens there");
export const INTERVAL_MS = 20;
const BOOT = 1;

/** A replica's side of the store. */
export class Side {
  readonly ledger: FileLedger;
  readonly projector: Projector;
  /** the log lines of the projector */
  readonly lines: string[] = [];
  readonly stored: number[] = [];
  /** the payments of each batch, and what it took in milliseconds */
  readonly batches: { readonly payments: number; readonly tookMs: number }[] = [];
  readonly ahead: string[] = [];

  constructor(readonly self: ReplicaId, readonly world: Projected, changed: Partial<ProjectorParts> = {}) {
    const { clock, store } = world;
    this.ledger = world.ledger(self === "a" ? 0 : 2 ** 31);
    this.projector = new Projector({
      ...{ isFirst: self === "a", store, clock, ledger: this.ledger, logId: LOG, intervalMs: INTERVAL_MS },
      // no jitter: a pause is as long as it can be
      random: () => 1,
      from: store.content.stored,
      isEarlier: () => false,
      say: (level, line) => this.lines.push(`${level}: ${line}`),
      onBatch: (payments, tookMs) => this.batches.push({ payments, tookMs }),
      onStored: (position) => this.stored.push(position),
      onAhead: (why) => this.ahead.push(why),
      ...changed,
    });
    this.ledger.observe(this.projector);
    this.ledger.catchUp();
  }

  /** Records that payments were accepted. */
  accept(...all: number[]): void {
    for (const n of all) {
      this.ledger.append({ kind: "accepted", by: this.self, id: id(n), cents: 1990, at: 1_000 + n, doubt: false });
    }
  }

  /** Records that a payment is bound to the default processor, and then that it is booked there. */
  settle(...all: number[]): void {
    for (const n of all) {
      const { ledger: { book } } = this;
      const at = 2_000 + n;
      this.ledger.append(dispatched(book.get(id(n))!, this.self, "default", at, "default-up"));
      const booking = { processor: "default", requestedAt: at, cents: 1990 } as const;
      this.ledger.append(settled(book.get(id(n))!, this.self, at + 1, booking, "booked"));
    }
  }

  purge(): void {
    this.ledger.append({ kind: "purged", by: this.self, at: 5_000 });
  }
}

export class Projected {
  readonly clock = new VirtualClock();
  readonly store = new MemoryStore();
  readonly #files = new MemorySegments();
  readonly #segmentRecords: number;
  /** what the store was asked to write: the payments' numbers, and when */
  readonly written: { readonly payments: number[]; readonly replacesAll: boolean; readonly atMs: number }[] = [];

  constructor(segmentRecords = SEGMENT_RECORDS) {
    this.#segmentRecords = segmentRecords;
    const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) };
    this.#files.create(
      1,
      new RecordBuffer(PAIR).write({ kind: "header", logId: LOG, segment: 1, boot: BOOT, base }, 0).bytes,
    );
    this.store.before = (call) => this.asked(call);
  }

  /** A reader of the whole log. */
  ledger(nonce = 0): FileLedger {
    return new FileLedger(this.#log(), nonce, PAIR);
  }

  #log(): SegmentLog {
    return new SegmentLog({
      ...{ files: this.#files, boot: BOOT, position: positionOf(1, 0), liveFrom: 1 },
      gone: (why) => {
        throw new Error(why);
      },
      segmentRecords: this.#segmentRecords,
    });
  }

  /** The log up to a position, folded apart from any ledger. */
  fold(position: number): { readonly book: Book; readonly hash: number } {
    const log = this.#log();
    const upTo: Log = {
      get position() {
        return log.position;
      },
      append: () => false,
      next: (into) => log.position < position && log.next(into),
    };
    const ledger = new FileLedger(upTo, 0, PAIR);
    ledger.catchUp();
    return ledger;
  }

  /** Keeps what is to be written. */
  asked(call: Parameters<MemoryStore["before"]>[0]): void {
    if (call.kind !== "write") return;
    const payments = Array.from(call.batch.payments, ({ id }) => Number.parseInt(id.slice(-12), 16));
    this.written.push({ payments, replacesAll: call.batch.replacesAll, atMs: this.clock.monotonic() });
  }
}

/** One side that has found its store working; what is written is kept after that. */
export async function started(self: ReplicaId = "a", changed: Partial<ProjectorParts> = {}): Promise<Side> {
  const world = new Projected();
  const side = new Side(self, world, changed);
  await world.clock.advance(100);
  // what the other replica would have done at the start
  if (self === "b") await world.clock.advance(INTERVAL_MS + STANDBY_MS);
  world.written.length = 0;
  return side;
}
