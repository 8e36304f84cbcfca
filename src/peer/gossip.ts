/**
 * Keeps the two replicas' books the same: connects to the peer, again and again, and streams this replica's facts to it.
 * @module
 */
import type { Fact, ReplicaId } from "../payment/fact.ts";
import type { Cancel, Random } from "../clock.ts";
import type { GossipVitals, Status } from "../telemetry/metrics.ts";
import type { Replication } from "../ports/replication.ts";
import type { Frame } from "./frame.ts";
import { Journal } from "./journal.ts";
import { type Seen, Session, type SessionParts, type Traffic } from "./session.ts";
import type { Channel, Transport } from "./transport.ts";

/** Pause before the peer is dialled again, in milliseconds; it doubles each time, with jitter. */
export const DIAL_MS_MIN = 20;
export const DIAL_MS_MAX = 500;

/** How long the end of an attempt, which nobody waits for, is kept back to go out with something urgent, in milliseconds. */
export const LAZY_MS = 50;

/** What a replica wants to hear of its peer. */
export interface GossipEvents {
  /** a fact of the current epoch; `seq` is its place in the peer's stream, 0 in a catch-up */
  fact(fact: Fact, seq: number): void;
  /** the peer is in a newer epoch */
  epoch(epoch: number): void;
  /** each holds everything of the other's */
  linked(): void;
  /** the peer is not heard any more */
  parted(why: string): void;
  /** the peer let go of this replica's lock */
  yielded(): void;
  /** the peer's store holds the peer's stream up to `seq` */
  stored(seq: number): void;
  health(frame: Frame & { type: "health" }): void;
  /** for so long, in milliseconds, an id that comes again may have been lost in a crash of everything */
  recall(ms: number): void;
}

export interface GossipParts extends Omit<SessionParts, "journal" | "seen" | "traffic"> {
  readonly random: Random;
  readonly transport: Transport;
}

interface Wait {
  seq: number;
  readonly sinceMs: number;
  readonly promise: Promise<boolean>;
  readonly resolve: (held: boolean) => void;
}

/** The production {@link Replication}: a stream of facts over one connection. */
export class Gossip implements Replication, GossipVitals {
  readonly #parts: GossipParts;
  readonly #events: GossipEvents;
  readonly #journal = new Journal();
  readonly #traffic: Traffic = { bytesSent: 0, bytesReceived: 0 };
  #session: Session | undefined;
  #seen: Seen | null = null;
  #waits: Wait[] = [];
  /** when what was published goes out */
  #flushing: "soon" | "later" | undefined;
  /** a flush of what may go out later is planned */
  #late = false;
  #asks = new Map<number, () => void>();
  #askId = 0;
  #heardMs = -Infinity;
  #dialling: Cancel | undefined;
  #dialMs = DIAL_MS_MIN;
  #peerStatus: Status | undefined;
  #stopped = false;

