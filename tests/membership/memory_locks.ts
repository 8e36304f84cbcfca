/** The file locks of a data folder in memory: dropped by the kernel at a process' death, not at a pause. @module */
import type { Locks } from "../../src/membership/lock.ts";

/** Every lock there is, and which process holds it. */
export class MemoryLocks<Process> {
  readonly #held = new Map<string, { readonly by: Process }>();

  /**
   * The locks as one process sees them.
   *
   * @param may asked before anything happens, and with `false` before something is only looked at: throws if it may not
   */
  of(process: Process, may: (acts: boolean) => void = () => {}): Locks {
    return {
      tryAcquire: (name) => {
        may(true);
        if (this.#held.has(name)) return undefined;
        const mine = { by: process };
        this.#held.set(name, mine);
        const holds = () => this.#held.get(name) === mine;
        return {
          get valid() {
            may(false);
            return holds();
          },
          release: () => {
            may(true);
            if (holds()) this.#held.delete(name);
          },
        };
      },
    };
  }

  holder(name: string): Process | undefined {
    return this.#held.get(name)?.by;
  }

  /** What the kernel does when a process is gone. */
  drop(process: Process): void {
    for (const [name, { by }] of this.#held) if (by === process) this.#held.delete(name);
  }

  /** Deletes the file of a lock: the next process gets another one. */
  delete(name: string): void {
    this.#held.delete(name);
  }
}
