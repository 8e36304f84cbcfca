/**
 * One connection to the peer: hello, catch-up of what each is missing, then facts as they are made, acknowledged once a
 * read. What is said here twice or late does no harm, since facts fold (DESIGN.md).
 * @module
 */
import type { Book } from "../payment/book.ts";
import { type Fact, peerOf, type ReplicaId } from "../payment/fact.ts";
import type { Cancel, Clock } from "../clock.ts";
import { Decoder, encode, FACTS_PER_FRAME_MAX, type Frame, FrameError } from "./frame.ts";
import type { Journal } from "./journal.ts";
import type { Channel, ChannelListener } from "./transport.ts";

/** A peer that says nothing for so long is taken for lost, in milliseconds. */
export const SILENT_MS = 800;
/** Something is said at least this often, in milliseconds. */
export const PING_MS = 200;
/** Bytes that the peer may leave unread before the connection is given up. */
export const BACKLOG_BYTES_MAX = 4 << 20;
/** Unread bytes above which catch-up waits. */
const CATCH_UP_BYTES = 256 << 10;
/** Frames of catch-up that are sent in a turn, and the pause between two turns in milliseconds. */
const CATCH_UP_FRAMES = 4;
const CATCH_UP_MS = 1;

/** How far of a peer's stream, in one life of it, everything is here. */
export interface Seen {
  readonly incarnation: string;
  readonly seq: number;
}

/** Bytes that went over all connections so far. */
export interface Traffic {
  bytesSent: number;
  bytesReceived: number;
}

/** What a session needs of its replica. */
export interface SessionParts {
  readonly traffic: Traffic;
  readonly self: ReplicaId;
  readonly incarnation: string;
  readonly clock: Clock;
  readonly book: Book;
  readonly journal: Journal;
  /** whether this replica knows everything that was acknowledged before this life */
  complete(): boolean;
  /** for how long ids that come again may have been lost in a crash of everything, in milliseconds; 0 when they cannot */
  recallMs(): number;
  /** how far of the peer's stream is here, from earlier sessions */
  seen(): Seen | null;
}

/** What a session reports. */
export interface SessionEvents {
  fact(fact: Fact, seq: number): void;
  /** the peer is in this epoch, which need not be newer */
  epoch(epoch: number): void;
  /** both sides hold everything of each other's */
  linked(): void;
  /** the peer holds this replica's stream up to `seq` */
  acknowledged(seq: number): void;
  /** everything up to here of the peer's stream is here */
  saw(seen: Seen): void;
  frame(frame: Frame & { type: "answer" | "stored" | "health" | "yield" | "recall" | "status" }): void;
  ended(why: string): void;
}

type Hello = Frame & { type: "hello" };

/** The ask whose answer tells that the peer has read all of the catch-up. */
const CAUGHT_UP_ASK = 0;

export class Session implements ChannelListener {
  readonly #parts: SessionParts;
  readonly #events: SessionEvents;
  readonly #channel: Channel;
  readonly #decoder = new Decoder();
  #peer: Hello | undefined;
  /** entries of the journal up to here are sent, or in the catch-up */
  #sent = 0;
  #received = 0;
  #hasAll = false;
  #peerHasAll = false;
  #ackDue = false;
  #heardMs: number;
  #pinging: Cancel | undefined;
  #ended = false;

  constructor(channel: Channel, parts: SessionParts, events: SessionEvents) {
    this.#channel = channel;
    this.#parts = parts;
    this.#events = events;
    this.#heardMs = parts.clock.monotonic();
    const { self: replica, incarnation, book } = parts;
    this.send({
      type: "hello",
      replica,
      incarnation,
      epoch: book.epoch,
      complete: parts.complete(),
      seen: parts.seen(),
    });
    this.#ping();
  }

  /** The peer knows everything that was acknowledged before its life, as far as it said. */
  get peerComplete(): boolean {
    return this.#peer?.complete ?? false;
  }

  /** The peer gets every entry of the journal from now on. */
  get streaming(): boolean {
    return this.#peer !== undefined && !this.#ended;
  }

