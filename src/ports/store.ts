/** What outlives both replicas. @module */
import type { Fact, ReplicaId } from "../payment/fact.ts";

/** How the previous life of the cluster ended, and its epoch. */
export interface Opened {
  readonly epoch: number;
  /**
   * `empty`: nothing was ever stored; `clean`: every replica had stopped in good order; `crashed`: at least one replica
   * did not say goodbye, so the newest facts may be missing.
   */
  readonly state: "empty" | "clean" | "crashed";
}

/** Every method may reject with a {@link StoreError}; nothing is lost by calling it again. */
export interface Store {
  /**
   * Connects, migrates (once, whoever comes first), reads how the last life ended and marks this replica as running.
   * Repeatable: after the first success it tells the same again.
   */
  open(replica: ReplicaId): Promise<Opened>;
  /**
   * Hands every fact of the newest epoch to `visit`, in pages, oldest `requestedAt` first within settled ones.
   */
  load(visit: (facts: readonly Fact[]) => void): Promise<void>;
  /**
   * Stores facts of an epoch in one statement: of two facts about a payment the greater stays, a newer epoch's above
   * all. Resolved after the commit.
   *
   * @returns the epoch that the store is in: where that is a later one, none of the facts is stored
   */
  write(epoch: number, facts: readonly Fact[]): Promise<number>;
  /** Begins an epoch: facts of older ones are deleted. */
  purge(epoch: number): Promise<void>;
  /** Everything this replica knows is stored: marks it as stopped in good order, and disconnects. */
  close(clean: boolean): Promise<void>;
}

/** Why the store did not do what it was asked. */
export class StoreError extends Error {
  /**
   * @param kind `unavailable`: trying again may help; `refused`: somebody has to act first (a wrong password, a disk
   * that is full, a read-only database, a schema from a newer version)
   * @param message one clear line, without secrets
   */
  constructor(readonly kind: "unavailable" | "refused", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreError";
  }
}
