/** Locks as files in a folder that all replicas share: the kernel drops a lock at its holder's death, not at a pause. @module */
import type { HeldLock, Locks } from "./lock.ts";

/** `flock` on `${folder}/${name}.lock`. The files are never deleted: a process that opened a deleted one would hold a lock of its own. */
export class FileLocks implements Locks {
  /** Takes no lock yet; the folder exists. */
  constructor(private readonly folder: string) {}

  /** Takes a lock, if it is free. @throws if the folder is missing or the file may not be opened */
  tryAcquire(name: string): HeldLock | undefined {
    const path = `${this.folder}/${name}.lock`;
    const file = Deno.openSync(path, { create: true, read: true, write: true, mode: 0o600 });
    const held: HeldLock = {
      get valid() {
        try {
          const [there, own] = [Deno.statSync(path), file.statSync()];
          return there.ino === own.ino && there.dev === own.dev;
        } catch {
          return false;
        }
      },
      release: () => file.close(),
    };
    let isOurs = false;
    try {
      // every open file has its own lock, so this process cannot hold it twice either
      isOurs = file.tryLockSync(true) && held.valid;
    } finally {
      if (!isOurs) file.close();
    }
    return isOurs ? held : undefined;
  }
}
