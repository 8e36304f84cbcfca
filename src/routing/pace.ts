/**
 * How many payments may be dispatched in a turn: answers come first, so a lagging event loop slows dispatching down.
 * @module
 */
import { TURN_MS } from "./turns.ts";

/** A turn that comes this much too late shows an event loop with more to do, in milliseconds. */
export const LAG_MS = 3;

/** Payments a second and replica at least where nothing lags: more would drain a backlog faster, and leave less CPU for answers. */
const PER_SECOND_MIN = 800;

/** How many payments a replica that may have so many calls in flight dispatches a second, when nothing lags. */
export function dispatchPerSecond(maxInFlight: number): number {
  return Math.max(PER_SECOND_MIN, 2 * maxInFlight);
}

/** A budget of payments per turn that halves when the event loop lags and grows back by a quarter. */
export class Pace {
  readonly #budgetMax: number;
  #budget: number;

  /** @param perSecond how many payments at most, when nothing lags */
  constructor(perSecond: number) {
    this.#budgetMax = Math.max(1, Math.round(perSecond * TURN_MS / 1000));
    this.#budget = this.#budgetMax;
  }

  /**
   * How many payments this turn may dispatch.
   *
   * @param lagMs how much later than planned it began
   */
  nextBudget(lagMs: number): number {
    this.#budget = lagMs > LAG_MS
      ? Math.max(1, this.#budget >>> 1)
      : Math.min(this.#budgetMax, this.#budget + Math.ceil(this.#budgetMax / 4));
    return this.#budget;
  }
}
