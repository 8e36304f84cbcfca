/**
 * Writes facts to the store behind the answer: the newest of each payment, many in a batch, one batch at a time. Whoever
 * needs to know that something is stored waits for the batch that holds it, together with all who wait (group commit).
 * @module
 */
import type { Fact } from "../payment/fact.ts";
import type { Cancel } from "../clock.ts";
import type { StoreVitals } from "../telemetry/metrics.ts";
import { StoreError } from "./store.ts";
import { Backlog } from "./backlog.ts";
import type { StoreWriterParts } from "./writer_parts.ts";

/** The first pause after a failure; it doubles up to {@link RETRY_MS_MAX}. Milliseconds. */
export const RETRY_MS_MIN = 50;
export const RETRY_MS_MAX = 1_000;
/** How long {@link StoreWriter.stop} may take, in milliseconds. */
export const STOP_MS = 2_000;

interface Waiter {
  /** this payment and all that began to wait before must be stored */
  readonly seq: number;
  resolve(covered: boolean): void;
}

/** What one replica has to write. It begins at once to try whether the store works. */
export class StoreWriter implements StoreVitals {
  /** `connecting` until the store answered for the first time, or did not */
  state: "connecting" | "ready" | "unavailable" = "connecting";
  /** why the store does not work, in one line; empty while it does */
  trouble = "";
  /** batches that were committed, and the facts in all of them */
  batches = 0;
  rows = 0;
  /** the last of them: its facts, and how long it took in milliseconds */
  lastBatchRows = 0;
  lastBatchMs = 0;

  readonly #parts: StoreWriterParts;
  readonly #backlog = new Backlog();
  #epoch = 0;
  #mustPurge = false;
  /** everything is to be read, from its beginning */
  #mustRewrite = false;
  /** the rest of everything, while that is written anew */
  #rewriting: Iterator<Fact> | undefined;
  /** since when there is a fact that was dropped */
  #overflowSinceMs: number | undefined;
  #waiters: Waiter[] = [];
  #busy = false;
  #soon = false;
  #cancel: Cancel | undefined;
  #startedMs = -Infinity;
  #failures = 0;
  #flushed: PromiseWithResolvers<boolean> | undefined;
  #stopped = false;

  constructor(parts: StoreWriterParts) {
    this.#parts = parts;
    this.#schedule();
  }

  /** Payments that wait for the store or are on their way. */
  get backlog(): number {
    return this.#backlog.size;
  }

  /** More was waiting than may; until everything is written anew, nothing is covered. */
  get overflow(): boolean {
    return this.#overflowSinceMs !== undefined;
  }

  /** Age of the oldest fact that is not stored, in milliseconds: what a crash of every replica would lose. */
  get oldestDirtyMs(): number {
    const sinceMs = this.#overflowSinceMs ?? this.#backlog.oldest?.sinceMs;
    return sinceMs === undefined ? 0 : this.#parts.clock.monotonic() - sinceMs;
  }

  /** Has a fact of the current epoch stored. */
  note(fact: Fact): void {
    const { limits, clock } = this.#parts;
    // what is dropped will be in what is written anew
    if (this.#stopped || this.overflow && this.#mustRewrite || this.#backlog.update(fact)) return;
    if (this.#backlog.size >= limits.backlogMax) this.#overflowed();
    else this.#backlog.add(fact, clock.monotonic());
    this.#schedule();
  }

  /**
   * Waits until all that was noted so far is stored.
   * @returns false where that may never happen: too much is waiting, or the writer has stopped
   */
  covered(): Promise<boolean> {
    if (this.overflow || this.#stopped) return Promise.resolve(false);
    const { lastSeq: seq } = this.#backlog;
    if (this.#isStored(seq)) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#waiters.push({ seq, resolve });
      this.#schedule();
    });
  }

  /** Writes everything there is anew, beside what is noted: the store may lack what was not for this replica to write. */
  rewrite(): void {
    this.#mustRewrite = true;
    this.#schedule();
  }

  /** Begins an epoch: nothing of older ones is left to be stored, and who waited for it waits no longer. */
  purge(epoch: number): void {
    this.#epoch = epoch;
    this.#mustPurge = true;
    this.#mustRewrite = false;
    this.#rewriting = undefined;
    this.#overflowSinceMs = undefined;
    this.#backlog.clear();
    this.#resolve(true);
    this.#schedule();
  }

  /** The store turns out to be in a later epoch, to which everything here belongs as well: it is written anew. */
  rebase(epoch: number): void {
    this.#epoch = epoch;
    this.#overflowed();
    this.#schedule();
  }

  /**
   * Writes what is left, takes nothing more, and closes the store.
   *
   * @param goodbye whether the store may be told that this replica stops in good order, once everything is stored
   * @returns whether everything is stored
   */
  async stop(timeoutMs = STOP_MS, goodbye = true): Promise<boolean> {
    const flushed = this.#flushed ??= Promise.withResolvers();
    if (this.#hasWork || this.#busy) this.#schedule();
    else flushed.resolve(true);
    const all = await this.#within(timeoutMs, flushed.promise);
    this.#stopped = true;
    this.#cancel?.();
    this.#resolve(false);
    // a goodbye that does not get through costs the next start a look at what is pending, nothing more
    await this.#within(timeoutMs, this.#parts.store.close(all && goodbye).then(() => true).catch(ignoreTrouble));
    return all;
  }

  get #hasWork(): boolean {
    return this.#mustPurge || this.#mustRewrite || this.#rewriting !== undefined || this.#backlog.size > 0;
  }

  #isStored(seq: number): boolean {
    const { oldest } = this.#backlog;
    return oldest === undefined || oldest.seq > seq;
  }

  /** Keeps nothing: everything will be read from where it is, once the store works. */
  #overflowed(): void {
    this.#overflowSinceMs ??= this.#backlog.oldest?.sinceMs ?? this.#parts.clock.monotonic();
    this.#mustRewrite = true;
    this.#rewriting = undefined;
    this.#backlog.clear();
    this.#resolve(false);
  }

