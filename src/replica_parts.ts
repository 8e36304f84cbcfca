/** What a replica is made of: its settings, and everything outside. @module */
import type { RouteLimits } from "./routing/route.ts";
import type { Transport } from "./peer/transport.ts";
import type { ReplicaId } from "./payment/fact.ts";
import type { Clock, Random } from "./clock.ts";
import type { Lock } from "./membership/lock.ts";
import type { AckLevel } from "./api/service.ts";
import type { ProcessorClient } from "./routing/processor_client.ts";
import type { Store } from "./store/store.ts";
import type { StoreWriterLimits } from "./store/writer_parts.ts";
import type { Timings } from "./telemetry/timings.ts";
import type { Witness } from "./ports/witness.ts";

/** What can be set of one replica; times in milliseconds. */
export interface ReplicaSettings extends RouteLimits, StoreWriterLimits {
  readonly self: ReplicaId;
  /** what a 202 says at least; `peer` needs a transport, `store` a store, otherwise the next best is promised */
  readonly ack: AckLevel;
  readonly dispatchPerSecond: number;
  /** payments that may be pending at both replicas together */
  readonly queueMax: number;
  /** after so long a call can no longer be booked: what a lost call's payment waits for */
  readonly requestTimeoutMs: number;
  /** how long after a crash of everything an id that comes again may have been acknowledged and lost */
  readonly recallMs: number;
  /** how long in-flight calls may take to finish when the replica stops */
  readonly drainMs: number;
}

/** Everything outside. */
export interface ReplicaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly client: ProcessorClient;
  readonly lock: Lock;
  /** the way to the peer; none for a replica on its own */
  readonly transport?: Transport;
  readonly store?: Store;
  /** told what is done and how long it takes; left out, nothing is measured */
  readonly timings?: Timings;
  readonly witness?: Witness;
  /** a UUID of this life of the replica */
  readonly incarnation: string;
  log(level: "info" | "warning", message: string, fields?: Record<string, unknown>): void;
  /** An invariant is broken: the replica must not go on. */
  fail(error: unknown): void;
}
