/** Two ends of a connection in memory, as a {@link Transport} each: bytes arrive in the next turn of a virtual clock. */
import type { Channel, ChannelListener, Transport } from "../../src/peer/transport.ts";
import type { VirtualClock } from "../support/virtual_clock.ts";

class PipeEnd implements Channel {
  backlog = 0;
  other: PipeEnd | undefined;
  listener: ChannelListener | undefined;
  ended = false;

  constructor(private readonly pipe: Pipe) {}

  send(bytes: Uint8Array): void {
    if (this.ended || this.pipe.silent) return;
    this.pipe.bytes += bytes.length;
    const copy = bytes.slice();
    this.backlog += bytes.length;
    this.pipe.clock.soon(() => {
      this.backlog -= bytes.length;
      if (!this.other!.ended) this.other!.listener!.received(copy);
    });
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.pipe.clock.soon(() => {
      if (this.other!.ended) return;
      this.other!.ended = true;
      this.other!.listener!.closed();
    });
  }
}

/** A connection that can be cut, silenced, or written into. */
export class Pipe {
  /** nothing arrives, and neither side notices */
  silent = false;
  /** nobody can connect */
  closed = false;
  /** bytes sent, both ways */
  bytes = 0;
  connections = 0;
  #open: ((channel: Channel) => ChannelListener) | undefined;
  #ends: PipeEnd[] = [];

  constructor(readonly clock: VirtualClock) {}

  /** The end of replica a, which listens. */
  readonly listening: Transport = {
    listen: (open) => this.#open = open,
    dial: () => Promise.resolve(false),
    close: () => this.#open = undefined,
  };

  /** The end of replica b, which dials. */
  readonly dialling: Transport = {
    listen: () => {},
    dial: (_, open) => {
      if (this.closed || !this.#open) return Promise.resolve(false);
      this.connections++;
      const [a, b] = [new PipeEnd(this), new PipeEnd(this)];
      [a.other, b.other] = [b, a];
      this.#ends = [a, b];
      // both exist before either sends anything
      const listeners = [this.#open, open].map((accept, index) => {
        const end = [a, b][index]!;
        const early: Uint8Array[] = [];
        end.listener = { received: (bytes) => early.push(bytes), closed: () => {} };
        const listener = accept(end);
        end.listener = listener;
        return { listener, early };
      });
      for (const { listener, early } of listeners) for (const bytes of early) listener.received(bytes);
      return Promise.resolve(true);
    },
    close: () => {},
  };

  /** Ends the connection under both. */
  cut(): void {
    for (const end of this.#ends) end.ended = true;
    for (const end of this.#ends) end.listener!.closed();
  }

  /** Bytes that nobody sent arrive at replica a. */
  inject(bytes: Uint8Array): void {
    this.#ends[0]!.listener!.received(bytes);
  }
}