  constructor(parts: GossipParts, events: GossipEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Begins to look for the peer. Replica `a` listens, `b` dials. */
  start(): void {
    if (this.#parts.self === "a") this.#parts.transport.listen((channel) => this.#open(channel));
    else this.#dial();
  }

  /** Ends the connection; nothing is sent or heard after it. */
  stop(): void {
    this.#stopped = true;
    this.#dialling?.();
    this.#session?.end("this replica stops");
    this.#parts.transport.close();
  }

  get linked(): boolean {
    return this.#session?.linked ?? false;
  }

  /** The peer is linked and knew everything that was acknowledged before when it was. */
  get peerComplete(): boolean {
    return this.linked && this.#session!.peerComplete;
  }

  /** Entries this replica has made in this life. */
  get seq(): number {
    return this.#journal.seq;
  }

  /** How long ago the peer was heard, in milliseconds; infinite when never. */
  get silentMs(): number {
    const heardMs = Math.max(this.#heardMs, this.#session?.heardMs ?? -Infinity);
    return this.#parts.clock.monotonic() - heardMs;
  }

  get lagMs(): number {
    const sinceMs = this.#waits[0]?.sinceMs;
    return sinceMs === undefined ? 0 : this.#parts.clock.monotonic() - sinceMs;
  }

  get bytesSent(): number {
    return this.#traffic.bytesSent;
  }

  get bytesReceived(): number {
    return this.#traffic.bytesReceived;
  }

  publish(fact: Fact): Promise<boolean> {
    this.#journal.append(fact);
    return this.#flushed(fact.stage === "accepted" || fact.stage === "dispatched" ? "soon" : "later");
  }

  publishEpoch(): Promise<boolean> {
    this.#journal.beginEpoch();
    return this.#flushed("soon");
  }

  held(): Promise<boolean> {
    // until it is linked, the peer lacks what was published before it connected
    if (!this.linked) return Promise.resolve(false);
    this.#session!.flush();
    return this.#waits.at(-1)?.promise ?? Promise.resolve(true);
  }

  exchange(timeoutMs: number): Promise<boolean> {
    const session = this.#session;
    if (!session?.linked) return Promise.resolve(false);
    const id = ++this.#askId;
    return new Promise((resolve) => {
      const done = (answered: boolean) => {
        this.#asks.delete(id);
        cancel();
        resolve(answered);
      };
      const cancel = this.#parts.clock.after(timeoutMs, () => done(false));
      this.#asks.set(id, () => done(true));
      session.flush();
      session.send({ type: "ask", id });
    });
  }

  /** Connects anew and sends the whole book: more was learned than the journal holds. */
  resync(): void {
    this.#journal.forget();
    this.#session?.end("the whole book is to be sent again");
  }

  /** The peer is dead: what it said and has not arrived yet may be older than what it did at last. */
  bury(): void {
    this.#session?.end("the peer is dead");
  }

  get peerStatus(): Status | undefined {
    return this.#peerStatus;
  }

  tellStatus(status: Status): void {
    this.tell({ type: "status", ...status });
  }

  /** Says what is of use at this moment only, if there is somebody to hear it. */
  tell(frame: Frame & { type: "recall" | "health" | "stored" | "status" }): void {
    if (this.#session?.streaming) this.#session.send(frame);
  }

  /** Tells the peer that this replica let go of the peer's lock. */
  tellYield(peer: ReplicaId): void {
    if (!this.#session?.streaming) return;
    this.#session.flush();
    this.#session.send({ type: "yield", replica: peer });
  }

  /** Resolved once the peer holds what was published so far. */
  #flushed(when: "soon" | "later"): Promise<boolean> {
    if (!this.#session?.streaming) return Promise.resolve(false);
    let wait = this.#waits.at(-1);
    // what was published and not sent yet goes out together: the same frame, the same acknowledgement
    if (!wait || !this.#flushing) {
      wait = { seq: 0, sinceMs: this.#parts.clock.monotonic(), ...Promise.withResolvers<boolean>() };
      this.#waits.push(wait);
    }
    wait.seq = this.#journal.seq;
    if (when === "soon" && this.#flushing !== "soon") this.#parts.clock.soon(() => this.#flush());
    if (when === "later" && !this.#late) {
      this.#late = true;
      this.#parts.clock.after(LAZY_MS, () => {
        this.#late = false;
        this.#flush();
      });
    }
    if (this.#flushing !== "soon") this.#flushing = when;
    return wait.promise;
  }

  #flush(): void {
    this.#flushing = undefined;
    this.#session?.flush();
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

  #open(channel: Channel): Session {
    this.#session?.end("the peer connected anew");
    const { self, incarnation, clock, book } = this.#parts;
    const parts: SessionParts = {
      self,
      incarnation,
      clock,
      book,
      journal: this.#journal,
      traffic: this.#traffic,
      complete: () => this.#parts.complete(),
      recallMs: () => this.#parts.recallMs(),
      seen: () => this.#seen,
    };
    const session: Session = new Session(channel, parts, {
      fact: (fact, seq) => this.#events.fact(fact, seq),
      epoch: (epoch) => this.#adopt(epoch),
      linked: () => {
        this.#dialMs = DIAL_MS_MIN;
        this.#events.linked();
      },
      acknowledged: (seq) => this.#acknowledge(seq),
      saw: (seen) => this.#seen = seen,
      frame: (frame) => this.#take(frame),
      ended: (why) => this.#part(session, why),
    });
    this.#session = session;
    return session;
  }

  #adopt(epoch: number): void {
    if (epoch <= this.#parts.book.epoch) return;
    this.#events.epoch(epoch);
    // what the journal has of the old epoch is not to be sent under the new one
    this.#journal.beginEpoch();
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case "answer":
        return this.#asks.get(frame.id)?.();
      case "stored":
        return this.#events.stored(frame.seq);
      case "health":
        return this.#events.health(frame);
      case "yield":
        return this.#events.yielded();
      case "recall":
        return this.#events.recall(frame.ms);
      case "status":
        this.#peerStatus = frame;
    }
  }

  #acknowledge(seq: number): void {
    while (this.#waits.length > 0 && this.#waits[0]!.seq <= seq) this.#waits.shift()!.resolve(true);
  }

  #part(session: Session, why: string): void {
    if (this.#session !== session) return;
    this.#heardMs = session.heardMs;
    this.#session = undefined;
    // first what follows from it, then those who wait: they must find things as they are now
    this.#events.parted(why);
    for (const wait of this.#waits.splice(0)) wait.resolve(false);
    if (this.#parts.self === "b" && !this.#stopped) this.#dialLater();
  }
}
