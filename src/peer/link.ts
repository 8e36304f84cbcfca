/** The peer links: what replicas send each other. Each pair of replicas has one, and nothing waits for it. @module */
import { backoffMs, type Cancel } from "../clock.ts";
import type { Checkpoint } from "../ledger/ledger.ts";
import type { Processor, ReplicaId } from "../payment/fact.ts";
import type { Health } from "../routing/processor_client.ts";
import { Connection, type LinkParts } from "./connection.ts";
import { type Frame, type Progress, type Status, STATUS_VERSION } from "./frame.ts";
import type { Channel } from "./transport.ts";

/** The longest pause before a peer is dialled again, in milliseconds; it doubles each time, with jitter. */
export const DIAL_MS_MAX = 500;
const DIAL_MS_MIN = 20;

/** What a replica hears of its peers. */
export interface LinkEvents {
  /** the peer is heard */
  linked(peer: ReplicaId): void;
  /** it is silent */
  lost(peer: ReplicaId, why: string): void;
  /** how far a peer is */
  progress(progress: Progress): void;
  /** a peer's fold at a position, to be compared with the fold here */
  checkpoint(peer: ReplicaId, told: Checkpoint): void;
  /** what `service-health` said to a peer */
  health(processor: Processor, health: Health): void;
}

/** The link to one peer. */
export interface PeerLink {
  /** the replica at its other end */
  readonly peer: ReplicaId;
  /** whether the peer is heard */
  readonly linked: boolean;
  /** how far the peer has read the log, as it said on this connection; 0 if it has not, or is not linked */
  readonly position: number;
  /** for how long the peer has not read all that it was sent, in milliseconds; 0 if it has */
  readonly lagMs: number;
  /** how long ago the peer was heard, in milliseconds; infinite when never */
  readonly silentMs: number;
  /** the peer's last status, of any of its processes */
  readonly status: Status | undefined;
}

class Link implements PeerLink {
  status: Status | undefined;
  connection: Connection | undefined;
  dialling: Cancel | undefined;
  /** since the peer was last linked */
  dials = 0;
  heardMs = -Infinity;

  constructor(readonly peer: ReplicaId, private readonly clock: LinkParts["clock"]) {}

  get linked(): boolean {
    return this.connection !== undefined;
  }

  get position(): number {
    return this.connection?.peerPosition ?? 0;
  }

  get lagMs(): number {
    return this.connection?.lagMs ?? 0;
  }

  get silentMs(): number {
    return this.clock.monotonic() - (this.connection?.heardMs ?? this.heardMs);
  }
}

/** The links of a replica: those after it in the roster dial it again and again, and it dials those before it. */
export class PeerLinks {
  /** over all connections so far */
  bytesSent = 0;
  /** over all connections so far */
  bytesReceived = 0;
  readonly #links: readonly Link[];
  /** how many of them this replica dials: the first ones */
  readonly #dialled: number;
  /** connections without a hello so far, oldest first; anybody may have opened them, so they never end a link */
  readonly #greeting = new Set<Connection>();
  #stopped = false;

  /** Looks for no peer yet: see {@link start}. */
  constructor(private readonly parts: LinkParts, private readonly events: LinkEvents) {
    const { self, roster, clock } = parts;
    this.#links = roster.peersOf(self).map((peer) => new Link(peer, clock));
    this.#dialled = roster.names.indexOf(self);
  }

  /** One for each peer, in the order of the roster. */
  get all(): readonly PeerLink[] {
    return this.#links;
  }

  /** Begins to look for the peers. */
  start(): void {
    if (this.#dialled < this.#links.length) this.parts.transport.listen((channel) => this.#open(channel));
    for (const link of this.#links.slice(0, this.#dialled)) this.#dial(link);
  }

  /** Ends the connections; nothing is sent or heard after it, not even that a peer is lost. */
  stop(): void {
    this.#stopped = true;
    for (const connection of this.#greeting) connection.end("this replica stops");
    for (const { dialling, connection } of this.#links) {
      dialling?.();
      connection?.end("this replica stops");
    }
    this.parts.transport.close();
  }

  /** Something has changed here: informs the peers that are linked. */
  tell(): void {
    for (const { connection } of this.#links) connection?.tell();
  }

  /** Sends the peers that are linked what `service-health` said. */
  tellHealth(processor: Processor, health: Health): void {
    this.#send({ type: "health", processor, ...health });
  }

  /** Sends the peers that are linked this replica's status. */
  tellStatus(status: Status): void {
    this.#send({ type: "status", version: STATUS_VERSION, ...status });
  }

  #send(frame: Frame): void {
    for (const { connection } of this.#links) connection?.send(frame);
  }

  #dial(link: Link): void {
    this.parts.transport.dial(link.peer, (channel) => this.#open(channel, link)).then((connected) => {
      if (!connected && !this.#stopped) this.#dialLater(link);
    });
  }

  #dialLater(link: Link): void {
    const pauseMs = backoffMs(DIAL_MS_MIN, DIAL_MS_MAX, link.dials++, this.parts.random);
    link.dialling = this.parts.clock.after(pauseMs, () => this.#dial(link));
  }

  /** @param dialled the link that the connection was dialled for; the hello of any other one says whose it is */
  #open(channel: Channel, dialled?: Link): Connection {
    let link = dialled;
    const connection: Connection = new Connection(channel, this.parts, this, {
      greeted: (replica) => {
        const expected = dialled ? [dialled] : this.#links.slice(this.#dialled);
        link = expected.find(({ peer }) => peer === replica);
        if (link) return this.#adopt(link, connection);
        connection.end(`expected replica ${expected.map(({ peer }) => peer).join(" or ")}, got ${replica}`);
      },
      heard: (frame) => this.#take(link!, frame),
      ended: (why) => {
        this.#greeting.delete(connection);
        if (link) this.#end(link, connection, why);
        if (dialled && !this.#stopped) this.#dialLater(dialled);
      },
    });
    this.#greeting.add(connection);
    // one for each peer may be without a hello
    if (this.#greeting.size > this.#links.length) [...this.#greeting][0]!.end("another connection came");
    if (this.#stopped) connection.end("this replica stops");
    return connection;
  }

  #adopt(link: Link, connection: Connection): void {
    link.connection?.end("the peer connected anew");
    this.#greeting.delete(connection);
    link.connection = connection;
    link.dials = 0;
    this.events.linked(link.peer);
  }

  #take(link: Link, frame: Frame): void {
    if (frame.type === "progress") this.events.progress(frame);
    else if (frame.type === "checkpoint") this.events.checkpoint(link.peer, frame);
    else if (frame.type === "health") this.events.health(frame.processor, frame);
    else if (frame.type === "status") link.status = frame;
  }

  #end(link: Link, connection: Connection, why: string): void {
    if (link.connection !== connection) return;
    link.connection = undefined;
    link.heardMs = connection.heardMs;
    if (!this.#stopped) this.events.lost(link.peer, why);
  }
}
