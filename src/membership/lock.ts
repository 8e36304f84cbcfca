/** Locks that end with their holder: the kernel drops them at death, not at a pause. @module */
import { isOutOfFiles } from "../errors.ts";

/** A lock that is held. */
export interface HeldLock {
  /** Whether it is still the lock that others would ask for: not if its file was deleted or replaced. */
  readonly valid: boolean;
  /** Releases it. */
  release(): void;
}

/** Locks by name, for one process. */
export interface Locks {
  /** Takes a lock. @returns undefined if a process holds it, this one included, or its file was replaced */
  tryAcquire(name: string): HeldLock | undefined;
}

/** As {@link Locks.tryAcquire}, for a process that asks again soon: while it has no file descriptor left, no lock is free. */
export function acquireIfPossible(locks: Locks, name: string): HeldLock | undefined {
  try {
    return locks.tryAcquire(name);
  } catch (error) {
    if (isOutOfFiles(error)) return undefined;
    throw error;
  }
}
