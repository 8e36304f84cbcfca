/**
 * The ledger over a stream that several hosts share. Each fact is published with an expectation: the position of the fact
 * it was made from. The engine takes it only if that is its subject's last message. Whether it holds is decided by the
 * fold, once the tail reaches it; the engine's answer only decides whether to publish the same bytes again.
 * @module
 */
import { backoffMs, type Clock, type Random, within } from "../clock.ts";
import type { Book } from "../payment/book.ts";
import type { Fact } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { Roster } from "../payment/roster.ts";
import { Fold } from "./fold.ts";
import type { Checkpoint, Ledger, LedgerObserver, Receipt } from "./ledger.ts";
import { type LogRecord, RecordBuffer } from "./record.ts";
import type { Stream } from "./stream.ts";

/** Without proof for this long that it has read the whole stream, a replica sends nothing new, in milliseconds. */
export const CURRENT_MS = 2_000;
/** The interval of such proofs while a payment is bound, in milliseconds. */
const PROOF_MS = 500;
/** How long a barrier may take, in milliseconds. */
const BARRIER_MS = 1_000;
/** Pauses before the same bytes are published again, in milliseconds. */
const AGAIN_MS_MIN = 20, AGAIN_MS_MAX = 1_000;

/** Subjects other than payments' ids: of facts about all payments, and of barriers. */
export const ALL = "all", BARRIERS = "barriers";

/** What a {@link StreamLedger} works with. */
interface StreamLedgerParts {
  readonly stream: Stream;
  /** the time */
  readonly clock: Clock;
  /** for jitter */
  readonly random: Random;
  /** the names of all replicas */
  readonly roster: Roster;
  /** the end of what the book holds: the tail begins there */
  readonly position: number;
  /** the position of the stream's first message, which is about no payment */
  readonly base: number;
  /** a number that is not likely to be near another writer's */
  readonly nonce: number;
  /** what the store holds */
  readonly book: Book;
  /** at the position */
  readonly hash: number;
  /** The stream is lost or replaced: this ledger no longer reads or records. */
  lost(why: string): void;
}

/** A record of this replica that the tail has not come to yet. */
interface Own {
  readonly record: LogRecord;
  readonly bytes: Uint8Array;
  readonly sum: number;
  readonly nonce: number;
  /** when it was first published */
  readonly sentMs: number;
  /** the end of what was folded when it was made */
  readonly madeAt: number;
  /** Ends the wait for it with this receipt. Called once. */
  end(receipt: Receipt): void;
}

/** The {@link Ledger} over a {@link Stream}. */
export class StreamLedger implements Ledger {
  /** As {@link Ledger} says. */
  readonly book: Book;
  /** A server may take a message when its sender has long given up. */
  readonly isDelayed = true;
  readonly #parts: StreamLedgerParts;
  readonly #fold: Fold;
  readonly #read: RecordBuffer;
  /** by nonce, the oldest first */
  readonly #own = new Map<number, Own>();
  #waiting: { readonly position: number; readonly go: () => void }[] = [];
  #nonce: number;
  #position: number;
  #heardMs: number;
  /** everything that stood in the stream by then is folded */
  #provenMs = -Infinity;
  /** when no payment was bound, the last time that was checked */
  #idleMs = -Infinity;
  /** when that was looked at last */
  #lookedMs: number;
  #barrier: Promise<boolean> = Promise.resolve(true);
  #nextBarrier: Promise<boolean> | undefined;
  #closed = false;
  /** whether the stream reaches the position where this ledger begins; a message sent earlier could hide a shortened stream */
  #isThere = false;
  readonly #there = Promise.withResolvers<true>();

