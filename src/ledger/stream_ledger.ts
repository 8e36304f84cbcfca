/**
 * The ledger over a log that an engine of several hosts keeps. A fact is published with the position that it was made from
 * as the subject's expected last one, which the engine compares and sets. What became of it only the fold says, when the
 * tail has come to it: what the engine answers decides no more than whether to publish the same bytes again.
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

/** After so long without proof that nothing was missed, a replica must not call a processor, in milliseconds. */
export const CURRENT_MS = 2_000;
/** How often that proof is made while a payment is bound, in milliseconds. */
const PROOF_MS = 500;
/** How long a barrier may take, in milliseconds. */
const BARRIER_MS = 1_000;
/** Pauses before the same bytes are published again, in milliseconds. */
const AGAIN_MS_MIN = 20, AGAIN_MS_MAX = 1_000;

/** Subjects beside the payments' ids: of the facts about all payments, and of barriers. */
export const ALL = "all", BARRIERS = "barriers";

/** Where the parts of a {@link StreamLedger} come from. */
interface StreamLedgerParts {
  /** the log */
  readonly stream: Stream;
  /** the time */
  readonly clock: Clock;
  /** for jitter */
  readonly random: Random;
  /** the names of all replicas */
  readonly roster: Roster;
  /** the end of what the book holds: the tail begins there */
  readonly position: number;
  /** the position of the stream's first message, which is no payment's; nothing before it is in this stream */
  readonly base: number;
  /** a number that is not likely to be near another writer's */
  readonly nonce: number;
  /** what the store holds */
  readonly book: Book;
  /** at the position */
  readonly hash: number;
  /** The stream is lost, or another one: this ledger reads and records nothing any more. */
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
  /** Says what became of it, once; from then on nothing more is done about it. */
  end(receipt: Receipt): void;
}

/** The {@link Ledger} over a {@link Stream}. */
export class StreamLedger implements Ledger {
  /** What is known: the fold up to the position. */
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
  /** when no payment was bound, as it was seen */
  #idleMs = -Infinity;
  /** when that was looked at last */
  #lookedMs: number;
  #barrier: Promise<boolean> = Promise.resolve(true);
  #nextBarrier: Promise<boolean> | undefined;
  #closed = false;
  /** the stream reaches to where this ledger begins: what is published before that could hide that it is shorter now */
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
   * What is heard may be of the past: of a server that was cut off, or from before this process stood still. So a payment
   * that is bound is sent only if a record of this replica came through the stream: all that stood there when that was
   * published is folded. And a record that does not come through for long means that none can be made.
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

  /** The promise waits for as long as it is not certain what became of the fact: the fact may stand, or come to. */
  append(fact: Fact): Promise<Receipt> {
    const { promise, resolve } = Promise.withResolvers<Receipt>();
    const own = this.#make(fact, resolve);
    if ("over" in fact) void this.#insist(own, fact.id, fact.over <= this.#parts.base ? 0 : fact.over);
    else void this.#insist(own, "id" in fact ? fact.id : ALL, 0);
    return promise;
  }

  catchUp(): void {}

  barrier(): Promise<boolean> {
    // one that is under way may stand before what this caller has to see: all who come meanwhile share the next one
    this.#nextBarrier ??= this.#barrier.then(() => {
      this.#nextBarrier = undefined;
      return this.#barrier = this.#passBarrier();
    });
    return this.#nextBarrier;
  }

  /** Reads and publishes nothing any more; what is under way is not concluded. The stream is not closed. */
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

  /** Publishes a record until the tail has come to it, or it is certain that it never will. */
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
      // a server that was cut off may not know yet what this replica has read: then its answer is about the past
      if (published.kind === "overruled" && over !== undefined && published.position > over) {
        await this.#folded(published.position);
        if (!this.#isOpen(own)) return;
        if (!this.#isMadeFromNewest(own, published.position)) {
          return own.end({ kind: "void", payment: this.#paymentOf(own.record) });
        }
        // what stands there counts for nobody; what was published with the old expectation can no longer come to stand
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
   * Whether nothing that counts came since the fact was made, though its subject has a message at `position`: that is void,
   * or a purge forgot its payment. What a purge forgot while a payment was on its way is not brought back by that.
   */
  #isMadeFromNewest({ record, madeAt }: Own, position: number): boolean {
    if ("over" in record) return this.book.pending.get(record.id)?.position === record.over;
    return !("id" in record) || position < madeAt && this.book.get(record.id) === undefined;
  }

  #paymentOf(record: LogRecord): Payment | undefined {
    return "id" in record ? this.book.get(record.id) : undefined;
  }

  /** Resolved once the tail has come to a position. */
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
