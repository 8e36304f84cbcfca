/** What a dispatcher is made of. @module */
import type { Book } from "../payment/book.ts";
import type { Fact, ReplicaId } from "../payment/fact.ts";
import type { Clock, Random } from "../clock.ts";
import type { ProcessorClient } from "./processor_client.ts";
import type { RouteLimits } from "./route.ts";

/** Which payments this replica may act on now. */
export interface Tenure {
  /** whether anything may be sent at all */
  readonly mayAct: boolean;
  /** Whether payments of this owner are this replica's to dispatch. */
  owns(owner: ReplicaId): boolean;
}

/** Where the parts of a dispatcher come from. */
export interface DispatcherParts {
  readonly self: ReplicaId;
  readonly book: Book;
  readonly clock: Clock;
  readonly random: Random;
  readonly client: ProcessorClient;
  readonly tenure: Tenure;
  readonly limits: RouteLimits & { readonly dispatchPerSecond: number; readonly requestTimeoutMs: number };
  /** Folds a fact and passes it on; resolved true once it is safe to act on it, false where that cannot be now. */
  record(fact: Fact): Promise<boolean>;
}
