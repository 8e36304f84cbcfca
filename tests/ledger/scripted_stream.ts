/** A stream whose answers a test gives by hand. @module */
import { RecordBuffer } from "../../src/ledger/record.ts";
import type { Published, Stream, StreamEvents } from "../../src/ledger/stream.ts";
import type { Fact } from "../../src/payment/fact.ts";
import { PAIR } from "../support/pair.ts";

/** A publish that the test answers. */
export interface Publish {
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly over: number | undefined;
  answer(published: Published): void;
}

/** The {@link Stream} of one ledger. */
export class ScriptedStream implements Stream {
  readonly id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b0";
  readonly published: Publish[] = [];
  events!: StreamEvents;
  /** after which position the tail began */
  tailFrom: number | undefined;
  #end: number;

  /** @param first the position of the next message */
  constructor(first = 1) {
    this.#end = first;
  }

  /** The newest publish. */
  get last(): Publish {
    return this.published.at(-1)!;
  }

  /** All publishes to a subject. */
  to(subject: string): Publish[] {
    return this.published.filter((one) => one.subject === subject);
  }

  publish(subject: string, bytes: Uint8Array, over: number | undefined): Promise<Published> {
    const { promise, resolve } = Promise.withResolvers<Published>();
    this.published.push({ subject, bytes: bytes.slice(), over, answer: resolve });
    return promise;
  }

  tail(position: number, events: StreamEvents): void {
    this.tailFrom = position;
    this.events = events;
  }

  state() {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The tail brings bytes, or the fact of another replica. @returns their position */
  brings(what: Uint8Array | Fact): number {
    const bytes = what instanceof Uint8Array ? what : new RecordBuffer(PAIR).write(what, 0xabc0 + this.#end).bytes;
    this.events.read(this.#end, bytes);
    return this.#end++;
  }
}