  /** Begins to read; {@link barrier} says when all there was is read. */
  constructor(parts: StreamLedgerParts) {
    const { stream, clock, roster, position, base, nonce, book, hash } = parts;
    this.#parts = parts;
    this.book = book;
    this.#fold = new Fold(book, hash, roster);
    this.#read = new RecordBuffer(roster);
    this.#nonce = nonce;
    this.#position = position;
    this.#heardMs = this.#lookedMs = clock.monotonic();
    stream.tail(Math.max(position, base) - 1, {
      read: (position, bytes) => this.#take(position, bytes),
      heard: (position) => {
        this.#heardMs = clock.monotonic();
        if (position >= this.#position - 1) this.#found();
      },
      lost: (why) => this.#lose(why),
    });
    this.#prove();
  }

  get position(): number {
    return this.#position;
  }

  get hash(): number {
    return this.#fold.hash;
  }

  get checkpoints(): readonly Checkpoint[] {
    return this.#fold.checkpoints;
  }

  /**
   * A server that is cut off sends old messages, and so does a buffer after this process stood still. So while payments
   * are bound, a record of this replica must have come back a moment ago: everything that stood in the stream when it was
   * published is folded. A record that does not come back for long means that the stream takes none.
   */
  get isCurrent(): boolean {
    const nowMs = this.#parts.clock.monotonic();
    const oldest = this.#own.values().next().value;
    const sinceMs = Math.max(this.#provenMs, this.#idleMs);
    const isStuck = oldest !== undefined && nowMs - oldest.sentMs >= CURRENT_MS;
    return !this.#closed && !isStuck && nowMs - Math.min(sinceMs, this.#heardMs) < CURRENT_MS;
  }

  observe(observer: LedgerObserver): void {
    this.#fold.observe(observer);
  }

  /** The promise stays pending while it is uncertain whether the fact is, or will be, in the stream. */
  append(fact: Fact): Promise<Receipt> {
    const { promise, resolve } = Promise.withResolvers<Receipt>();
    const own = this.#make(fact, resolve);
    if ("over" in fact) void this.#insist(own, fact.id, fact.over <= this.#parts.base ? 0 : fact.over);
    else void this.#insist(own, "id" in fact ? fact.id : ALL, 0);
    return promise;
  }

  catchUp(): void {}

  barrier(): Promise<boolean> {
    // a barrier under way may stand before a fact that this caller must see, so waiting callers share the next one
    this.#nextBarrier ??= this.#barrier.then(() => {
      this.#nextBarrier = undefined;
      return this.#barrier = this.#passBarrier();
    });
    return this.#nextBarrier;
  }

  /** Stops reading and publishing; pending receipts never come. Does not close the stream. */
  close(): void {
    this.#closed = true;
  }

  #make(record: LogRecord, resolve: (receipt: Receipt) => void): Own {
    const nonce = this.#nonce = this.#nonce + 1 >>> 0;
    const { bytes, sum } = new RecordBuffer(this.#parts.roster).write(record, nonce);
    const own: Own = {
      ...{ record, bytes, sum, nonce, sentMs: this.#parts.clock.monotonic(), madeAt: this.#position },
      end: (receipt) => {
        this.#own.delete(nonce);
        resolve(receipt);
      },
    };
    this.#own.set(nonce, own);
    return own;
  }

  #isOpen({ nonce }: Own): boolean {
    return !this.#closed && this.#own.has(nonce);
  }

