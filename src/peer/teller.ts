/** What the peer is told over one connection: how far this replica is, and what it had folded at its checkpoints. @module */
import type { Cancel, Clock } from "../clock.ts";
import type { Checkpoint } from "../ledger/ledger.ts";
import type { ReplicaId } from "../payment/fact.ts";
import { news } from "./agreement.ts";
import type { Frame } from "./frame.ts";
import type { Progress } from "./link.ts";

/** The peer is told how far this replica is at most this often, in milliseconds. */
export const GOSSIP_MS = 100;

/** What a {@link Teller} needs. */
export interface TellerParts {
  readonly self: ReplicaId;
  readonly clock: Clock;
  /** this replica's, oldest first */
  checkpoints(): readonly Checkpoint[];
}

export class Teller {
  readonly #parts: TellerParts;
  readonly #send: (frame: Frame) => void;
  #next: Progress | undefined;
  #told: Progress | undefined;
  #toldMs = -Infinity;
  /** the place of the checkpoint that was told last */
  #checkpoint = 0;
  /** a frame is to go out, at the end of this turn or when the timer says so */
  #due = false;
  #timer: Cancel | undefined;
  #ended = false;
  #peerPosition = 0;
  /** a place that the peer was told and has not read yet, as far as it said, and since when */
  #unread: { readonly position: number; readonly sinceMs: number } | undefined;

  constructor(parts: TellerParts, send: (frame: Frame) => void) {
    this.#parts = parts;
    this.#send = send;
  }

  /** For how long the peer has not read what it was told of, in milliseconds; 0 where it has. */
  get lagMs(): number {
    return this.#unread ? this.#parts.clock.monotonic() - this.#unread.sinceMs : 0;
  }

  /** Tells where this replica is: now, at the end of this turn, or {@link GOSSIP_MS} after the last time. */
  tell(progress: Progress): void {
    this.#next = progress;
    if (this.#ended || this.#due || !this.#changed()) return;
    this.#due = true;
    const { clock } = this.#parts;
    const waitMs = this.#toldMs + GOSSIP_MS - clock.monotonic();
    if (waitMs > 0) this.#timer = clock.after(waitMs, () => this.#tellNow());
    else clock.soon(() => this.#tellNow());
  }

  /** The peer has read up to `position`. */
  heard(position: number): void {
    this.#peerPosition = position;
    if (!this.#unread || position < this.#unread.position) return;
    const told = this.#told!.position;
    this.#unread = told > position ? { position: told, sinceMs: this.#toldMs } : undefined;
  }

  /** The connection is gone. */
  end(): void {
    this.#ended = true;
    this.#timer?.();
  }

  #tellNow(): void {
    this.#due = false;
    if (this.#ended || !this.#changed()) return;
    const { clock, self } = this.#parts;
    const progress = this.#next!;
    this.#told = progress;
    this.#toldMs = clock.monotonic();
    this.#send({ type: "progress", ...progress });
    // after the progress: it makes the peer read on, and then it has something to compare with
    for (const told of news(this.#parts.checkpoints(), this.#checkpoint, self)) {
      this.#checkpoint = told.position;
      this.#send({ type: "checkpoint", ...told });
    }
    if (progress.position > this.#peerPosition) {
      this.#unread ??= { position: progress.position, sinceMs: this.#toldMs };
    }
  }

  #changed(): boolean {
    return this.#next!.position !== this.#told?.position || this.#next!.stored !== this.#told.stored;
  }
}
