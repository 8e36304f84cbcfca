/** The engine of a replica that may start before any server answers. @module */
import type { NatsServers } from "../config.ts";
import { StartError } from "../errors.ts";
import type { Stream, Streams } from "../ledger/stream.ts";
import type { Processor, ReplicaId } from "../payment/fact.ts";
import type { Channel, ChannelListener, Transport } from "../peer/transport.ts";
import { NatsError } from "./connection.ts";
import { connectEngine, type Engine, type EngineOptions } from "./engine.ts";

/** Connects when it is first asked for streams, and stays connected; until then it has no links and claims no polls. */
export class LateEngine implements Streams, Transport {
  #engine: Engine | undefined;
  #connecting: Promise<Engine> | undefined;

  /** Connects to no server yet. */
  constructor(private readonly servers: NatsServers, private readonly options: EngineOptions) {}

  /** Tries to connect. @throws StartError if that needs somebody's help; where no server answers, a later try may work */
  async check(): Promise<void> {
    try {
      await this.#connected();
    } catch (error) {
      if (!(error instanceof NatsError)) throw error;
      if (error.kind === "refused") throw new StartError(`LOG: ${error.message}`);
    }
  }

  /** As {@link Streams} says. @throws NatsError */
  async current(): Promise<Stream | undefined> {
    return await (await this.#connected()).streams.current();
  }

  /** As {@link Streams} says. @throws NatsError */
  async begin(first: number, instead: string | undefined): Promise<Stream> {
    return await (await this.#connected()).streams.begin(first, instead);
  }

  /** Whether it is this replica's turn to ask a processor how it is. Never rejects. */
  async claimHealth(processor: Processor): Promise<boolean> {
    return await this.#engine?.claimHealth(processor) ?? false;
  }

  /** As {@link Transport} says. */
  listen(open: (channel: Channel) => ChannelListener): void {
    this.#engine?.transport.listen(open);
  }

  /** As {@link Transport} says. */
  async dial(peer: ReplicaId, open: (channel: Channel) => ChannelListener): Promise<boolean> {
    return await this.#engine?.transport.dial(peer, open) ?? false;
  }

  /** Ends listening and dialling. */
  close(): void {
    this.#engine?.transport.close();
  }

  /** Leaves the servers. */
  async leave(): Promise<void> {
    await this.#engine?.close();
  }

  #connected(): Promise<Engine> {
    return this.#connecting ??= connectEngine(this.servers, this.options).then((engine) => this.#engine = engine)
      .catch((error) => {
        this.#connecting = undefined;
        throw error;
      });
  }
}
