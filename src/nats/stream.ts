/** A stream of NATS JetStream as the log of several hosts. @module */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { errorLine } from "../errors.ts";
import type { Published, Stream, StreamEvents, StreamState } from "../ledger/stream.ts";
import type { Nats } from "./connection.ts";
import { Tail } from "./tail.ts";

/** How often the stream's leader is asked for its last position, in milliseconds. */
const LOOK_MS = 400;
/**
 * How long all answers must say that the stream is replaced or shorter before it counts as lost, in milliseconds. A former
 * leader that was cut off and is back said so for 5 s, until the next leader was elected.
 */
const LOST_MS = 20_000;
/** After this long without an answer another server is tried, in milliseconds: an election takes less. */
const LEAVE_MS = 12_000;
/** A leader that heard a majority within this time is the current one, in nanoseconds: an election starts after 4 s of silence. */
const HEARD_NS = 3_000_000_000;

/** Errors of JetStream that say that a limit is reached, before anything was proposed. */
const FULL_CODES: readonly number[] = [10_002, 10_023, 10_028, 10_047];
/** The code of any error of the store; its text tells them apart. */
const STORE_FAILED = 10_077;

/** The configuration of a stream that nobody can delete from or purge. */
export function configOf(
  id: string,
  first: number,
  copies: number,
  bytesMax: number,
): Partial<StreamConfig> & { readonly name: string } {
  return {
    name: nameOf(id),
    ...{ subjects: [`${prefixOf(id)}.>`], metadata: { galo: id }, first_seq: first },
    ...{ num_replicas: copies, storage: StorageType.File, max_bytes: bytesMax, discard: DiscardPolicy.New },
    ...{ deny_delete: true, deny_purge: true, allow_direct: false, duplicate_window: nanos(100) },
  };
}

/** How large a stream becomes before no more payments are taken: what becomes of the others still has room then. */
function limitOf(bytesMax: number): number {
  return bytesMax - bytesMax / 16;
}

/** The name of a stream in the engine. */
export function nameOf(id: string): string {
  return `GALO-${id}`;
}

/** Subjects begin with their stream's id, so that a late message never enters the next stream. */
function prefixOf(id: string): string {
  return `galo.${id.slice(0, 8)}`;
}

/** A stream that is there; one object a replica. */
export class JetStream implements Stream {
  isOverLimit = false;
  /** begins once some server says where the stream begins */
  #tail: Tail | undefined;
  #from = 0;
  #events: StreamEvents | undefined;
  #looking: ReturnType<typeof setTimeout> | undefined;
  /** since when every answer has said that the stream is lost, on the monotonic clock */
  #lostSinceMs: number | undefined;
  #answeredMs = performance.now();
  #closed = false;

  /** Asks nothing yet. @param replaced whether another stream is the log by now, as far as a server knows */
  constructor(private readonly nats: Nats, readonly id: string, private readonly replaced: () => Promise<boolean>) {}

  async publish(subject: string, bytes: Uint8Array, over: number | undefined): Promise<Published> {
    // a client without a server would keep it, and send it later
    if (!this.nats.connected) return { kind: "unknown", why: "no NATS server is connected" };
    const expect = over === undefined ? {} : { expect: { lastSubjectSequence: over } };
    try {
      const { seq } = await this.nats.client.publish(`${prefixOf(this.id)}.${subject}`, bytes, expect);
      return { kind: "stands", position: seq };
    } catch (error) {
      return verdictOf(error, over);
    }
  }

  tail(position: number, events: StreamEvents): void {
    this.#events = events;
    this.#from = position;
    void this.#look();
  }

  async state(): Promise<StreamState | undefined> {
    const info = await this.#info().catch(() => undefined);
    if (!info || !hasMajority(info)) return undefined;
    // without a message the server says 0 for the first one
    const { first_seq, last_seq } = info.state;
    return { id: this.id, first: first_seq || last_seq + 1, last: last_seq };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#looking);
    await this.#tail?.close();
  }

  #info(): Promise<StreamInfo> {
    return this.nats.manager.streams.info(nameOf(this.id));
  }

  /** Asks how far the stream is, again and again: what is read and heard of a single server may be of the past. */
  async #look(): Promise<void> {
    const why = this.nats.connected ? await this.#asked().catch(() => undefined) : undefined;
    if (this.#closed) return;
    const nowMs = performance.now();
    if (why === undefined) {
      if (nowMs - this.#answeredMs > LEAVE_MS) {
        this.#answeredMs = nowMs;
        this.nats.leave();
      }
    } else {
      this.#answeredMs = nowMs;
      this.#lostSinceMs = why ? this.#lostSinceMs ?? nowMs : undefined;
      if (why && nowMs - this.#lostSinceMs! >= LOST_MS) return this.#lose(why);
    }
    this.#looking = setTimeout(() => this.#look(), LOOK_MS);
  }

  /** @returns how the stream is lost, an empty text if it is not; undefined if nobody knows */
  async #asked(): Promise<string | undefined> {
    const read = this.#tail?.position ?? this.#from;
    let info: StreamInfo;
    try {
      info = await this.#info();
    } catch (error) {
      const { StreamNotFound } = JetStreamApiCodes;
      if (!(error instanceof JetStreamApiError && error.code === StreamNotFound)) return undefined;
      return await this.replaced() ? "another stream was begun in its place" : "it is not there any more";
    }
    if (this.#closed) return undefined;
    const tail = this.#tail ??= this.#follow(Math.max(read, (info.config.first_seq ?? 1) - 1));
    if (!hasMajority(info)) return undefined;
    this.isOverLimit = info.state.bytes >= limitOf(info.config.max_bytes);
    const last = info.state.last_seq;
    if (last < read) return `it ends at ${last}, where ${read} was read before`;
    tail.reach(last);
    return "";
  }

  #follow(position: number): Tail {
    const events = this.#events!;
    return new Tail(this.nats, nameOf(this.id), position, {
      read: (position, bytes) => this.nats.handOn(() => events.read(position, bytes)),
      reached: (position) => this.nats.handOn(() => events.heard(position)),
      lost: (why) => this.#lose(why),
    });
  }

  #lose(why: string): void {
    if (this.#closed) return;
    void this.close();
    this.nats.handOn(() => this.#events!.lost(why));
  }
}

/** Whether the leader that says this has heard a majority a moment ago. */
function hasMajority({ cluster, config }: StreamInfo): boolean {
  const heard = cluster?.replicas?.filter(({ active, offline }) => !offline && active > 0 && active < HEARD_NS) ?? [];
  return 2 * (1 + heard.length) > config.num_replicas;
}

function verdictOf(error: unknown, over: number | undefined): Published {
  if (error instanceof JetStreamApiError) {
    if (FULL_CODES.includes(error.code)) return { kind: "full" };
    if (error.code === STORE_FAILED && /^maximum (?:bytes|messages)/.test(error.message)) return { kind: "full" };
    const [, digits] = /: (\d+)$/.exec(error.message) ?? [];
    // a position that is not above the expected one is stale, or means that the server could not read its files
    if (error.code === JetStreamApiCodes.StreamWrongLastSequence && Number(digits) > over!) {
      return { kind: "overruled", position: Number(digits) };
    }
  }
  return { kind: "unknown", why: errorLine(error) };
}
