/** All that a replica of several hosts needs of NATS: the one file of this folder that others import, and only when LOG names servers. @module */
import type { Clock } from "../clock.ts";
import type { NatsServers } from "../config.ts";
import type { Streams } from "../ledger/stream.ts";
import type { Processor, ReplicaId } from "../payment/fact.ts";
import type { Transport } from "../peer/transport.ts";
import { Nats, NatsError } from "./connection.ts";
import { HealthClaims } from "./health.ts";
import { JetStreams, keysOf } from "./streams.ts";
import { NatsTransport } from "./transport.ts";

/** The pause before servers that cannot be used are tried again, in milliseconds. */
const AGAIN_MS = 500;

/** What a replica says of itself, and how it uses the servers. */
interface EngineOptions {
  readonly self: ReplicaId;
  readonly clock: Clock;
  /** how large the log may become, in bytes */
  readonly bytesMax: number;
  /** the least time between two polls of a processor by any replicas, in milliseconds */
  readonly pollMs: number;
  /** no server can be used now, but may be later: called with why, in one line, whenever that is another reason */
  waits(why: string): void;
  /** called with what a listener threw: a broken invariant */
  fail(error: unknown): void;
}

/** The servers, as a replica uses them. */
export interface Engine {
  readonly streams: Streams;
  readonly transport: Transport;
  /** Whether this replica may ask the processor how it is. Never rejects. */
  claimHealth(processor: Processor): Promise<boolean>;
  close(): Promise<void>;
}

/** @throws NatsError one line: somebody has to act first */
export async function connectEngine(servers: NatsServers, options: EngineOptions): Promise<Engine> {
  const { self, clock, bytesMax, pollMs } = options;
  const nats = await connected(servers, options);
  const keys = keysOf(nats);
  const claims = new HealthClaims(keys, clock, pollMs);
  return {
    streams: new JetStreams(nats, keys, bytesMax),
    transport: new NatsTransport(nats, self),
    claimHealth: (processor) => claims.claim(processor),
    close: () => nats.close(),
  };
}

async function connected(servers: NatsServers, { self, clock, fail, waits }: EngineOptions): Promise<Nats> {
  for (let why = "";;) {
    try {
      return await Nats.connect(servers, `galo ${self}`, fail);
    } catch (error) {
      if (!(error instanceof NatsError) || error.kind === "refused") throw error;
      if (error.message !== why) waits(why = error.message);
    }
    await new Promise<void>((resolve) => void clock.after(AGAIN_MS, resolve));
  }
}
