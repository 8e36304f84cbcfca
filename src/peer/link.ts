/** The peer link: what replicas send each other over the UNIX socket. Nothing waits for it. @module */
import { backoffMs, type Cancel } from "../clock.ts";
import type { Checkpoint } from "../ledger/ledger.ts";
import type { Processor } from "../payment/fact.ts";
import type { Health } from "../routing/processor_client.ts";
import { Connection, type LinkParts } from "./connection.ts";
import { type Frame, type Progress, type Status, STATUS_VERSION } from "./frame.ts";
import type { Channel } from "./transport.ts";

/** The longest pause before the peer is dialled again, in milliseconds; it doubles each time, with jitter. */
export const DIAL_MS_MAX = 500;
const DIAL_MS_MIN = 20;

/** What a replica hears of its peer. */
export interface LinkEvents {
  /** the peer is heard */
  linked(): void;
  /** it is silent */
  lost(why: string): void;
  /** how far the peer is */
  progress(progress: Progress): void;
  /** the peer's fold at a position, to be compared with the fold here */
  checkpoint(told: Checkpoint): void;
  /** what `service-health` said to the peer */
  health(processor: Processor, health: Health): void;
}

/** The link to the peer: replica `a` listens, `b` dials again and again. */
export class PeerLink {
  /** over all connections so far */
  bytesSent = 0;
  /** over all connections so far */
  bytesReceived = 0;
  /** The peer's last status, from any of its processes. */
  peerStatus: Status | undefined;
  /** a connection whose hello has not come: it may be anybody, so it does not end the one that is linked */
  #greeting: Connection | undefined;
  #connection: Connection | undefined;
  #heardMs = -Infinity;
  #dialling: Cancel | undefined;
  /** since the peer was last linked */
  #dials = 0;
  #stopped = false;

  /** Does not look for the peer yet: see {@link start}. */
  constructor(private readonly parts: LinkParts, private readonly events: LinkEvents) {}

  /** Begins to look for the peer. */
  start(): void {
    if (this.parts.self === "a") this.parts.transport.listen((channel) => this.#open(channel));
    else this.#dial();
  }

  /** Ends the connection; nothing is sent or heard after it, not even that the peer is lost. */
  stop(): void {
    this.#stopped = true;
    this.#dialling?.();
    this.#greeting?.end("this replica stops");
    this.#connection?.end("this replica stops");
    this.parts.transport.close();
  }

  /** Something has changed here: informs the peer, if it is linked. */
  tell(): void {
    this.#connection?.tell();
  }

  /** Sends the peer, if it is linked, what `service-health` said. */
  tellHealth(processor: Processor, health: Health): void {
    this.#connection?.send({ type: "health", processor, ...health });
  }

  /** Sends the peer, if it is linked, this replica's status. */
  tellStatus(status: Status): void {
    this.#connection?.send({ type: "status", version: STATUS_VERSION, ...status });
  }

  /** Whether the peer is heard. */
  get linked(): boolean {
    return this.#connection !== undefined;
  }

  /** How far the peer has read the log, as it said on this connection; 0 if it has not, or is not linked. */
  get peerPosition(): number {
    return this.#connection?.peerPosition ?? 0;
  }

  /** For how long the peer has not read all that it was sent, in milliseconds; 0 if it has. */
  get lagMs(): number {
    return this.#connection?.lagMs ?? 0;
  }

  /** How long ago the peer was heard, in milliseconds; infinite when never. */
  get silentMs(): number {
    return this.parts.clock.monotonic() - (this.#connection?.heardMs ?? this.#heardMs);
  }

  #dial(): void {
    this.parts.transport.dial((channel) => this.#open(channel)).then((connected) => {
      if (!connected && !this.#stopped) this.#dialLater();
    });
  }

  #dialLater(): void {
    const pauseMs = backoffMs(DIAL_MS_MIN, DIAL_MS_MAX, this.#dials++, this.parts.random);
    this.#dialling = this.parts.clock.after(pauseMs, () => this.#dial());
  }

  #open(channel: Channel): Connection {
    const connection: Connection = new Connection(channel, this.parts, this, {
      greeted: () => this.#adopt(connection),
      heard: (frame) => this.#take(frame),
      ended: (why) => this.#end(connection, why),
    });
    const before = this.#greeting;
    this.#greeting = connection;
    before?.end("another connection came");
    if (this.#stopped) connection.end("this replica stops");
    return connection;
  }

  #adopt(connection: Connection): void {
    this.#connection?.end("the peer connected anew");
    this.#greeting = undefined;
    this.#connection = connection;
    this.#dials = 0;
    this.events.linked();
  }

  #take(frame: Frame): void {
    if (frame.type === "progress") this.events.progress(frame);
    else if (frame.type === "checkpoint") this.events.checkpoint(frame);
    else if (frame.type === "health") this.events.health(frame.processor, frame);
    else if (frame.type === "status") this.peerStatus = frame;
  }

  #end(connection: Connection, why: string): void {
    const present = this.#connection === connection;
    if (!present && this.#greeting !== connection) return;
    if (present) {
      this.#connection = undefined;
      this.#heardMs = connection.heardMs;
    } else this.#greeting = undefined;
    if (this.#stopped) return;
    if (present) this.events.lost(why);
    if (this.parts.self === "b") this.#dialLater();
  }
}
