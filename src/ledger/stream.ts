/** A log kept by an engine that several hosts share: NATS JetStream in production, a model of it in simulation. @module */

/** What a publish brought. */
export type Published =
  /** acknowledged: a majority of the engine's servers has it */
  | { readonly kind: "stands"; readonly position: number }
  /** the subject's last message is at this position, not at the expected one, so this publish was not taken */
  | { readonly kind: "overruled"; readonly position: number }
  /** proves nothing: it may stand, now or later. `why` is one line without secrets */
  | { readonly kind: "unknown"; readonly why: string }
  /** a limit of the stream is reached: it does not stand */
  | { readonly kind: "full" };

/** The state of a stream, as some server reports it. */
export interface StreamState {
  /** the identity it was made with; a stream that is made anew has another */
  readonly id: string;
  /** the position of its first message, or of the one to come */
  readonly first: number;
  /** the position of its last message; one less than `first` if it has none */
  readonly last: number;
}

/** The events of a tail. */
export interface StreamEvents {
  /** The next message: each one once, in the order of positions. The bytes are valid during the call only. */
  read(position: number, bytes: Uint8Array): void;
  /** Everything up to `position` is handed over. Called again and again, also when no message comes. */
  heard(position: number): void;
  /** The stream is another one, or shorter than it was; called once, and nothing comes afterwards. `why` is one line. */
  lost(why: string): void;
}

/** The engine cannot be used now. The message is one clear line, without secrets. */
export class StreamError extends Error {
  /** for messages and logs */
  override name = "StreamError";
}

/** Messages in one order, each at a position that grows; a position is a whole number from 1. */
export interface Stream {
  /** the identity it was made with, a UUID: no other stream has it */
  readonly id: string;
  /**
   * Appends a message. Never rejects.
   *
   * @param subject a payment's id, or another name of letters, digits and `-`; messages of a subject are counted together
   * @param over the position of the subject's last message, 0 if it must have none; undefined expects nothing
   */
  publish(subject: string, bytes: Uint8Array, over: number | undefined): Promise<Published>;
  /** Hands over every message after `position`, and connects again by itself. Called once. */
  tail(position: number, events: StreamEvents): void;
  /** The state as some server reports it; undefined if none answers. It may be stale: use it only to choose where to begin. */
  state(): Promise<StreamState | undefined>;
  /** Ends the tail. A publish without an answer stays unknown. */
  close(): Promise<void>;
}

/** The streams of an engine; one at a time is the log. */
export interface Streams {
  /** The stream that is the log; undefined if there is none. The answer may be stale: an old stream is {@link StreamEvents.lost}. */
  current(): Promise<Stream | undefined>;
  /**
   * Creates a stream in place of another, which is deleted. If another replica was first, returns that replica's stream.
   *
   * @param first the position of its first message: above every position that anybody knows
   * @param instead the id of the stream that it replaces; undefined if there was none
   */
  begin(first: number, instead: string | undefined): Promise<Stream>;
}
