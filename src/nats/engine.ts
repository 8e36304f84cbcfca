/** All that a replica of several hosts needs of NATS, over one connection. @module */
import type { Clock } from "../clock.ts";
import type { NatsServers } from "../config.ts";
import type { Streams } from "../ledger/stream.ts";
import type { Processor, ReplicaId } from "../payment/fact.ts";
import type { Transport } from "../peer/transport.ts";
import { Nats } from "./connection.ts";
import { HealthClaims } from "./health.ts";
import { keepNames } from "./names.ts";
import { JetStreams, keysOf } from "./streams.ts";
import { NatsTransport } from "./transport.ts";

/** What a replica says of itself, and how it uses the servers. */
export interface EngineOptions {
  /** its own name */
  readonly self: ReplicaId;
  /** of all replicas */
  readonly names: readonly ReplicaId[];
  /** times the claims of health polls */
  readonly clock: Clock;
  /** how large the log may become, in bytes */
  readonly bytesMax: number;
  /** the least time between two polls of a processor by any replicas, in milliseconds */
  readonly pollMs: number;
  /** called with what a listener threw: a broken invariant */
  fail(error: unknown): void;
}

/** What a replica uses the servers for. */
export interface Engine {
  /** one of them is the log */
  readonly streams: Streams;
  /** the way to the other hosts */
  readonly transport: Transport;
  /** Whether this replica may ask the processor how it is. Never rejects. */
  claimHealth(processor: Processor): Promise<boolean>;
  /** Leaves the servers. */
  close(): Promise<void>;
}

/** Connects, if a server answers. @throws NatsError `unavailable` if trying again may help, else `refused` */
export async function connectEngine(servers: NatsServers, options: EngineOptions): Promise<Engine> {
  const { self, names, clock, bytesMax, pollMs, fail } = options;
  const nats = await Nats.connect(servers, `galo ${self}`, fail);
  try {
    const keys = keysOf(nats);
    await keepNames(await keys(), names);
    const claims = new HealthClaims(keys, clock, pollMs);
    return {
      streams: new JetStreams(nats, keys, bytesMax),
      transport: new NatsTransport(nats, self),
      claimHealth: (processor) => claims.claim(processor),
      close: () => nats.close(),
    };
  } catch (error) {
    await nats.close();
    throw error;
  }
}
