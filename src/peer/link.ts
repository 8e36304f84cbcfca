/** What the replicas tell each other over the UNIX socket: nobody waits for it. @module */
import type { Cancel, Random } from "../clock.ts";
import type { Processor } from "../payment/fact.ts";
import type { Health } from "../routing/processor_client.ts";
import type { GossipVitals, Status } from "../telemetry/metrics.ts";
import { Connection, type ConnectionParts, type Traffic } from "./connection.ts";
import type { Frame } from "./frame.ts";
import { Teller, type TellerParts } from "./teller.ts";
import type { Channel, Transport } from "./transport.ts";

/** Pause before the peer is dialled again, in milliseconds; it doubles each time, with jitter. */
export const DIAL_MS_MIN = 20;
export const DIAL_MS_MAX = 500;

/** How far a replica has read the log, and how far it knows the store to be. */
export interface Progress {
  /** the place up to which the log is folded: there is more than what the other has read, perhaps */
  readonly position: number;
  /** the place up to which the store is known to hold the log; 0 where that is not known */
  readonly stored: number;
}

/** What a replica hears of its peer. */
export interface LinkEvents {
  /** the peer is heard */
  linked(): void;
  /** it is not heard any more */
  lost(why: string): void;
  progress(progress: Progress): void;
  /**
   * What the peer had folded at a place, to be compared with what is folded here: the hash, and what the peer itself has
   * settled between the checkpoint before, which it told on this connection as well, and this one.
   */
  checkpoint(told: Told): void;
  health(processor: Processor, health: Health): void;
  status(status: Status): void;
}

/** The deltas of a replica's own totals between two checkpoints. */
export interface Told {
  /** the place of the checkpoint before; 0 where this is the first on the connection, and then the deltas are zero */
  readonly since: number;
  readonly position: number;
  readonly hash: number;
  /** default, fallback: count, cents */
  readonly deltas: readonly number[];
}

/** What a link needs of its replica. */
export interface LinkParts extends TellerParts, Omit<ConnectionParts, "traffic"> {
  readonly random: Random;
  readonly transport: Transport;
}

/** The way to the peer: replica `a` listens, `b` dials, again and again. */
export class PeerLink implements GossipVitals {
  readonly #parts: LinkParts;
  readonly #events: LinkEvents;
  readonly #traffic: Traffic = { bytesSent: 0, bytesReceived: 0 };
  /** where the peer's hello is not in yet: it may be anybody, and does not end what is linked */
  #greeting: Connection | undefined;
  #linked: { readonly connection: Connection; readonly teller: Teller } | undefined;
  #progress: Progress | undefined;
  #peerPosition: number | undefined;
  #peerStatus: Status | undefined;
  #heardMs = -Infinity;
  #trouble: string | undefined;
  #dialling: Cancel | undefined;
  #dialMs = DIAL_MS_MIN;
  #stopped = false;

  constructor(parts: LinkParts, events: LinkEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Begins to look for the peer. */
  start(): void {
    if (this.#parts.self === "a") this.#parts.transport.listen((channel) => this.#open(channel));
    else this.#dial();
  }

  /** Ends the connection; nothing is told or heard after it, not even that the peer is lost. */
  stop(): void {
    this.#stopped = true;
    this.#dialling?.();
    this.#greeting?.end("this replica stops");
    this.#linked?.connection.end("this replica stops");
    this.#parts.transport.close();
  }

  /** Tells the peer how far this replica is, also a peer that comes later; nobody waits for it. */
  tell(progress: Progress): void {
    this.#progress = progress;
    this.#linked?.teller.tell(progress);
  }

  /** Tells the peer, if it is there, what `service-health` said. */
  tellHealth(processor: Processor, health: Health): void {
    this.#linked?.connection.send({ type: "health", processor, ...health });
  }

  tellStatus(status: Status): void {
    this.#linked?.connection.send({ type: "status", ...status });
  }

  get linked(): boolean {
    return this.#linked !== undefined;
  }

  /** Which life of the peer is linked. */
  get peerIncarnation(): string | undefined {
    return this.#linked?.connection.incarnation;
  }

  /** How far the peer has read the log, as it told on this connection; undefined where it has not told, or is not linked. */
  get peerPosition(): number | undefined {
    return this.#peerPosition;
  }

  get peerStatus(): Status | undefined {
    return this.#peerStatus;
  }

  /** Why the last connection ended, in one line; undefined while the peer is linked, or where there was none. */
  get trouble(): string | undefined {
    return this.#linked ? undefined : this.#trouble;
  }

  get lagMs(): number {
    return this.#linked?.teller.lagMs ?? 0;
  }

  get silentMs(): number {
    return this.#parts.clock.monotonic() - (this.#linked?.connection.heardMs ?? this.#heardMs);
  }

  get bytesSent(): number {
    return this.#traffic.bytesSent;
  }

  get bytesReceived(): number {
    return this.#traffic.bytesReceived;
  }

  #dial(): void {
    this.#parts.transport.dial((channel) => this.#open(channel)).then((connected) => {
      if (!connected && !this.#stopped) this.#dialLater();
    });
  }

  #dialLater(): void {
    const pauseMs = this.#dialMs * (0.5 + this.#parts.random());
    this.#dialMs = Math.min(2 * this.#dialMs, DIAL_MS_MAX);
    this.#dialling = this.#parts.clock.after(pauseMs, () => this.#dial());
  }

  #open(channel: Channel): Connection {
    const { self, incarnation, clock } = this.#parts;
    const parts = { self, incarnation, clock, traffic: this.#traffic };
    const connection: Connection = new Connection(channel, parts, {
      greeted: () => this.#link(connection),
      frame: (frame) => this.#take(frame),
      ended: (why) => this.#end(connection, why),
    });
    const before = this.#greeting;
    this.#greeting = connection;
    before?.end("another connection came");
    if (this.#stopped) connection.end("this replica stops");
    return connection;
  }

  #link(connection: Connection): void {
    this.#linked?.connection.end("the peer connected anew");
    this.#greeting = undefined;
    const teller = new Teller(this.#parts, (frame) => connection.send(frame));
    this.#linked = { connection, teller };
    this.#dialMs = DIAL_MS_MIN;
    if (this.#progress) teller.tell(this.#progress);
    this.#events.linked();
  }

  #take(frame: Exclude<Frame, { type: "hello" | "ping" }>): void {
    switch (frame.type) {
      case "progress":
        this.#peerPosition = frame.position;
        this.#linked!.teller.heard(frame.position);
        return this.#events.progress(frame);
      case "checkpoint":
        return this.#events.checkpoint(frame);
      case "health":
        return this.#events.health(frame.processor, frame);
      case "status":
        this.#peerStatus = frame;
        return this.#events.status(frame);
    }
  }

  #end(connection: Connection, why: string): void {
    const present = this.#linked?.connection === connection;
    if (!present && this.#greeting !== connection) return;
    this.#trouble = why;
    if (present) {
      this.#linked!.teller.end();
      this.#linked = undefined;
      this.#peerPosition = undefined;
      this.#heardMs = connection.heardMs;
    } else this.#greeting = undefined;
    if (this.#stopped) return;
    if (present) this.#events.lost(why);
    if (this.#parts.self === "b") this.#dialLater();
  }
}
