/** The machine's time that its host gives to others (steal), from /proc/stat. @module */

/** Times of all processors since the start, in ticks. */
export interface MachineTimes {
  readonly all: number;
  readonly stolen: number;
}

/**
 * Reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. What follows, guests, is in
 * user already.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(parseMachineTimes("cpu  10 0 5 80 1 0 1 3 9 0\ncpu0 …"), { all: 100, stolen: 3 });
 * ```
 */
export function parseMachineTimes(text: string): MachineTimes {
  const times = text.split("\n", 1)[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
  return { all: times.reduce((sum, time) => sum + time, 0), stolen: times[7] ?? 0 };
}

/** The share between its first and its last look. */
export class StealWatch {
  #first: MachineTimes | undefined;
  #last: MachineTimes | undefined;

  look(): void {
    this.#last = parseMachineTimes(Deno.readTextFileSync("/proc/stat"));
    this.#first ??= this.#last;
  }

  /** 0 to 1 */
  get share(): number {
    const { all, stolen } = this.#last!;
    const passed = all - this.#first!.all;
    return passed > 0 ? (stolen - this.#first!.stolen) / passed : 0;
  }
}
