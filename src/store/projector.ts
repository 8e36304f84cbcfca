/**
 * Keeps the store up with the log, after the answers: a write moves it to the end of the log, with every payment that
 * changed in between. The first replica of the roster writes at an interval. Another one writes if nobody does, or if its
 * callers wait: of two writes from the same position the store takes the first.
 * @module
 */
import { backoffMs, type Cancel, type Clock, type Random, within } from "../clock.ts";
import type { Ledger, LedgerObserver } from "../ledger/ledger.ts";
import type { Fact } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import { type Batch, type LogPosition, type Store, type Stored, StoreError } from "./store.ts";
import { Unsaved } from "./unsaved.ts";

/** The first backoff after a failure, in milliseconds; it doubles up to {@link RETRY_MS_MAX}. */
export const RETRY_MS_MIN = 50, RETRY_MS_MAX = 1_000;
/** How long after the interval the store must stand still, with unsaved changes, before another replica writes; in milliseconds. */
export const STANDBY_MS = 1_000;
/** How often a working store is checked, in milliseconds. */
export const CHECK_MS = 2_000;
/** How long {@link Projector.covered} waits, in milliseconds. */
export const COVER_MS = 1_500;

/** What a projector works with. */
export interface ProjectorParts {
  /** whether it is the one that writes at an interval */
  readonly isFirst: boolean;
  /** where it writes */
  readonly store: Store;
  /** the time */
  readonly clock: Clock;
  /** for jitter */
  readonly random: Random;
  /** its book holds the loaded snapshot, and nothing of the log is folded yet */
  readonly ledger: Ledger;
  /** the identity of the ledger's log */
  readonly logId: string;
  /** Whether a store that is there was set back to before this log began: to an earlier log of this cluster. */
  isEarlier(at: LogPosition): boolean;
  /** where the store was when it was loaded; log null and position 0 if it did not answer */
  readonly from: LogPosition;
  /** the least time between the starts of two writes, unless a caller waits; in milliseconds */
  readonly intervalMs: number;
  /** Called once whenever the store begins to work, stops working, or fails for another reason. */
  say(level: "info" | "warning", line: string): void;
  /** Called after every committed write with payments: how many, and how long it took in milliseconds. */
  onBatch(payments: number, tookMs: number): void;
  /** Called whenever the store is known to hold more of the log than before. */
  onStored(position: number): void;
  /** Called once, and nothing is written after it: the store knows more than this log, so the replica must restart. */
  onAhead(why: string): void;
}

/** One replica's projector. It begins at once to check whether the store works. */
export class Projector implements LedgerObserver {
  /** `connecting` until the store answered for the first time, or did not */
  state: "connecting" | "ready" | "unavailable" = "connecting";
  /** why the store does not work, in one line; empty while it does */
  trouble = "";

  readonly #parts: ProjectorParts;
  readonly #unsaved: Unsaved;
  #stored: LogPosition;
  /** since when the store has stood still there although there is more */
  #standsSinceMs: number | undefined;
  /** the last known write was made here */
  #wroteLast = false;
  readonly #waiters = new Set<{ readonly position: number; resolve(reached: boolean): void }>();
  #busy = false;
  #startPlanned = false;
  #cancel: Cancel | undefined;
  #startedMs = -Infinity;
  #failures = 0;
  /** the reasons that were logged since the store last worked: a server that comes and goes has many reasons in turn */
  readonly #said = new Set<string>();
  #stopped = false;

  /** It must observe the ledger from the first fact after the snapshot on. */
  constructor(parts: ProjectorParts) {
    this.#parts = parts;
    this.#stored = { logId: parts.from.logId, position: parts.from.position };
    this.#unsaved = new Unsaved(parts.ledger.book);
    this.#schedule();
  }

  /** The store holds the log up to here, or more. */
  get position(): number {
    return this.#stored.position;
  }

  /** How many payments the store lacks, or has in an old state. */
  get unsaved(): number {
    return this.#unsaved.size;
  }

