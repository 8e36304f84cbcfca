/** Locks that end with their holder: the kernel drops them at death, not at a pause. @module */

/** A lock that is held. */
export interface HeldLock {
  /** What the last holder that left without a word had written: empty after {@link release}. */
  readonly left: string;
  /** Writes what the next holder is to find if this one dies. */
  write(note: string): void;
  /** Lets go, leaving an empty note. */
  release(): void;
}

export interface Lock {
  /** @returns the lock, or undefined where another process holds it */
  tryAcquire(name: string): HeldLock | undefined;
}
