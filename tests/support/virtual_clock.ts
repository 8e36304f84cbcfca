/** A clock that stands still until it is advanced: time for every test and for the simulation. @module */
import { setImmediate } from "node:timers";
import type { Cancel, Clock } from "../../src/clock.ts";

/** A planned action, unless it is cancelled. */
interface Timer {
  readonly atMs: number;
  /** of actions at one time, the one that was set first runs first */
  readonly order: number;
  action: (() => void) | undefined;
}

/**
 * Virtual time: due actions run one after the other, and after each all that it started.
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
  /** what the wall clock was set by, in milliseconds */
  skewMs = 0;
  /** when the machine was started, in milliseconds of {@link monotonic}; in the future while it is down */
  bootedMs = -1_000_000;
  /** timers that are set */
  timers = 0;
  #ms = 0;
  #order = 0;
  #soon: (() => void)[] = [];
  readonly #heap: Timer[] = [];

  /**
   * @param startMs what {@link now} says at first, in milliseconds since 1970
   * @param hops turns of the microtask queue after each action, the same every time; without it a turn of the event loop,
   * in which every promise that can continue has continued
   */
  constructor(private readonly startMs = Date.UTC(2025, 6, 1), private readonly hops?: number) {}

  now(): number {
    return this.startMs + Math.floor(this.#ms) + this.skewMs;
  }

  monotonic(): number {
    return this.#ms;
  }

  uptime(): number {
    return this.#ms - this.bootedMs;
  }

  after(ms: number, action: () => void): Cancel {
    const timer: Timer = { atMs: this.#ms + Math.max(0, ms), order: this.#order++, action };
    this.#push(timer);
    this.timers++;
    return () => {
      if (timer.action) this.timers--;
      timer.action = undefined;
    };
  }

  soon(action: () => void): void {
    this.#soon.push(action);
  }

  /** Runs everything that is ready now. */
  async settle(): Promise<void> {
    do {
      for (const action of this.#soon.splice(0)) action();
      if (this.hops === undefined) await new Promise((resolve) => setImmediate(resolve));
      else for (let hop = 0; hop < this.hops; hop++) await null;
    } while (this.#soon.length > 0);
  }

  /** Lets `ms` milliseconds go by. */
  advance(ms: number): Promise<void> {
    return this.pass(this.#ms + ms);
  }

  /** Lets time pass until {@link monotonic} is `untilMs`, or `done` says so. */
  async pass(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await this.settle();
    while (!done()) {
      const next = this.#heap[0];
      if (!next || next.atMs > untilMs) break;
      this.#pop();
      const { action } = next;
      if (!action) continue;
      next.action = undefined;
      this.timers--;
      this.#ms = next.atMs;
      action();
      await this.settle();
    }
    if (!done()) this.#ms = Math.max(this.#ms, untilMs);
  }

  /** Lets time pass by itself, a millisecond in each turn of the event loop, until that is disposed of. */
  running(): AsyncDisposable {
    let ends = false;
    const run = async () => {
      while (!ends) {
        await this.advance(1);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const ran = run();
    return {
      async [Symbol.asyncDispose]() {
        ends = true;
        await ran;
      },
    };
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = at - 1 >>> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const timer = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, timer)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = timer;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || a.atMs === b.atMs && a.order < b.order;
}