  /** Has the next batch start when it is due. A store that does not work is tried again and again. */
  #schedule(): void {
    if (this.#busy || this.#soon || this.#stopped || !(this.#hasWork || this.state !== "ready")) return;
    const { clock, limits, random } = this.#parts;
    const start = () => {
      this.#cancel = undefined;
      this.#soon = false;
      if (!this.#stopped) void this.#step();
    };
    if (this.#failures === 0 && (this.#waiters.length > 0 || this.#flushed)) {
      this.#cancel?.();
      this.#soon = true;
      return clock.soon(start);
    }
    if (this.#cancel) return;
    const pauseMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (this.#failures - 1)) * (1 + random()) / 2;
    const dueMs = this.#failures > 0 ? pauseMs : this.#startedMs + limits.intervalMs - clock.monotonic();
    this.#cancel = clock.after(Math.max(0, dueMs), start);
  }

  async #step(): Promise<void> {
    const { store, clock } = this.#parts;
    const epoch = this.#epoch;
    const purges = this.#mustPurge;
    const noted = purges ? [] : this.#backlog.take(this.#parts.limits.batchMax);
    const rewritten = purges ? [] : this.#takeRewritten(this.#parts.limits.batchMax - noted.length);
    const facts = [...noted, ...rewritten];
    this.#busy = true;
    this.#startedMs = clock.monotonic();
    let error: unknown;
    let storeEpoch = epoch;
    try {
      // also where there is nothing to write: it tells whether the store works
      if (purges) await store.purge(epoch);
      else storeEpoch = await store.write(epoch, facts);
    } catch (thrown) {
      if (!(thrown instanceof StoreError)) throw thrown;
      error = thrown;
    }
    this.#busy = false;
    this.#tell(error as StoreError | undefined);
    // an epoch that began meanwhile has forgotten these facts
    if (epoch === this.#epoch) {
      if (error) this.#failed(rewritten);
      else if (purges) this.#mustPurge = false;
      else if (storeEpoch > epoch) this.#ignored(facts, storeEpoch);
      else this.#committed(facts);
    }
    if (!this.#hasWork) this.#flushed?.resolve(true);
    this.#schedule();
  }

  #takeRewritten(max: number): Fact[] {
    if (this.#mustRewrite) {
      this.#mustRewrite = false;
      this.#rewriting = this.#parts.everything()[Symbol.iterator]();
    }
    const facts: Fact[] = [];
    while (this.#rewriting && facts.length < max) {
      const { done, value } = this.#rewriting.next();
      if (done) this.#rewriting = undefined;
      else facts.push(value);
    }
    return facts;
  }

  #committed(facts: readonly Fact[]): void {
    this.#backlog.arrived();
    if (!this.#mustRewrite && !this.#rewriting) this.#overflowSinceMs = undefined;
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ seq }) => !this.#isStored(seq));
    for (const { seq, resolve } of waiters) if (this.#isStored(seq)) resolve(true);
    if (facts.length === 0) return;
    this.batches++;
    this.rows += facts.length;
    this.lastBatchRows = facts.length;
    this.lastBatchMs = this.#parts.clock.monotonic() - this.#startedMs;
    this.#parts.onStored?.(facts);
  }

  /** A replica that is dead by now began an epoch that nobody else heard of. */
  #ignored(facts: readonly Fact[], storeEpoch: number): void {
    if (facts.length > 0) this.#overflowed();
    this.#parts.onLaterEpoch?.(storeEpoch);
  }

  #failed(rewritten: readonly Fact[]): void {
    // what was noted while everything was read is dropped as well: it is read again
    if (this.overflow) return this.#overflowed();
    const nowMs = this.#parts.clock.monotonic();
    this.#backlog.returned();
    for (const fact of rewritten) if (!this.#backlog.update(fact)) this.#backlog.add(fact, nowMs);
  }

  #tell(error: StoreError | undefined): void {
    const trouble = error?.message ?? "";
    const changed = trouble !== this.trouble || this.state === "connecting";
    this.#failures = error ? this.#failures + 1 : 0;
    this.state = error ? "unavailable" : "ready";
    this.trouble = trouble;
    if (changed) {
      this.#parts.log?.(error ? "warning" : "info", error ? `the store does not work: ${trouble}` : "the store works");
    }
  }

  #resolve(covered: boolean): void {
    for (const { resolve } of this.#waiters.splice(0)) resolve(covered);
  }

  /** What `promise` says, or false after so long. */
  async #within(timeoutMs: number, promise: Promise<boolean>): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const cancel = this.#parts.clock.after(timeoutMs, () => late.resolve(false));
    try {
      return await Promise.race([promise, late.promise]);
    } finally {
      cancel();
    }
  }
}

function ignoreTrouble(error: unknown): boolean {
  if (error instanceof StoreError) return false;
  throw error;
}
