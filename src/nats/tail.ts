/** The messages of a stream, in their order: a consumer of the engine that is made anew when it is silent or skips. @module */
import { AckPolicy, DeliverPolicy, JsHeaders, ReplayPolicy } from "@nats-io/jetstream";
import { createInbox, Empty, type Msg, nanos, nuid, type Subscription } from "@nats-io/transport-node";
import { backoffMs } from "../clock.ts";
import type { Nats } from "./connection.ts";

/** How often the engine says that there is nothing, in milliseconds. */
const HEARTBEAT_MS = 400;
/** A consumer that is silent, or does not reach the stream's end, for this long is replaced, in milliseconds. */
const SILENT_MS = 1_500;
/** The pause before a consumer is made anew, in milliseconds; it doubles, with jitter. */
const AGAIN_MS_MIN = 20;
const AGAIN_MS_MAX = 1_000;
/** How long the engine keeps a consumer that nobody hears, in milliseconds. */
const KEPT_MS = 10_000;
/** How long all consumers must skip a message before it counts as lost, in milliseconds. */
const SKIPPED_MS = 10_000;

/** The events of a tail. */
interface TailEvents {
  read(position: number, bytes: Uint8Array): void;
  /** everything up to a position that was to be reached is handed over */
  reached(position: number): void;
  /** a message that was handed over is another one now, or one is missing */
  lost(why: string): void;
}

/** One tail. */
export class Tail {
  #subscription: Subscription | undefined;
  #consumer = "";
  /** how many messages this consumer has delivered */
  #delivered = 0;
  #heardMs = 0;
  #progressMs = 0;
  /** the message at the position */
  #newest: Uint8Array | undefined;
  #target = 0;
  #skippedSinceMs: number | undefined;
  #tries = 0;
  #again: ReturnType<typeof setTimeout> | undefined;
  readonly #watch = setInterval(() => this.#check(), HEARTBEAT_MS);
  #closed = false;

  /** Begins. @param position everything up to it was read before */
  constructor(
    private readonly nats: Nats,
    private readonly stream: string,
    public position: number,
    private readonly events: TailEvents,
  ) {
    void this.#make();
  }

  /** The stream goes up to `target`: tells when all of that is handed over. */
  reach(target: number): void {
    if (target <= this.position) return this.events.reached(target);
    if (target > this.#target && this.#target <= this.position) this.#progressMs = performance.now();
    this.#target = Math.max(this.#target, target);
  }

  /** Ends it, and hands over nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    clearTimeout(this.#again);
    await this.#leave();
  }

  async #make(): Promise<void> {
    const [inbox, name] = [createInbox(), nuid.next()];
    this.#consumer = name;
    this.#delivered = 0;
    this.#heardMs = this.#progressMs = performance.now();
    const subscription = this.nats.connection.subscribe(inbox, {
      callback: (error, message) => {
        if (this.#subscription === subscription && !error) this.#take(message);
      },
    });
    this.#subscription = subscription;
    // the newest is read again, to see that it is still the same
    const start = this.position + (this.#newest ? 0 : 1);
    try {
      await this.nats.manager.consumers.add(this.stream, {
        ...{ name, deliver_subject: inbox, deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start },
        ...{ ack_policy: AckPolicy.None, replay_policy: ReplayPolicy.Instant, flow_control: true },
        ...{
          idle_heartbeat: nanos(HEARTBEAT_MS),
          inactive_threshold: nanos(KEPT_MS),
          mem_storage: true,
          num_replicas: 1,
        },
      });
      this.#tries = 0;
    } catch {
      if (this.#subscription === subscription) this.#remake();
    }
  }

  async #leave(): Promise<void> {
    if (!this.#subscription) return;
    const name = this.#consumer;
    if (!this.nats.connection.isClosed()) this.#subscription.unsubscribe();
    this.#subscription = undefined;
    if (this.nats.connected) await this.nats.manager.consumers.delete(this.stream, name).catch(() => {});
  }

  #remake(): void {
    void this.#leave();
    if (this.#closed) return;
    clearTimeout(this.#again);
    const pauseMs = backoffMs(AGAIN_MS_MIN, AGAIN_MS_MAX, this.#tries++, Math.random);
    this.#again = setTimeout(() => this.nats.connected ? void this.#make() : this.#remake(), pauseMs);
  }

  #check(): void {
    if (!this.#subscription) return;
    const nowMs = performance.now();
    const stuck = this.#target > this.position && nowMs - this.#progressMs > SILENT_MS;
    if (nowMs - this.#heardMs > SILENT_MS || stuck) this.#remake();
  }

  #take(message: Msg): void {
    this.#heardMs = performance.now();
    if (message.headers?.code === 100) return this.#control(message);
    // another status, such as that the consumer was deleted
    if (!message.reply?.startsWith("$JS.ACK.")) return this.#remake();
    const { position, delivery } = placeOf(message.reply);
    if (delivery !== this.#delivered + 1) return this.#remake();
    this.#delivered = delivery;
    if (position === this.position && this.#newest) return this.#compare(message.data);
    if (position !== this.position + 1) return this.#skipped(position);
    this.position = position;
    this.#newest = message.data.slice();
    this.#progressMs = this.#heardMs;
    this.#skippedSinceMs = undefined;
    this.events.read(position, message.data);
    if (position === this.#target) this.events.reached(position);
  }

  /** An idle heartbeat, or the question whether this side keeps up. */
  #control(message: Msg): void {
    if (message.reply) message.respond();
    const stalled = message.headers!.get(JsHeaders.ConsumerStalledHdr);
    if (stalled) this.nats.connection.publish(stalled, Empty);
    const delivered = message.headers!.get(JsHeaders.LastConsumerSeqHdr);
    if (delivered && Number(delivered) !== this.#delivered) this.#remake();
  }

  #compare(bytes: Uint8Array): void {
    if (bytes.length === this.#newest!.length && bytes.every((byte, i) => byte === this.#newest![i])) return;
    this.events.lost(`another message stands at ${this.position} by now`);
  }

  #skipped(position: number): void {
    this.#skippedSinceMs ??= this.#heardMs;
    if (this.#heardMs - this.#skippedSinceMs < SKIPPED_MS) return this.#remake();
    this.events.lost(`${position} comes after ${this.position}`);
  }
}

/** Where a message stands, by the subject of its acknowledgement: `$JS.ACK.[domain.account.]stream.consumer.…`. */
function placeOf(reply: string): { readonly position: number; readonly delivery: number } {
  const tokens = reply.split(".");
  const at = tokens.length === 9 ? 5 : 7;
  return { position: Number(tokens[at]), delivery: Number(tokens[at + 1]) };
}
