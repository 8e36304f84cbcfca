/** Locks that end with their holder: the kernel drops them at death, not at a pause. @module */

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
