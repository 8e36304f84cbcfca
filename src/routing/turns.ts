/** When payments are dispatched: in turns, so that a few of them share every message and every waking of the process. @module */
import type { Cancel, Clock } from "../clock.ts";

/** Milliseconds between two turns. */
export const TURN_MS = 20;
/** How much later than it could a turn may begin, in milliseconds. */
const RIDE_MS = 20;

export class Turns {
  #planned: Cancel | undefined;
  #dueMs = 0;
  #ranMs = -Infinity;
  #stopped = false;

  /** @param run is told how much later than planned it begins */
  constructor(private readonly clock: Clock, private readonly run: (lagMs: number) => void) {}

  /**
   * The next turn is in `ms` milliseconds, but never sooner than a turn's time after the last.
   *
   * @param rideMs how much later it may be: what comes in until then has its turn at once, and spares the process this one
   */
  plan(ms: number, rideMs = RIDE_MS): void {
    const nowMs = this.clock.monotonic();
    const soonestMs = Math.max(nowMs + ms, this.#ranMs + TURN_MS);
    const dueMs = soonestMs > nowMs ? soonestMs + rideMs : nowMs;
    if (this.#stopped || this.#planned && this.#dueMs <= dueMs) return;
    this.#planned?.();
    this.#dueMs = dueMs;
    const turn = () => {
      this.#planned = undefined;
      this.#ranMs = this.clock.monotonic();
      this.run(this.#ranMs - dueMs);
    };
    this.#planned = dueMs > nowMs ? this.clock.after(dueMs - nowMs, turn) : this.#soon(turn);
  }

  /** The answers that are ready now go first. */
  #soon(turn: () => void): Cancel {
    let cancelled = false;
    this.clock.soon(() => cancelled || turn());
    return () => cancelled = true;
  }

  stop(): void {
    this.#stopped = true;
    this.#planned?.();
  }
}
