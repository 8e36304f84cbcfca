/** Links between replicas of several hosts, over messages of NATS that nothing stores. @module */
import { createInbox, Empty, type Msg, type Subscription } from "@nats-io/transport-node";
import type { ReplicaId } from "../payment/fact.ts";
import type { Channel, ChannelListener, Transport } from "../peer/transport.ts";
import type { Nats } from "./connection.ts";

/** How long a peer may take to answer, in milliseconds. */
const DIAL_MS = 1_000;

/**
 * A {@link Transport}: who dials sends the subject of an inbox to the subject of who listens, which answers with its own.
 * A message is the bytes of one `send`; an empty one says that the channel is closed. Channels end with the connection to
 * the server, since messages are lost then.
 */
export class NatsTransport implements Transport {
  #listener: Subscription | undefined;
  #closed = false;

  /** Neither listens nor dials yet. @param self the name of this replica */
  constructor(private readonly nats: Nats, private readonly self: ReplicaId) {}

  listen(open: (channel: Channel) => ChannelListener): void {
    this.#listener = this.nats.connection.subscribe(subjectOf(this.self), {
      callback: (error, message) => {
        if (error) return;
        const channel = new NatsChannel(this.nats, message.string());
        // before the first bytes
        message.respond(channel.inbox);
        channel.begin(open);
      },
    });
  }

  async dial(peer: ReplicaId, open: (channel: Channel) => ChannelListener): Promise<boolean> {
    if (!this.nats.connected) return false;
    const channel = new NatsChannel(this.nats);
    let answer: Msg;
    try {
      answer = await this.nats.connection.request(subjectOf(peer), channel.inbox, { timeout: DIAL_MS });
    } catch {
      channel.close();
      return false;
    }
    channel.peer = answer.string();
    if (this.#closed) channel.close();
    else channel.begin(open);
    return true;
  }

  close(): void {
    this.#closed = true;
    if (!this.nats.connection.isClosed()) this.#listener?.unsubscribe();
  }
}

/** Where a replica listens. */
function subjectOf(replica: ReplicaId): string {
  return `galo.link.${replica}`;
}

class NatsChannel implements Channel {
  readonly inbox = createInbox();
  /** nothing is known of what the peer has taken: a server ends the connection of one that is too slow */
  readonly backlog = 0;
  readonly #subscription: Subscription;
  readonly #forget: () => void;
  /** what came before the channel has a listener */
  #early: Msg[] = [];
  #listener: ChannelListener | undefined;
  #closed = false;

  /** @param peer the peer's inbox, as soon as it is known */
  constructor(private readonly nats: Nats, public peer = "") {
    this.#forget = nats.onLeft(() => this.#end());
    const callback = (error: Error | null, message: Msg) => {
      if (error) return;
      if (this.#listener) this.#take(message);
      else this.#early.push(message);
    };
    this.#subscription = nats.connection.subscribe(this.inbox, { callback });
  }

  /** Gives the channel its listener. */
  begin(open: (channel: Channel) => ChannelListener): void {
    this.nats.handOn(() => this.#listener = open(this));
    for (const message of this.#early.splice(0)) this.#take(message);
  }

  send(bytes: Uint8Array): void {
    if (!this.#closed) this.nats.connection.publish(this.peer, bytes);
  }

  close(): void {
    if (this.#closed) return;
    if (this.peer && this.nats.connected) this.nats.connection.publish(this.peer, Empty);
    this.#leave();
  }

  #take(message: Msg): void {
    if (message.data.length === 0) this.#end();
    else if (!this.#closed) this.nats.handOn(() => this.#listener!.received(message.data));
  }

  #end(): void {
    if (this.#closed) return;
    this.#leave();
    this.nats.handOn(() => this.#listener?.closed());
  }

  #leave(): void {
    this.#closed = true;
    this.#forget();
    if (!this.nats.connection.isClosed()) this.#subscription.unsubscribe();
  }
}