  get linked(): boolean {
    return this.#hasAll && this.#peerHasAll && !this.#ended;
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

  /** Sends what the journal has and the peer was not sent yet. */
  flush(): void {
    const { book, journal } = this.#parts;
    if (!this.streaming) return;
    if (this.#sent < journal.epochSeq) {
      this.#sent = journal.epochSeq;
      this.send({ type: "epoch", seq: this.#sent, epoch: book.epoch });
    }
    // more was said in one turn than the journal holds: the peer gets the whole book instead
    if (!journal.covers(this.#sent)) return this.end("the peer fell behind");
    while (this.#sent < journal.seq) {
      const from = this.#sent;
      this.#sent = Math.min(journal.seq, from + FACTS_PER_FRAME_MAX);
      this.send({ type: "facts", seq: this.#sent, epoch: book.epoch, facts: journal.slice(from, this.#sent) });
    }
  }

  /** Ends the session from this side; harmless when it has ended. */
  end(why: string): void {
    this.#channel.close();
    this.#end(why);
  }

  received(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#parts.traffic.bytesReceived += bytes.length;
    this.#heardMs = this.#parts.clock.monotonic();
    try {
      for (const frame of this.#decoder.push(bytes)) {
        if (this.#ended) return;
        this.#take(frame);
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.end(error.message);
    }
    if (!this.#ackDue) return;
    this.#ackDue = false;
    // first what was said here by now: who hears the acknowledgement must know of everything that contradicts it
    this.flush();
    this.send({ type: "ack", seq: this.#received });
  }

  closed(): void {
    this.#end("the peer closed the connection");
  }

  #take(frame: Frame): void {
    if (frame.type === "hello") return this.#greet(frame);
    if (!this.#peer) throw new FrameError(`expected a hello first, got ${frame.type}`);
    switch (frame.type) {
      case "facts":
        this.#events.epoch(frame.epoch);
        if (frame.epoch === this.#parts.book.epoch) {
          for (const fact of frame.facts) {
            this.#events.fact(fact, frame.seq);
          }
        }
        return this.#progress(frame.seq);
      case "epoch":
        this.#events.epoch(frame.epoch);
        return this.#progress(frame.seq);
      case "caught-up":
        this.#hasAll = true;
        this.#received = Math.max(this.#received, frame.seq);
        this.#events.saw({ incarnation: this.#peer.incarnation, seq: this.#received });
        return this.#maybeLinked();
      case "ack":
        return this.#events.acknowledged(frame.seq);
      case "ask":
        this.flush();
        return this.send({ type: "answer", id: frame.id });
      case "answer":
        if (frame.id !== CAUGHT_UP_ASK) return this.#events.frame(frame);
        this.#peerHasAll = true;
        return this.#maybeLinked();
      case "ping":
        return;
      default:
        return this.#events.frame(frame);
    }
  }

  #greet(hello: Hello): void {
    const { self, incarnation, book, journal } = this.#parts;
    if (hello.replica !== peerOf(self)) throw new FrameError(`expected replica ${peerOf(self)}, got ${hello.replica}`);
    if (this.#peer) throw new FrameError("a second hello");
    this.#peer = hello;
    this.#events.epoch(hello.epoch);
    const ms = this.#parts.recallMs();
    if (ms > 0) this.send({ type: "recall", ms });
    if (hello.seen?.incarnation === incarnation && journal.covers(hello.seen.seq)) {
      this.#sent = hello.seen.seq;
      this.flush();
      return this.#caughtUp();
    }
    this.#sent = journal.seq;
    this.send({ type: "epoch", seq: 0, epoch: book.epoch });
    this.#catchUp(book.facts(), book.epoch);
  }

  /** Sends the whole book, in small steps so that answers go on, while new facts are streamed beside it. */
  #catchUp(facts: Iterator<Fact>, epoch: number): void {
    if (this.#ended) return;
    // a new epoch is in the stream, and so is everything in it
    let done = this.#parts.book.epoch !== epoch;
    for (let i = 0; i < CATCH_UP_FRAMES && !done && this.#channel.backlog < CATCH_UP_BYTES; i++) {
      const page: Fact[] = [];
      while (page.length < FACTS_PER_FRAME_MAX && !done) {
        const next = facts.next();
        if (next.done) done = true;
        else page.push(next.value);
      }
      if (page.length > 0) this.send({ type: "facts", seq: 0, epoch, facts: page });
    }
    if (done) this.#caughtUp();
    else this.#parts.clock.after(CATCH_UP_MS, () => this.#catchUp(facts, epoch));
  }

  #caughtUp(): void {
    this.flush();
    this.send({ type: "caught-up", seq: this.#sent });
    this.send({ type: "ask", id: CAUGHT_UP_ASK });
  }

  #progress(seq: number): void {
    if (seq === 0) return;
    this.#received = seq;
    this.#ackDue = true;
    if (this.#hasAll) this.#events.saw({ incarnation: this.#peer!.incarnation, seq });
  }

  #maybeLinked(): void {
    if (this.linked) this.#events.linked();
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
