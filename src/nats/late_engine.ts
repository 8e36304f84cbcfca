/** NATS as a replica needs it: the log, links to other hosts, and whose turn it is, from one connection. @module */
import type { KV } from "@nats-io/kv";
import type { Clock } from "../clock.ts";
import type { NatsServers } from "../config.ts";
import { errorLine, StartError } from "../errors.ts";
import type { Stream, Streams } from "../ledger/stream.ts";
import type { Processor, ReplicaId } from "../payment/fact.ts";
import type { Channel, ChannelListener, Transport } from "../peer/transport.ts";
import { ANSWER_MS, Nats, NatsError } from "./connection.ts";
import { HealthClaims } from "./health.ts";
import { JetStreams, keysOf } from "./streams.ts";
import { NatsTransport } from "./transport.ts";

/** The key that has the names of all replicas, in the order of their codes. */
const NAMES_KEY = "replicas";

/** What an engine is for. */
export interface EngineOptions {
  readonly servers: NatsServers;
  readonly self: ReplicaId;
  /** of all replicas */
  readonly names: readonly ReplicaId[];
  /** how large the log may become */
  readonly bytesMax: number;
  /** the least time between two questions of any replicas to one processor, in milliseconds */
  readonly healthMs: number;
  readonly clock: Clock;
  /** an invariant is broken */
  readonly fail: (error: unknown) => void;
}

/** What there is once a server has answered. */
interface Parts {
  readonly nats: Nats;
  readonly streams: JetStreams;
  readonly claims: HealthClaims;
  readonly transport: NatsTransport;
}

/** Connects when it is first asked for streams, and then stays connected; until then it has no links and no turns. */
export class NatsEngine implements Streams, Transport {
  #parts: Parts | undefined;
  #connecting: Promise<Parts> | undefined;

  constructor(private readonly options: EngineOptions) {}

  /** Tries to connect. @throws StartError if that needs somebody's help; where no server answers, a later try may work */
  async check(): Promise<void> {
    try {
      await this.#connected();
    } catch (error) {
      if (!(error instanceof NatsError)) throw error;
      if (error.kind === "refused") throw new StartError(`LOG: ${error.message}`);
    }
  }

  async current(): Promise<Stream | undefined> {
    return await (await this.#connected()).streams.current();
  }

  async begin(first: number, instead: string | undefined): Promise<Stream> {
    return await (await this.#connected()).streams.begin(first, instead);
  }

  /** Whether it is this replica's turn to ask a processor how it is. Never rejects. */
  async claimHealth(processor: Processor): Promise<boolean> {
    return await this.#parts?.claims.claim(processor) ?? false;
  }

  listen(open: (channel: Channel) => ChannelListener): void {
    this.#parts?.transport.listen(open);
  }

  async dial(peer: ReplicaId, open: (channel: Channel) => ChannelListener): Promise<boolean> {
    return await this.#parts?.transport.dial(peer, open) ?? false;
  }

  /** Ends the links. */
  close(): void {
    this.#parts?.transport.close();
  }

  /** Leaves the servers. */
  async leave(): Promise<void> {
    await this.#parts?.nats.close();
  }

  #connected(): Promise<Parts> {
    return this.#connecting ??= this.#connect().catch((error) => {
      this.#connecting = undefined;
      throw error;
    });
  }

  async #connect(): Promise<Parts> {
    const { servers, self, names, bytesMax, healthMs, clock, fail } = this.options;
    const nats = await Nats.connect(servers, `galo ${self}`, fail);
    try {
      const keys = await keysOf(nats);
      await keepNames(keys, names);
      const streams = new JetStreams(nats, keys, bytesMax);
      const claims = new HealthClaims(keys, clock, healthMs);
      return this.#parts = { nats, streams, claims, transport: new NatsTransport(nats, self) };
    } catch (error) {
      await nats.close();
      throw error;
    }
  }
}

/** Remembers whose codes the log has. @throws NatsError `refused` if they are those of other replicas */
async function keepNames(keys: KV, names: readonly ReplicaId[]): Promise<void> {
  try {
    const entry = await keys.get(NAMES_KEY);
    const known = entry?.string().split(",") ?? [];
    if (names.some((name, code) => name !== (known[code] ?? name))) {
      const rule = "names are only added or removed at the end";
      throw new NatsError("refused", `the log of these servers is of REPLICAS=${known}: ${rule}`);
    }
    if (names.length <= known.length) return;
    await keys.put(NAMES_KEY, `${names}`, { previousSeq: entry?.revision ?? 0, timeout: ANSWER_MS });
  } catch (error) {
    if (error instanceof NatsError) throw error;
    // another replica may have been first: the next try reads what it wrote
    throw new NatsError("unavailable", `NATS does not keep the names of the replicas: ${errorLine(error)}`);
  }
}
