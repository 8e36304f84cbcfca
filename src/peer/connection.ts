/**
 * One connection to the peer: its first frame, what is sent over it, and its end if the peer is silent or sends nonsense.
 * @module
 */
import type { Cancel, Clock, Random } from "../clock.ts";
import type { Checkpoint } from "../ledger/ledger.ts";
import type { ReplicaId } from "../payment/fact.ts";
import type { Roster } from "../payment/roster.ts";
import { Decoder, encode, type Frame, FRAME_VERSION, FrameError, type Progress } from "./frame.ts";
import type { Channel, ChannelListener, Transport } from "./transport.ts";

/** A peer that is silent for this long counts as lost, in milliseconds. */
export const SILENT_MS = 1_500;
/** After this long without a frame a replica sends a ping, in milliseconds: it sends its status every second. */
export const PING_MS = 1_100;
/** The least time between two progress frames, in milliseconds. */
export const TELL_MS = 200;
/** Bytes that the peer may leave unread before the connection ends. */
export const BACKLOG_BYTES_MAX = 4 << 20;

/** What a link and its connections need of their replica. */
export interface LinkParts {
  /** this replica */
  readonly self: ReplicaId;
  /** all replicas */
  readonly roster: Roster;
  /** the time */
  readonly clock: Clock;
  /** for jitter */
  readonly random: Random;
  /** the way to the peer */
  readonly transport: Transport;
  /** How far this replica is now. */
  progress(): Progress;
  /** this replica's, oldest first */
  checkpoints(): readonly Checkpoint[];
}

/** The events of a connection. */
interface ConnectionEvents {
  /** the peer's hello has come, and says who it is */
  greeted(replica: ReplicaId): void;
  heard(frame: Frame): void;
  /** called once, whichever side ended it */
  ended(why: string): void;
}

/** A connection to the peer, from its first frame to its end. */
export class Connection implements ChannelListener {
  /** when the peer was last heard, on the monotonic clock, in milliseconds */
  heardMs: number;
  /** how far the peer has read the log, as it said on this connection */
  peerPosition = 0;
  readonly #decoder = new Decoder();
  #greeted = false;
  #ended = false;
  #pinging: Cancel | undefined;
  #telling: Cancel | undefined;
  #told: Progress = { position: 0, stored: 0 };
  #toldMs = -Infinity;
  #sentMs = -Infinity;
  /** the position of the checkpoint that was sent last */
  #toldCheckpointPosition = 0;
  /** a position that was sent to the peer, and that it has not reported as read yet, and since when */
  #unread: { readonly position: number; readonly sinceMs: number } | undefined;

  /** Sends the hello. */
  constructor(
    private readonly channel: Channel,
    private readonly parts: LinkParts,
    /** bytes that went over all connections so far */
    private readonly traffic: { bytesSent: number; bytesReceived: number },
    private readonly events: ConnectionEvents,
  ) {
    this.heardMs = parts.clock.monotonic();
    this.send({ type: "hello", version: FRAME_VERSION, replica: parts.self });
    this.#ping();
  }

  /** For how long the peer has not read all that it was sent, in milliseconds; 0 if it has. */
  get lagMs(): number {
    return this.#unread ? this.parts.clock.monotonic() - this.#unread.sinceMs : 0;
  }

  /** Sends frames, unless the connection has ended; ends it if the peer has too much unread. */
  send(...frames: readonly Frame[]): void {
    if (this.#ended) return;
    this.#sentMs = this.parts.clock.monotonic();
    const bytes = encode(...frames);
    this.traffic.bytesSent += bytes.length;
    this.channel.send(bytes);
    if (this.channel.backlog > BACKLOG_BYTES_MAX) this.end("the peer does not read what it is sent");
  }

  /** Sends what has changed at this replica: soon, or {@link TELL_MS} after the last time. */
  tell(): void {
    if (this.#telling || this.#ended) return;
    const { clock } = this.parts;
    this.#telling = clock.after(Math.max(0, this.#toldMs + TELL_MS - clock.monotonic()), () => this.#tellNow());
  }

  /** Harmless when the connection has ended. */
  end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pinging?.();
    this.#telling?.();
    this.channel.close();
    this.events.ended(why);
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.traffic.bytesReceived += bytes.length;
    let frames: readonly Frame[];
    try {
      frames = this.#decoder.push(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.end(error.message);
    }
    for (const frame of frames) {
      if (this.#ended) return;
      this.heardMs = this.parts.clock.monotonic();
      this.#take(frame);
    }
  }

  closed(): void {
    this.end("the peer closed the connection");
  }

  #take(frame: Frame): void {
    if (frame.type === "hello") return this.#greet(frame.replica);
    if (!this.#greeted) return this.end(`expected a hello first, got ${frame.type}`);
    if (frame.type === "ping") return;
    if (frame.type === "progress") this.#peerAt(frame.position);
    this.events.heard(frame);
  }

  #greet(replica: ReplicaId): void {
    if (this.#greeted) return this.end("a second hello");
    this.#greeted = true;
    this.events.greeted(replica);
    this.tell();
  }

  #peerAt(position: number): void {
    this.peerPosition = position;
    if (!this.#unread || position < this.#unread.position) return;
    const told = this.#told.position;
    this.#unread = told > position ? { position: told, sinceMs: this.#toldMs } : undefined;
  }

  #tellNow(): void {
    this.#telling = undefined;
    const { position, stored } = this.parts.progress();
    if (position === this.#told.position && stored === this.#told.stored) return;
    this.#told = { position, stored };
    this.#toldMs = this.parts.clock.monotonic();
    const checkpoint = this.parts.checkpoints().at(-1);
    // the progress first: it makes the peer read on, so that it can compare the checkpoint
    const frames: Frame[] = [{ type: "progress", position, stored }];
    if (checkpoint && checkpoint.position > this.#toldCheckpointPosition) {
      this.#toldCheckpointPosition = checkpoint.position;
      frames.push({ type: "checkpoint", ...checkpoint });
    }
    this.send(...frames);
    if (position > this.peerPosition) this.#unread ??= { position, sinceMs: this.#toldMs };
  }

  #ping(): void {
    const { clock } = this.parts;
    const dueMs = Math.min(this.#sentMs + PING_MS, this.heardMs + SILENT_MS + 1);
    // rounded times may show it as due a moment before it is
    this.#pinging = clock.after(Math.max(1, dueMs - clock.monotonic()), () => {
      const silentMs = clock.monotonic() - this.heardMs;
      if (silentMs > SILENT_MS) return this.end(`the peer is silent for ${Math.round(silentMs)} ms`);
      if (this.#sentMs <= clock.monotonic() - PING_MS) this.send({ type: "ping" });
      this.#ping();
    });
  }
}
