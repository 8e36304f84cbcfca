/** What moves facts to the other replica. @module */
import type { Fact } from "../payment/fact.ts";

export interface Replication {
  /** Whether the peer is being heard and has everything up to date. */
  readonly linked: boolean;
  /**
   * Sends a fact that this replica has just folded.
   *
   * @returns resolved once the peer holds it and all before it (true), or the link to the peer is gone (false).
   * Facts of one turn share one frame, one acknowledgement and one promise.
   */
  publish(fact: Fact): Promise<boolean>;
  /** As {@link publish}, for what has been published so far. */
  held(): Promise<boolean>;
  /** One round trip: all that the peer knew when asked is folded here; false where it did not answer within `timeoutMs`. */
  exchange(timeoutMs: number): Promise<boolean>;
  /** Tells the peer of a new epoch; as {@link publish}. */
  publishEpoch(): Promise<boolean>;
}
