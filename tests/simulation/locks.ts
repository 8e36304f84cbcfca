/** The file locks of the data folder: dropped by the kernel at death, not at a pause. @module */
import type { HeldLock, Lock } from "../../src/membership/lock.ts";
import type { Life } from "./life.ts";

interface File {
  holder: Life | undefined;
  note: string;
}

/** Every lock file there is. */
export class Locks {
  #files = new Map<string, File>();

  /** The locks as one process sees them. */
  of(life: Life): Lock {
    return { tryAcquire: (name) => this.#acquire(life, name) };
  }

  holder(name: string): Life | undefined {
    return this.#files.get(name)?.holder;
  }

  /** What the kernel does when a process is gone: its locks are free, its notes stay. */
  drop(life: Life): void {
    for (const file of this.#files.values()) if (file.holder === life) file.holder = undefined;
  }

  #acquire(life: Life, name: string): HeldLock | undefined {
    if (!life.acts()) return undefined;
    let file = this.#files.get(name);
    if (!file) this.#files.set(name, file = { holder: undefined, note: "" });
    if (file.holder) return undefined;
    file.holder = life;
    const held = file;
    return {
      left: file.note,
      write(note) {
        if (held.holder === life && life.acts()) held.note = note;
      },
      release() {
        if (held.holder !== life || !life.acts()) return;
        held.note = "";
        held.holder = undefined;
      },
    };
  }
}
