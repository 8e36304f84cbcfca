/** The file locks of the data folder: dropped by the kernel at death, not at a pause. @module */
import type { HeldLock, Locks } from "../../src/membership/lock.ts";
import { KILLED, type Life } from "./life.ts";

/** Every lock there is. */
export class SharedLocks {
  #holders = new Map<string, Life>();

  /** The locks as one process sees them. */
  of(life: Life): Locks {
    return { tryAcquire: (name) => this.#acquire(life, name) };
  }

  holder(name: string): Life | undefined {
    return this.#holders.get(name);
  }

  /** What the kernel does when a process is gone. */
  drop(life: Life): void {
    for (const [name, holder] of this.#holders) if (holder === life) this.#holders.delete(name);
  }

  #acquire(life: Life, name: string): HeldLock | undefined {
    life.act();
    if (this.#holders.has(name)) return undefined;
    this.#holders.set(name, life);
    const holds = () => this.#holders.get(name) === life;
    return {
      get valid() {
        if (!life.alive) throw KILLED;
        return holds();
      },
      release: () => {
        life.act();
        if (holds()) this.#holders.delete(name);
      },
    };
  }
}