  /** Age of the oldest change that is not stored, in milliseconds: what the machine's death would lose. */
  get oldestUnsavedMs(): number {
    const { sinceMs } = this.#unsaved;
    return sinceMs === undefined ? 0 : this.#parts.clock.monotonic() - sinceMs;
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    const { ledger, clock } = this.#parts;
    if (holds) this.#unsaved.folded(fact, ledger.position - 1, payment, clock.monotonic());
    this.#schedule();
  }

  /** Another replica knows that the store holds the log, this one, up to `position`. */
  heard(position: number): void {
    if (this.#stopped || position <= this.#stored.position) return;
    const { ledger } = this.#parts;
    ledger.catchUp();
    if (position > ledger.position) return;
    this.#wroteLast = false;
    this.#advanceTo(position);
    this.#schedule();
  }

  /**
   * Waits until the store holds the log up to `position`.
   *
   * @returns false if it does not after {@link COVER_MS}, and if this projector stops
   */
  async covered(position: number): Promise<boolean> {
    if (await this.#reached(position, COVER_MS)) return true;
    if (!this.#stopped && this.state === "ready") this.#setTrouble(`nothing is committed within ${COVER_MS} ms`);
    return false;
  }

  /** Checks whether the store still works, unless that was checked a moment ago, or is about to be. */
  check(): void {
    const isPlanned = this.#busy || this.#startPlanned || this.#cancel || this.#stopped;
    if (!isPlanned && this.#parts.clock.monotonic() >= this.#startedMs + CHECK_MS) void this.#write();
  }

  /** Writes what is left, and stops. @returns whether the store holds the whole log; false after `timeoutMs` */
  async flush(timeoutMs: number): Promise<boolean> {
    const { ledger } = this.#parts;
    ledger.catchUp();
    const reached = await this.#reached(ledger.position, timeoutMs);
    this.stop();
    return reached;
  }

  /** Begins no more writes; one that is under way may still be committed. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    for (const { resolve } of this.#waiters) resolve(false);
    this.#waiters.clear();
  }

  get #isBehind(): boolean {
    return this.#stored.position < this.#parts.ledger.position;
  }

  /** Whether this replica is the one to write. */
  get #isWriter(): boolean {
    if (!this.#isBehind) return false;
    const { isFirst, clock } = this.#parts;
    return isFirst || this.#wroteLast || this.#waiters.size > 0 || clock.monotonic() >= this.#standbyMs;
  }

  /** When another replica than the first writes. */
  get #standbyMs(): number {
    return this.#standsSinceMs! + this.#parts.intervalMs + STANDBY_MS;
  }

  async #reached(position: number, timeoutMs: number): Promise<boolean> {
    if (position <= this.#stored.position) return true;
    if (this.#stopped) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { position, resolve };
    this.#waiters.add(waiter);
    this.#schedule();
    const reached = await within(this.#parts.clock, timeoutMs, promise);
    this.#waiters.delete(waiter);
    return reached ?? false;
  }

  /** Schedules the next write. A store that does not work is tried again and again. */
  #schedule(): void {
    const { clock, intervalMs, random } = this.#parts;
    if (this.#isBehind) this.#standsSinceMs ??= clock.monotonic();
    if (this.#busy || this.#startPlanned || this.#stopped || this.state === "ready" && !this.#isBehind) return;
    if (this.#failures === 0 && this.#waiters.size > 0) {
      this.#cancel?.();
      this.#startPlanned = true;
      return clock.soon(this.#start);
    }
    if (this.#cancel) return;
    const pauseMs = backoffMs(RETRY_MS_MIN, RETRY_MS_MAX, this.#failures - 1, random);
    const intervalEndMs = this.#startedMs + intervalMs;
    const isOwn = this.state !== "ready" || this.#isWriter;
    const dueMs = isOwn ? intervalEndMs : Math.max(intervalEndMs, this.#standbyMs);
    this.#cancel = clock.after(this.#failures > 0 ? pauseMs : Math.max(0, dueMs - clock.monotonic()), this.#start);
  }

  readonly #start = (): void => {
    this.#cancel = undefined;
    this.#startPlanned = false;
    if (!this.#stopped && !this.#busy) void this.#write();
  };

  async #write(): Promise<void> {
    const { store, clock, ledger } = this.#parts;
    this.#busy = true;
    this.#startedMs = clock.monotonic();
    ledger.catchUp();
    const known = this.#stored;
    const batch = this.#isWriter ? this.#batch() : undefined;
    const rows = this.#unsaved.size;
    let now: Stored | undefined;
    let error: StoreError | undefined;
    try {
      // also without anything to write: it shows whether the store works, and what others have written
      now = batch ? await store.write(batch) : await store.stored(true);
    } catch (thrown) {
      if (!(thrown instanceof StoreError)) throw thrown;
      error = thrown;
    }
    this.#busy = false;
    if (this.#stopped) return;
    this.#failures = error ? this.#failures + 1 : 0;
    this.#setTrouble(error?.message ?? "");
    if (now) this.#learned(now, known, batch, rows);
    this.#schedule();
  }

  /** The batch up to the end of the log, taken at one instant. */
  #batch(): Batch {
    const { logId, ledger } = this.#parts;
    const { position, hash, book: { doubtedUptimeMs } } = ledger;
    const unsaved = this.#unsaved;
    const to = { logId, position, hash, doubtedUptimeMs };
    return { from: this.#stored, to, replacesAll: unsaved.replacesAll, payments: unsaved.payments() };
  }

  /** The store says where it is; it was at `known` or later when it was asked. */
  #learned(now: Stored, known: LogPosition, batch: Batch | undefined, rows: number): void {
    const { ledger, logId, from, clock, onBatch } = this.#parts;
    if (now.logId === known.logId && now.position === known.position) return;
    this.#wroteLast = now === batch?.to;
    // a backup was restored, or the database was made anew
    const isOfBefore = [logId, from.logId, null].includes(now.logId) || this.#parts.isEarlier(now);
    const isOlder = now.position < known.position && isOfBefore;
    if (isOlder) return this.#rewrite(now);
    if (now.logId !== logId) return this.#ahead(`the store holds another log, ${now.logId}`);
    const reading = now.position > ledger.position ? ledger.barrier() : undefined;
    if (reading) {
      // another replica has stored facts that this one has not read yet: checked again later
      this.#release(now.position);
      return void reading.then((isRead) => isRead && this.#isAhead(now));
    }
    if (this.#isAhead(now)) return;
    if (this.#wroteLast && rows > 0) onBatch(rows, clock.monotonic() - this.#startedMs);
    // another replica may have been heard meanwhile
    if (now.position > this.#stored.position) this.#advanceTo(now.position);
  }

  #advanceTo(position: number): void {
    const { logId, onStored } = this.#parts;
    this.#stored = { logId, position };
    this.#unsaved.saved(position, !this.#isBehind);
    this.#standsSinceMs = undefined;
    if (this.#failures === 0) {
      this.#cancel?.();
      this.#cancel = undefined;
    }
    this.#release(position);
    onStored(position);
  }

  /** The store holds the log up to this position, which this replica may not have read yet. */
  #release(position: number): void {
    for (const waiter of this.#waiters) {
      if (waiter.position > position) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(true);
    }
  }

  /** What was stored after that position is lost there, and nothing says which payments that were. */
  #rewrite({ logId, position }: Stored): void {
    this.#parts.say("warning", "the store is older than it was: everything is written again");
    this.#stored = { logId, position };
    this.#unsaved.markAll(this.#parts.ledger.position - 1, this.#parts.clock.monotonic());
  }

  #isAhead({ position }: Stored): boolean {
    const { ledger } = this.#parts;
    const isAhead = position > ledger.position;
    if (isAhead) this.#ahead(`the store holds the log up to ${position}, and the log ends at ${ledger.position}`);
    return isAhead;
  }

  #ahead(why: string): void {
    if (this.#stopped) return;
    this.stop();
    this.#parts.onAhead(why);
  }

  /** @param trouble empty if there is none */
  #setTrouble(trouble: string): void {
    const isNew = trouble ? !this.#said.has(trouble) : this.state !== "ready";
    if (trouble) this.#said.add(trouble);
    else this.#said.clear();
    this.state = trouble ? "unavailable" : "ready";
    this.trouble = trouble;
    if (isNew) {
      this.#parts.say(
        trouble ? "warning" : "info",
        trouble ? `the store does not work: ${trouble}` : "the store works",
      );
    }
  }
}
