/**
 * Brings back what was known before this life, from the store, and says what of it may be out of date.
 * @module
 */
import type { Book } from "../payment/book.ts";
import { type Fact, suspect } from "../payment/fact.ts";
import type { Clock } from "../clock.ts";
import { type Store, StoreError } from "./store.ts";

/** How long a start waits for the store before it goes on without, in milliseconds. */
export const STORE_WAIT_MS = 3_000;
/** Pause before the store is asked again, in milliseconds. */
export const STORE_RETRY_MS = 500;

export interface RecoveryParts {
  readonly self: "a" | "b";
  readonly book: Book;
  readonly clock: Clock;
  readonly store: Store | undefined;
  /** after so long a call of a dead replica can no longer be booked, in milliseconds */
  readonly requestTimeoutMs: number;
  /** how long after a crash of everything an id that comes again may have been lost, in milliseconds */
  readonly recallMs: number;
  beginEpoch(epoch: number): void;
  /** the store, heard of late, is in this epoch: what was accepted without it belongs there as well */
  rebase(epoch: number): void;
  /** a crash was found: the peer has to know as well that ids may come again */
  recalls(ms: number): void;
  record(fact: Fact): void;
  log(level: "info" | "warning", message: string, fields?: Record<string, unknown>): void;
}

/** The recovery of one replica. */
export class Recovery {
  readonly #parts: RecoveryParts;
  #doubtUntilMs = -Infinity;
  #recallUntilMs = -Infinity;
  #reading = 0;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** Until when a processor's "not found" proves nothing for an id that comes in now; 0 where the id is surely new. */
  get doubtUntil(): number {
    const { clock } = this.#parts;
    const nowMs = clock.monotonic();
    // by the monotonic clock, since the other one may be set meanwhile
    return nowMs < this.#recallUntilMs ? clock.now() + Math.max(0, Math.ceil(this.#doubtUntilMs - nowMs)) : 0;
  }

  /** Whether there may be something in the store that is not known here yet. */
  get reading(): boolean {
    return this.#reading > 0;
  }

  /** For how long ids that come again may have been lost, in whole milliseconds; 0 when they cannot. */
  get recallMs(): number {
    return Math.max(0, Math.ceil(this.#recallUntilMs - this.#parts.clock.monotonic()));
  }

  /** The peer knows of a crash after which ids may come again for `ms` more milliseconds. */
  recall(ms: number): void {
    const nowMs = this.#parts.clock.monotonic();
    const { recallMs, requestTimeoutMs } = this.#parts;
    this.#recallUntilMs = Math.max(this.#recallUntilMs, nowMs + ms);
    // both began at the crash
    this.#doubtUntilMs = Math.max(this.#doubtUntilMs, nowMs + ms - recallMs + requestTimeoutMs);
  }

  /**
   * Reads the store; where that takes too long, goes on without and reads it later.
   *
   * @param crashed the last life did not end well: then everything pending is suspect, and every id that comes in soon
   */
  async recover(crashed: boolean): Promise<void> {
    const { store, clock, log } = this.#parts;
    if (store) {
      const answer = Promise.withResolvers<"answers" | "late">();
      const cancel = clock.after(STORE_WAIT_MS, () => answer.resolve("late"));
      const loading = this.#load(false, () => answer.resolve("answers"));
      // once it answers it is read to the end, however much that is
      const state = await answer.promise === "late" ? "late" : await loading;
      cancel();
      // what the store would say is not known: the worst is assumed
      crashed ||= state !== "clean" && state !== "empty";
      if (state === "late") log("warning", "the store does not answer: going on without what it holds");
    }
    if (crashed) this.doubt(() => true);
  }

  /** Marks this replica as running, for the next start: where nothing needs to be read. */
  async open(): Promise<void> {
    const { store, self } = this.#parts;
    if (store) await this.#again(() => store.open(self));
  }

  /** Payments may be missing here that a dead replica stored alone: reads them, as suspects. */
  async reread(): Promise<void> {
    if (this.#parts.store) await this.#load(true);
  }

  /** Every pending payment that `is` says becomes suspect, and so does every id that comes in soon. */
  doubt(is: (fact: Fact) => boolean): void {
    const { book, clock, requestTimeoutMs, recallMs, log } = this.#parts;
    this.recall(recallMs);
    this.#parts.recalls(recallMs);
    let count = 0;
    for (const fact of [...book.pending.values()]) {
      if (!is(fact)) continue;
      count++;
      this.#parts.record(suspect(fact, clock.now() + requestTimeoutMs));
    }
    log("warning", "a crash may have lost the newest facts: processors are asked before anything is sent", { count });
  }

  async #load(inDoubt: boolean, answers = () => {}): Promise<"empty" | "clean" | "crashed"> {
    const { store, self, book, beginEpoch, rebase, clock, log, requestTimeoutMs } = this.#parts;
    const lateAtMs = clock.monotonic() + STORE_WAIT_MS;
    this.#reading++;
    const read = await this.#again(async () => {
      const { epoch, state } = await store!.open(self);
      // what is found late is news to the peer and to those who act on it
      const late = inDoubt || clock.monotonic() >= lateAtMs;
      answers();
      // in a life that began without the store all is new; what ran beside it may have been purged there
      const began = late && !inDoubt && book.pending.size + book.settled.size > 0;
      if (began && epoch > book.epoch) rebase(epoch);
      else beginEpoch(epoch);
      let count = 0;
      await store!.load((facts) => {
        // a purge came in between
        if (book.epoch !== epoch) return;
        for (const fact of facts) {
          if (!book.fold(fact)) continue;
          count++;
          if (!late) continue;
          const doubtful = fact.stage !== "settled" && (inDoubt || state === "crashed");
          this.#parts.record(doubtful ? suspect(fact, clock.now() + requestTimeoutMs) : fact);
        }
      });
      log("info", "read what the store holds", { state, payments: count });
      return state;
    });
    this.#reading--;
    return read;
  }

  async #again<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        // the writer says what is wrong with the store, once
        await new Promise<void>((resolve) => this.#parts.clock.after(STORE_RETRY_MS, resolve));
      }
    }
  }
}
