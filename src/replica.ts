/**
 * One replica: composes ledger, dispatcher, membership, peer link and projector, and answers what HTTP asks. It knows no
 * socket, no file and no clock of its own: those come in through ports, in production and in simulation alike.
 * @module
 */
import type { AckLevel } from "./api/service.ts";
import type { Clock, Random } from "./clock.ts";
import type { LedgerObserver } from "./ledger/ledger.ts";
import type { SegmentFiles } from "./ledger/log.ts";
import type { Lock } from "./membership/lock.ts";
import type { ReplicaId } from "./payment/fact.ts";
import type { Transport } from "./peer/transport.ts";
import type { ProcessorClient } from "./routing/processor_client.ts";
import type { RouteLimits } from "./routing/route.ts";
import type { Store } from "./store/store.ts";

/** What can be set of one replica; times in milliseconds. */
export interface ReplicaSettings extends RouteLimits {
  readonly self: ReplicaId;
  readonly ack: AckLevel;
  readonly dispatchPerSecond: number;
  /** payments that may be pending at both replicas together */
  readonly queueMax: number;
  /** after so long a call ends without a verdict */
  readonly requestTimeoutMs: number;
  /** so long after its end a call without a verdict can no longer be booked */
  readonly horizonMs: number;
  /** for so long after the log may have lost facts, an id that comes in may have been lost with them */
  readonly recallMs: number;
  /** how long stopping may take in all */
  readonly stopMs: number;
  /** between two writes of the store at least, unless somebody waits */
  readonly storeIntervalMs: number;
  /** segments that the log may have before POST is refused */
  readonly segmentsMax: number;
  /** records of a segment; left out, the log's own number */
  readonly segmentRecords?: number;
  /** see {@link SegmentLog}; left out, the log's own number */
  readonly rereads?: number;
}

/** Everything outside. */
export interface ReplicaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly client: ProcessorClient;
  readonly lock: Lock;
  readonly files: SegmentFiles;
  /** a number that tells this boot of the machine from others */
  readonly boot: number;
  /** a UUID that nobody used before */
  uuid(): string;
  /** the way to the peer; none for a replica on its own */
  readonly transport?: Transport;
  readonly store?: Store;
  /** told of every fact, after the replica's own parts */
  readonly observer?: LedgerObserver;
  log(level: "info" | "warning", message: string, fields?: Record<string, unknown>): void;
  /** An invariant is broken: the replica must not go on. */
  fail(error: unknown): void;
  /** What this replica needs of the log is gone, or the store knows more: the process ends, and is started again. */
  restart(why: string): void;
}