  /** Publishes a record until the tail reaches it, or it is certain that the tail never will. */
  async #insist(own: Own, subject: string, over: number | undefined): Promise<void> {
    const { stream, clock, random } = this.#parts;
    for (let tries = 0, mayStand = false; this.#isOpen(own); tries++) {
      const published = await stream.publish(subject, own.bytes, over);
      if (!this.#isOpen(own)) return;
      if (published.kind === "stands") {
        await this.#folded(published.position);
        if (this.#isOpen(own)) this.#lose(`what the stream took at ${published.position} is not there`);
        return;
      }
      // the answer of a server that was cut off may be older than what this replica has read
      if (published.kind === "overruled" && over !== undefined && published.position > over) {
        await this.#folded(published.position);
        if (!this.#isOpen(own)) return;
        if (!this.#isMadeFromNewest(own, published.position)) {
          return own.end({ kind: "void", payment: this.#paymentOf(own.record) });
        }
        // the message there is void or purged: publish after it; tries with the old expectation can no longer be taken
        [over, mayStand, tries] = [published.position, false, -1];
        continue;
      }
      if (published.kind === "full" && !mayStand) return own.end({ kind: "not-taken" });
      if (published.kind === "unknown") mayStand = true;
      const pauseMs = backoffMs(AGAIN_MS_MIN, AGAIN_MS_MAX, tries, random);
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    }
  }

  /**
   * Whether the fact was made from its payment's newest fact, although its subject has a message at `position`: that one is
   * void, or a purge forgot its payment. A payment that was purged while this fact was on its way stays purged.
   */
  #isMadeFromNewest({ record, madeAt }: Own, position: number): boolean {
    if ("over" in record) return this.book.pending.get(record.id)?.position === record.over;
    return !("id" in record) || position < madeAt && this.book.get(record.id) === undefined;
  }

  #paymentOf(record: LogRecord): Payment | undefined {
    return "id" in record ? this.book.get(record.id) : undefined;
  }

  /** Resolves once the tail has reached a position. */
  async #folded(position: number): Promise<void> {
    if (position >= this.#position) await new Promise<void>((go) => void this.#waiting.push({ position, go }));
  }

  #found(): void {
    this.#isThere = true;
    this.#there.resolve(true);
  }

  async #passBarrier(): Promise<boolean> {
    if (!this.#isThere && !await within(this.#parts.clock, BARRIER_MS, this.#there.promise)) return false;
    const { promise, resolve } = Promise.withResolvers<Receipt>();
    const own = this.#make({ kind: "barrier" }, resolve);
    void this.#insist(own, BARRIERS, undefined);
    const receipt = await within(this.#parts.clock, BARRIER_MS, promise);
    this.#own.delete(own.nonce);
    return receipt?.kind === "holds";
  }

  /** Keeps this replica current while payments are bound: {@link isCurrent}. */
  #prove(): void {
    if (this.#closed) return;
    const { clock } = this.#parts;
    const nowMs = clock.monotonic();
    const binds = this.book.pending.values().some(({ stage }) => stage === "dispatched");
    // who stood still knows nothing of what became of the payments meanwhile
    const stoodStill = nowMs - this.#lookedMs >= CURRENT_MS;
    this.#lookedMs = nowMs;
    if (!binds && !stoodStill) this.#idleMs = nowMs;
    else if (nowMs - this.#provenMs >= PROOF_MS && !this.#nextBarrier) void this.barrier();
    clock.after(PROOF_MS, () => this.#prove());
  }

  #take(position: number, bytes: Uint8Array): void {
    if (this.#closed) return;
    const { base, clock } = this.#parts;
    if (position !== this.#position && (position !== base || position < this.#position)) {
      throw new Error(`invariant: the message at ${position} of the stream follows what ends at ${this.#position}`);
    }
    this.#read.bytes.set(bytes);
    if (!this.#read.valid) throw new Error(`invariant: the message at ${position} of the stream is no record`);
    this.#heardMs = clock.monotonic();
    this.#position = position + 1;
    this.#found();
    if (position === base) this.#fold.beginAnew();
    const { nonce, sum } = this.#read;
    const known = this.#own.get(nonce);
    const own = known?.sum === sum ? known : undefined;
    const record = own?.record ?? this.#read.read();
    if (record.kind === "header" || record.kind === "sealed") {
      throw new Error(`invariant: a ${record.kind} in a stream`);
    }
    const holds = record.kind === "barrier" || this.#fold.add(record, sum, this.#position);
    if (own) {
      this.#provenMs = Math.max(this.#provenMs, own.sentMs);
      // what became of the payment matters from here on, and this record may have been on its way for long
      if (holds && record.kind === "dispatched") this.#idleMs = -Infinity;
      own.end({ kind: holds ? "holds" : "void", payment: this.#paymentOf(record) });
    }
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((one) => one.position <= position);
    this.#waiting = this.#waiting.filter((one) => one.position > position);
    for (const { go } of due) go();
  }

  #lose(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.lost(why);
  }
}
