/** What a stand-in processor lets through: CONTRACT.md, concurrency limiter and health window. @module */

/** Requests that run at once, and requests that wait for one of those to end; all others are answered 429. */
export const RUNNING_MAX = 800, QUEUED_MAX = 500;
/** The window in which one health call is answered, in milliseconds, and how many calls wait for the next windows. */
const HEALTH_WINDOW_MS = 5_000;
const HEALTH_QUEUED_MAX = 2;

/** Lets 800 run and 500 wait. */
export class ConcurrencyLimiter {
  #running = 0;
  #waiting: (() => void)[] = [];

  /** A place for a request, as soon as one is free; undefined if even the queue is full. */
  enter(): Promise<void> | undefined {
    if (this.#running < RUNNING_MAX) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting.length >= QUEUED_MAX) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives a place back, to the request that has waited longest. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
  }
}

/** One call in five seconds; two more wait for the windows after it. */
export class HealthWindow {
  #nextMs = -Infinity;

  /** A call comes. @returns in how many milliseconds it is answered, or, negative, in how many it may be tried again */
  enter(nowMs: number): number {
    const startMs = Math.max(nowMs, this.#nextMs);
    const waitMs = startMs - nowMs;
    if (waitMs > HEALTH_QUEUED_MAX * HEALTH_WINDOW_MS) return -(waitMs - HEALTH_QUEUED_MAX * HEALTH_WINDOW_MS);
    this.#nextMs = startMs + HEALTH_WINDOW_MS;
    return waitMs;
  }
}
