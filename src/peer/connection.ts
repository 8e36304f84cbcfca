/** One connection to the peer: the hello that begins it, pings, and its end where the peer is silent or talks nonsense. @module */
import type { Cancel, Clock } from "../clock.ts";
import { peerOf, type ReplicaId } from "../payment/fact.ts";
import { Decoder, encode, type Frame, FrameError } from "./frame.ts";
import type { Channel, ChannelListener } from "./transport.ts";

/** A peer that says nothing for so long is taken for lost, in milliseconds. */
export const SILENT_MS = 800;
/** Something is said at least this often, in milliseconds. */
export const PING_MS = 200;
/** Bytes that the peer may leave unread before the connection is given up. */
export const BACKLOG_BYTES_MAX = 4 << 20;

/** Bytes that went over all connections so far. */
export interface Traffic {
  bytesSent: number;
  bytesReceived: number;
}

/** What a connection needs of its replica. */
export interface ConnectionParts {
  readonly self: ReplicaId;
  /** a UUID of this life of the process */
  readonly incarnation: string;
  readonly clock: Clock;
  readonly traffic: Traffic;
}

/** What a connection reports. */
export interface ConnectionEvents {
  /** the peer's hello is in */
  greeted(): void;
  frame(frame: Exclude<Frame, { type: "hello" | "ping" }>): void;
  /** called once, whoever ended it */
  ended(why: string): void;
}

export class Connection implements ChannelListener {
  readonly #channel: Channel;
  readonly #parts: ConnectionParts;
  readonly #events: ConnectionEvents;
  readonly #decoder = new Decoder();
  #incarnation: string | undefined;
  #heardMs: number;
  #pinging: Cancel | undefined;
  #ended = false;

  constructor(channel: Channel, parts: ConnectionParts, events: ConnectionEvents) {
    this.#channel = channel;
    this.#parts = parts;
    this.#events = events;
    this.#heardMs = parts.clock.monotonic();
    this.send({ type: "hello", replica: parts.self, incarnation: parts.incarnation });
    this.#ping();
  }

  /** Which life of the peer this is; undefined until its hello is in. */
  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  /** When the peer was last heard, on the monotonic clock, in milliseconds. */
  get heardMs(): number {
    return this.#heardMs;
  }

  send(frame: Frame): void {
    if (this.#ended) return;
    const bytes = encode(frame);
    this.#parts.traffic.bytesSent += bytes.length;
    this.#channel.send(bytes);
    if (this.#channel.backlog > BACKLOG_BYTES_MAX) this.end("the peer does not read what it is sent");
  }

  /** Ends the connection from this side; harmless when it has ended. */
  end(why: string): void {
    this.#channel.close();
    this.#end(why);
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#parts.traffic.bytesReceived += bytes.length;
    let frames: readonly Frame[];
    try {
      frames = this.#decoder.push(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.end(error.message);
    }
    for (const frame of frames) {
      if (this.#ended) return;
      this.#heardMs = this.#parts.clock.monotonic();
      this.#take(frame);
    }
  }

  closed(): void {
    this.#end("the peer closed the connection");
  }

  #take(frame: Frame): void {
    if (frame.type === "hello") return this.#greet(frame);
    if (this.#incarnation === undefined) return this.end(`expected a hello first, got ${frame.type}`);
    if (frame.type !== "ping") this.#events.frame(frame);
  }

  #greet({ replica, incarnation }: Frame & { type: "hello" }): void {
    const peer = peerOf(this.#parts.self);
    if (replica !== peer) return this.end(`expected replica ${peer}, got ${replica}`);
    if (this.#incarnation !== undefined) return this.end("a second hello");
    this.#incarnation = incarnation;
    this.#events.greeted();
  }

  #ping(): void {
    this.#pinging = this.#parts.clock.after(PING_MS, () => {
      const silentMs = this.#parts.clock.monotonic() - this.#heardMs;
      if (silentMs > SILENT_MS) return this.end(`the peer is silent for ${Math.round(silentMs)} ms`);
      this.send({ type: "ping" });
      this.#ping();
    });
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pinging?.();
    this.#events.ended(why);
  }
}
