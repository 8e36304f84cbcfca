/**
 * Who may act on whose payments. A replica holds its own lock for as long as it lives; who gets the lock of the other
 * has proof of its death and acts for it (DESIGN.md, promise 4). The note in a lock tells the next holder whether the
 * dead one knew anything that its peer does not.
 * @module
 */
import { peerOf, type ReplicaId } from "../payment/fact.ts";
import type { Cancel, Clock } from "../clock.ts";
import type { HeldLock, Lock } from "../membership/lock.ts";

/** How often a lock that another holds is tried, in milliseconds. */
export const TRY_MS = 50;

/** What a lock's last holder left: nothing, everything with its peer, or things that it did without its peer. */
export type Left = "" | "shared" | "alone";

export interface TenureParts {
  readonly self: ReplicaId;
  /** whether there is another replica at all */
  readonly hasPeer: boolean;
  readonly lock: Lock;
  readonly clock: Clock;
}

export interface TenureEvents {
  /** this replica holds its own lock now, and this is how its last life ended */
  began(left: Left): void;
  /** the peer is dead and left this, its payments are this replica's now */
  tookOver(left: Left): void;
  /** the peer's lock is free again: tell it */
  yielded(): void;
}

/** The tenure of one replica: the locks it holds and what follows from them. */
export class Tenure {
  readonly #parts: TenureParts;
  readonly #events: TenureEvents;
  #own: HeldLock | undefined;
  #peers: HeldLock | undefined;
  #linked = false;
  #recovered = false;
  #trying: Cancel | undefined;
  #stopped = false;

  constructor(parts: TenureParts, events: TenureEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Whether anything may be sent to a processor: this replica is the one it says it is, and knows what it knew before. */
  get mayAct(): boolean {
    return this.#own !== undefined && this.#recovered;
  }

  /** Nobody else is alive, so that what is known here is all there is. */
  get alone(): boolean {
    return this.#own !== undefined && (!this.#parts.hasPeer || this.#peers !== undefined);
  }

  /** This replica holds its own lock: it may recover, and later act. */
  get holds(): boolean {
    return this.#own !== undefined;
  }

  owns(owner: ReplicaId): boolean {
    return (owner === this.#parts.self ? this.#own : this.#peers) !== undefined;
  }

  /** Begins to try for the locks. */
  start(): void {
    this.try();
  }

  /** What was known before this life is known again: from now on payments may be sent. */
  recovered(): void {
    this.#recovered = true;
    this.#yield();
  }

  /** Each replica holds everything of the other's. */
  linked(): void {
    this.#linked = true;
    this.#own?.write("shared" satisfies Left);
    this.#yield();
  }

  /** The peer is not heard any more. Called before anything is done, or acknowledged, without it. */
  parted(): void {
    this.#linked = false;
    this.#own?.write("alone" satisfies Left);
    this.try();
  }

  /** The living peer gets its lock back; not before this replica has understood what its note says, which goes with it. */
  #yield(): void {
    if (!this.#peers || !this.#linked || !this.#recovered) return;
    this.#peers.release();
    this.#peers = undefined;
    this.#events.yielded();
  }

  /** Tries for the locks that this replica lacks, now and, until it has them, again. */
  try(): void {
    const { lock, self, hasPeer, clock } = this.#parts;
    this.#trying?.();
    this.#trying = undefined;
    if (this.#stopped) return;
    if (!this.#own && (this.#own = lock.tryAcquire(self))) {
      const left = this.#own.left as Left;
      this.#own.write((this.#linked ? "shared" : "alone") satisfies Left);
      this.#events.began(left);
    }
    if (this.#own && hasPeer && !this.#linked && !this.#peers && (this.#peers = lock.tryAcquire(peerOf(self)))) {
      // the note stays until release: should this replica die as well, the next holder still has to know
      this.#events.tookOver(this.#peers.left as Left);
    }
    const lacks = !this.#own || hasPeer && !this.#linked && !this.#peers;
    if (lacks && !this.#stopped) this.#trying = clock.after(TRY_MS, () => this.try());
  }

  /**
   * Gives the locks back.
   *
   * @param clean everything known here is stored, or known to the peer: otherwise the next holder finds a note
   */
  stop(clean: boolean): void {
    this.#stopped = true;
    this.#trying?.();
    if (!clean) return;
    this.#peers?.release();
    this.#own?.release();
    this.#own = this.#peers = undefined;
  }
}
