/** The time line of one run. @module */

export class Schedule {
  /** epoch milliseconds */
  readonly startedAt = Date.now();
  readonly #start = performance.now();
  readonly #ended = new AbortController();

  /** milliseconds since the run began */
  get elapsedMs(): number {
    return performance.now() - this.#start;
  }

  get ended(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Ends every wait, now and later. */
  end(): void {
    this.#ended.abort();
  }

  /**
   * Waits until so long after the start.
   *
   * @returns false where the run ended before
   */
  until(ms: number): Promise<boolean> {
    const { signal } = this.#ended;
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve(!signal.aborted);
      };
      const timer = setTimeout(done, Math.max(0, ms - this.elapsedMs));
      signal.addEventListener("abort", done);
    });
  }
}
