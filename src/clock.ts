/** Time, from outside, so that a virtual clock can drive everything. @module */

/** Cancels what a {@link Clock} was to run later; harmless after it ran. */
export type Cancel = () => void;

/** The port to time. */
export interface Clock {
  /** Milliseconds since 1970, UTC, a whole number. It may jump: use {@link monotonic} to measure. */
  now(): number;
  /** Milliseconds from some start of this process, never going back. */
  monotonic(): number;
  /** Milliseconds since the machine was started, never going back, the same for every process of the machine. */
  uptime(): number;
  /** Runs `action` once, `ms` milliseconds from now or a little later. */
  after(ms: number, action: () => void): Cancel;
  /** Runs `action` after everything that is ready now, in this turn of the event loop or the next. */
  soon(action: () => void): void;
}

/** The result of `work`; undefined after `ms` milliseconds without one. Rejected if `work` is rejected before that. */
export function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const cancel = clock.after(ms, () => late.resolve(undefined));
  return Promise.race([work, late.promise]).finally(cancel);
}

/** A number in `[0, 1)`, for jitter. */
export type Random = () => number;

/**
 * A pause, in milliseconds, that doubles with each try from `minMs` to `maxMs`; up to a half is taken off at random, so that
 * not all try at once.
 */
export function backoffMs(minMs: number, maxMs: number, tries: number, random: Random): number {
  return Math.min(maxMs, minMs * 2 ** tries) * (1 + random()) / 2;
}
