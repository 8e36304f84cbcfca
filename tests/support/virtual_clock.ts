/** A clock that stands still until it is told to go on. @module */
import { setImmediate } from "node:timers";
import type { Cancel, Clock } from "../../src/clock.ts";

/** How long the machine has been up when a clock begins, in milliseconds. */
const BOOT_MS = 1_000_000;

interface Timer {
  readonly atMs: number;
  readonly action: () => void;
}

/**
 * Time for tests: timers run in the order in which they are due, each after all that the one before set off.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const clock = new VirtualClock();
 * let rang = -1;
 * clock.after(50, () => rang = clock.monotonic());
 * await clock.advance(49);
 * assert.equal(rang, -1);
 * await clock.advance(1);
 * assert.equal(rang, 50);
 * ```
 */
export class VirtualClock implements Clock {
  #startMs: number;
  #ms = 0;
  #timers: Timer[] = [];
  #soon: (() => void)[] = [];

  /** @param startMs what {@link now} says at first, in milliseconds since 1970 */
  constructor(startMs = Date.UTC(2025, 6, 1)) {
    this.#startMs = startMs;
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#startMs + this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  uptime(): number {
    return BOOT_MS + this.#ms;
  }

  after(ms: number, action: () => void): Cancel {
    const timer = { atMs: this.#ms + ms, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(action: () => void): void {
    this.#soon.push(action);
  }

  /** Runs everything that is ready now. */
  async settle(): Promise<void> {
    do {
      for (const action of this.#soon.splice(0)) action();
      // a turn of the event loop: every promise that can go on has gone on
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#soon.length > 0);
  }

  /** Lets `ms` milliseconds go by. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#ms + ms;
    await this.settle();
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= untilMs);
      if (due.length === 0) break;
      const next = due.reduce((first, timer) => timer.atMs < first.atMs ? timer : first);
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#ms = Math.max(this.#ms, next.atMs);
      next.action();
      await this.settle();
    }
    this.#ms = untilMs;
  }
}
