/** Locks that end with their holder: the kernel drops them at death, not at a pause. @module */

/** A lock that is held. */
export interface HeldLock {
  /** Whether it still is what the others would ask for: not where somebody has deleted or replaced its file. */
  readonly valid: boolean;
  /** Lets go. */
  release(): void;
}

/** Locks by name, as one process may ask for them. */
export interface Locks {
  /** @returns the lock, or undefined where somebody holds it, this process included, or has replaced its file */
  tryAcquire(name: string): HeldLock | undefined;
}
