/**
 * When payments are dispatched, and how many: in turns, so that several may share each wake-up of the process. Answers come
 * first, so a lagging event loop slows dispatching down.
 * @module
 */
import type { Cancel, Clock } from "../clock.ts";

/**
 * Milliseconds between two turns. An answer may wait for a turn, so turns hold few payments: with 80 ms the p99 of answers
 * is a quarter higher.
 */
export const TURN_MS = 10;
/** A turn that is later than this shows a busy event loop, in milliseconds. */
const LAG_MS = 3;
/** The least number of payments a second and replica when nothing lags: more would drain a backlog faster, and leave less CPU for answers. */
const PER_SECOND_MIN = 600;

/** How many payments a second a replica dispatches when nothing lags. @param maxInFlight its limit of calls in flight */
export function dispatchPerSecond(maxInFlight: number): number {
  return Math.max(PER_SECOND_MIN, 2 * maxInFlight);
}

/** The turns of a dispatcher. */
export class Turns {
  #planned: Cancel | undefined;
  #ranMs = -Infinity;
  #stopped = false;
  readonly #budgetMax: number;
  #budget: number;

  /**
   * Plans nothing yet.
   *
   * @param perSecond how many payments at most, when nothing lags
   * @param run called with how many payments this turn may dispatch
   */
  constructor(private readonly clock: Clock, perSecond: number, private readonly run: (budget: number) => void) {
    this.#budget = this.#budgetMax = Math.max(1, Math.round(perSecond * TURN_MS / 1_000));
  }

  /** Plans a turn: now, but never sooner than {@link TURN_MS} after the last. */
  plan(): void {
    if (this.#stopped || this.#planned) return;
    const nowMs = this.clock.monotonic();
    const dueMs = Math.max(nowMs, this.#ranMs + TURN_MS);
    const turn = () => {
      this.#planned = undefined;
      this.#ranMs = this.clock.monotonic();
      // it halves when the event loop lags, and grows back by a quarter
      this.#budget = this.#ranMs - dueMs > LAG_MS
        ? Math.max(1, this.#budget >>> 1)
        : Math.min(this.#budgetMax, this.#budget + Math.ceil(this.#budgetMax / 4));
      this.run(this.#budget);
    };
    this.#planned = dueMs > nowMs ? this.clock.after(dueMs - nowMs, turn) : this.#soon(turn);
  }

  /** The answers that are ready now go first. */
  #soon(turn: () => void): Cancel {
    let cancelled = false;
    this.clock.soon(() => cancelled || turn());
    return () => cancelled = true;
  }

  /** Runs no further turn. */
  stop(): void {
    this.#stopped = true;
    this.#planned?.();
  }
}
