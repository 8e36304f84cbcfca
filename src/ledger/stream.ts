/** A log kept by an engine that several hosts share: NATS JetStream in production, a model of it in simulation. @module */

/** What a publish brought. */
export type Published =
  /** acknowledged: a majority of the engine's servers has it */
  | { readonly kind: "stands"; readonly position: number }
  /** this other message is the subject's last one, which proves that ours does not stand */
  | { readonly kind: "overruled"; readonly position: number }
  /** proves nothing: it may stand, now or later. `why` is one line without secrets */
  | { readonly kind: "unknown"; readonly why: string }
  /** a limit of the stream is reached: it does not stand */
  | { readonly kind: "full" };

/** What a stream is, as some server says. */
export interface StreamState {
  /** the identity it was made with; a stream that is made anew has another */
  readonly id: string;
  /** the position of its first message */
  readonly first: number;
  /** that of its last one; without a message one less than `first` */
  readonly last: number;
}

/** The events of a tail. */
export interface StreamEvents {
  /** The next message: each one once, in the order of positions. The bytes are valid during the call only. */
  read(position: number, bytes: Uint8Array): void;
  /** The engine was heard: everything up to `position` is handed over. Also called where nothing came. */
  heard(position: number): void;
  /** The stream is another one, or shorter than it was; called once, and nothing comes afterwards. `why` is one line. */
  lost(why: string): void;
}

/** Why an engine cannot be used now. Its message is one clear line, without secrets. */
export class StreamError extends Error {
  /** tells it from other errors */
  override name = "StreamError";
}

/** Messages in one order, each at a position that grows; a position is a whole number from 1. */
export interface Stream {
  /** the identity it was made with, a UUID: no other stream has it */
  readonly id: string;
  /** Whether it takes no more payments, as its tail last heard: there is some room yet for what becomes of those it has. */
  readonly isOverLimit: boolean;
  /**
   * Appends a message. Never rejects.
   *
   * @param subject a payment's id, or another name of letters, digits and `-`; messages of a subject are counted together
   * @param over the position of the subject's last message, 0 if it must have none; undefined expects nothing
   */
  publish(subject: string, bytes: Uint8Array, over: number | undefined): Promise<Published>;
  /** Hands over every message after `position`; made anew by itself when it is silent. Called once. */
  tail(position: number, events: StreamEvents): void;
  /** What some server says, which may be stale; undefined if none answers. Nothing is decided by it but where to begin. */
  state(): Promise<StreamState | undefined>;
  /** Ends the tail; what was published stays unknown where it has no answer. */
  close(): Promise<void>;
}

/** The streams of an engine, of which one counts at a time: the log. */
export interface Streams {
  /** The stream that counts; undefined if none was begun. An answer may be stale: then that stream is {@link StreamEvents.lost}. */
  current(): Promise<Stream | undefined>;
  /**
   * Begins a stream in place of another, whose messages are gone then. Where another replica was first, theirs is returned.
   *
   * @param first the position of its first message: above every position that anybody knows
   * @param instead the id of the stream that it replaces; undefined if there was none
   */
  begin(first: number, instead: string | undefined): Promise<Stream>;
}
