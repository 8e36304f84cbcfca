/** Connections to the peers, as bytes: UNIX sockets in production, a hostile pipe in simulation. @module */
import type { ReplicaId } from "../payment/fact.ts";

/** One end of a connection. */
export interface Channel {
  /** Sends bytes after all sent before; never throws. */
  send(bytes: Uint8Array): void;
  /** Bytes that the other side has not taken yet. */
  readonly backlog: number;
  /** Ends the connection at both sides; harmless when it ended already. */
  close(): void;
}

/** The events of a channel. */
export interface ChannelListener {
  /** Bytes that the other side sent: valid until this returns. */
  received(bytes: Uint8Array): void;
  /** Called once, however the connection ended; not after {@link Channel.close}. */
  closed(): void;
}

/** How to reach the peers. Of two replicas one listens, the other dials. */
export interface Transport {
  /** Passes every incoming connection to `open`, which returns its listener. */
  listen(open: (channel: Channel) => ChannelListener): void;
  /** Tries once to connect to a peer. Calls `open` if that worked; resolves to whether it did. */
  dial(peer: ReplicaId, open: (channel: Channel) => ChannelListener): Promise<boolean>;
  /** Stops listening and dialling; channels stay. */
  close(): void;
}
