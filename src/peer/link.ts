/** What the replicas tell each other over the UNIX socket: nobody waits for it. @module */
import type { Processor } from "../payment/fact.ts";
import type { Checkpoint } from "../ledger/ledger.ts";
import type { Health } from "../routing/processor_client.ts";
import type { Status } from "../telemetry/metrics.ts";

/** How far a replica has read the log, and how far it knows the store to be. */
export interface Progress {
  /** the place up to which the log is folded: there is more than what the other has read, perhaps */
  readonly position: number;
  /** the place up to which the store is known to hold the log; 0 where that is not known */
  readonly stored: number;
}

/** What a replica hears of its peer. */
export interface LinkEvents {
  /** the peer is heard */
  linked(): void;
  /** it is not heard any more */
  lost(why: string): void;
  progress(progress: Progress): void;
  /**
   * What the peer had folded at a place, to be compared with what is folded here: the hash, and what the peer itself has
   * settled between the checkpoint before, which it told on this connection as well, and this one.
   */
  checkpoint(told: Told): void;
  health(processor: Processor, health: Health): void;
  status(status: Status): void;
}

/** The deltas of a replica's own totals between two checkpoints. */
export interface Told {
  /** the place of the checkpoint before; 0 where this is the first on the connection, and then the deltas are zero */
  readonly since: number;
  readonly position: number;
  readonly hash: number;
  /** default, fallback: count, cents; negative where a purge lies between */
  readonly deltas: readonly number[];
}

export type { Checkpoint };
