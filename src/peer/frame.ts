/**
 * What replicas say to each other over a byte stream: frames of a u32 length (of what follows it), a u8 version, a u8 type
 * and a payload, all big-endian. Every number but codes and attempts is a float64 that holds a whole number, so that
 * nothing here can exceed what the book counts exactly. There is one way to write a frame: what decodes, encodes to the
 * same bytes.
 * @module
 */
import { type Fact, type Processor, PROCESSORS, REASONS } from "../payment/fact.ts";
import { type ReplicaId, REPLICAS, SETTLED_ATTEMPT_MAX, STAGES, SUSPECT } from "../payment/fact.ts";
import type { Status } from "../telemetry/metrics.ts";
import { code, type Field, flag, FrameError, id, nullable, number, struct } from "./field.ts";

/** The version of this format: another one is refused, since a cluster runs one version of Galo. */
export const FRAME_VERSION = 2;

/** Facts in one frame. */
export const FACTS_PER_FRAME_MAX = 256;

/** How far from 1970 a `Date` reaches, in milliseconds. */
const TIME_MS_MAX = 8_640_000_000_000_000;

export { FrameError };

/** One message. Seqs count the facts and epochs of one sender's stream; epochs, seqs and ids are whole and not negative. */
export type Frame =
  /** The first frame either way; `seen` is how far of the receiver's stream the sender holds, null for nothing at all. */
  | {
    readonly type: "hello";
    readonly replica: ReplicaId;
    /** a UUID of this life of the process */
    readonly incarnation: string;
    readonly epoch: number;
    /** whether the sender knows everything that was acknowledged before this life */
    readonly complete: boolean;
    readonly seen: { readonly incarnation: string; readonly seq: number } | null;
  }
  /** From one to {@link FACTS_PER_FRAME_MAX} facts of `epoch`; `seq` is the last one's. */
  | { readonly type: "facts"; readonly seq: number; readonly epoch: number; readonly facts: readonly Fact[] }
  /** A new epoch has begun. */
  | { readonly type: "epoch"; readonly seq: number; readonly epoch: number }
  /** The end of what `hello` asked for. */
  | { readonly type: "caught-up"; readonly seq: number }
  /** The sender holds the receiver's stream up to `seq`. */
  | { readonly type: "ack"; readonly seq: number }
  /** The summary's round trip. */
  | { readonly type: "ask"; readonly id: number }
  | { readonly type: "answer"; readonly id: number }
  /** The sender's store holds the sender's own stream up to `seq`. */
  | { readonly type: "stored"; readonly seq: number }
  /** What `service-health` said to the sender at `at`, in milliseconds since 1970. */
  | {
    readonly type: "health";
    readonly processor: Processor;
    readonly failing: boolean;
    /** milliseconds, not negative, not necessarily whole */
    readonly minResponseMs: number;
    readonly at: number;
  }
  /** The sender let go of this replica's lock. */
  | { readonly type: "yield"; readonly replica: ReplicaId }
  | { readonly type: "ping" }
  /** For so long, in milliseconds, an id that comes again may have been acknowledged and lost in a crash of everything. */
  | { readonly type: "recall"; readonly ms: number }
  /** How the sender is, for people who ask its peer. */
  | { readonly type: "status" } & Status;

const LENGTH_BYTES = 4;
/** length, version, type */
const HEADER_BYTES = LENGTH_BYTES + 2;

const replica = code(REPLICAS);
const processor = code(PROCESSORS);
const isTime = (value: number) => Number.isSafeInteger(value) && Math.abs(value) <= TIME_MS_MAX;
const whole = number((value) => Number.isSafeInteger(value) && value >= 0);
const time = number(isTime);
const some = number((value) => value >= 0 && value <= Number.MAX_SAFE_INTEGER);
const seqOnly = struct({ seq: whole });
const idOnly = struct({ id: whole });

/** Where a fact may be bound; the position is the code. */
const PLACES = [null, ...PROCESSORS];

/** A fact: written out field by field, since batches of them are what the link is for. */
const FACT: Field<Fact> = {
  bytes: id.bytes + 8 + 3 * 8 + 4 + 5,
  read: (view, at) =>
    checkFact({
      id: id.read(view, at),
      cents: view.getFloat64(at + 16),
      acceptedAt: view.getFloat64(at + 24),
      owner: REPLICAS[view.getUint8(at + 52)]!,
      stage: STAGES[view.getUint8(at + 53)]!,
      attempt: view.getUint32(at + 48),
      processor: PLACES[view.getUint8(at + 54)]!,
      requestedAt: view.getFloat64(at + 32),
      doubt: view.getUint8(at + 55),
      doubtUntil: view.getFloat64(at + 40),
      reason: REASONS[view.getUint8(at + 56)]!,
    }),
  write(view, at, fact) {
    checkFact(fact);
    id.write(view, at, fact.id);
    view.setFloat64(at + 16, fact.cents);
    view.setFloat64(at + 24, fact.acceptedAt);
    view.setFloat64(at + 32, fact.requestedAt);
    view.setFloat64(at + 40, fact.doubtUntil);
    view.setUint32(at + 48, fact.attempt);
    view.setUint8(at + 52, REPLICAS.indexOf(fact.owner));
    view.setUint8(at + 53, STAGES.indexOf(fact.stage));
    view.setUint8(at + 54, PLACES.indexOf(fact.processor));
    view.setUint8(at + 55, fact.doubt);
    view.setUint8(at + 56, REASONS.indexOf(fact.reason));
  },
};

/** The payload of every type of frame, of `facts` what precedes them; the position is the type's code on the wire. */
const PAYLOADS: { readonly [T in Frame["type"]]: Field<Omit<Frame & { type: T }, "type" | "facts">> } = {
  hello: struct({
    replica,
    incarnation: id,
    epoch: whole,
    complete: flag,
    seen: nullable(struct({ incarnation: id, seq: whole })),
  }),
  facts: struct({ seq: whole, epoch: whole }),
  epoch: struct({ seq: whole, epoch: whole }),
  "caught-up": seqOnly,
  ack: seqOnly,
  ask: idOnly,
  answer: idOnly,
  stored: seqOnly,
  health: struct({ processor, failing: flag, minResponseMs: number((ms) => ms >= 0 && ms <= TIME_MS_MAX), at: time }),
  yield: struct({ replica }),
  ping: struct({}),
  recall: struct({ ms: whole }),
  status: struct({
    at: time,
    posts: whole,
    failed: whole,
    medianMs: some,
    p99Ms: some,
    queue: whole,
    inFlightDefault: whole,
    inFlightFallback: whole,
    store: code(["none", "connecting", "ready", "unavailable"]),
    storeLagMs: some,
    memoryBytes: whole,
  }),
};
const TYPES = Object.keys(PAYLOADS) as Frame["type"][];

/** The longest frame, its length included: one of {@link FACTS_PER_FRAME_MAX} facts. A decoder buffers that much. */
export const FRAME_BYTES_MAX = HEADER_BYTES + PAYLOADS.facts.bytes + FACTS_PER_FRAME_MAX * FACT.bytes;

/**
 * The bytes of a frame.
 *
 * @throws {FrameError} where a field is what no {@link Decoder} would take: a broken invariant of the caller
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(new Decoder().push(encode({ type: "ack", seq: 7 })), [{ type: "ack", seq: 7 }]);
 * ```
 */
export function encode(frame: Frame): Uint8Array<ArrayBuffer> {
  const payload = PAYLOADS[frame.type] as Field<unknown>;
  const facts = frame.type === "facts" ? frame.facts : [];
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + payload.bytes + facts.length * FACT.bytes));
  view.setUint32(0, view.byteLength - LENGTH_BYTES);
  view.setUint8(LENGTH_BYTES, FRAME_VERSION);
  view.setUint8(LENGTH_BYTES + 1, TYPES.indexOf(frame.type));
  sizeOf(view);
  payload.write(view, HEADER_BYTES, frame);
  let at = HEADER_BYTES + payload.bytes;
  for (const fact of facts) {
    FACT.write(view, at, fact);
    at += FACT.bytes;
  }
  return new Uint8Array(view.buffer);
}

/** Turns a byte stream, in pieces of any size, back into frames. */
export class Decoder {
  #frame = new Uint8Array(FRAME_BYTES_MAX);
  #view = new DataView(this.#frame.buffer);
  #filled = 0;

  /**
   * Takes the next bytes of the stream; they may be reused afterwards.
   *
   * @returns the frames that are complete with them
   * @throws {FrameError} where the bytes are no frame; from then on at every call, since nobody knows where the next begins
   */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = this.#filled < HEADER_BYTES ? HEADER_BYTES : sizeOf(this.#view);
      const piece = bytes.subarray(at, at + size - this.#filled);
      this.#frame.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled < HEADER_BYTES || this.#filled < sizeOf(this.#view)) continue;
      frames.push(decode(this.#view, this.#filled));
      // not reached by what is broken: it stays, so every later call throws as well
      this.#filled = 0;
    }
    return frames;
  }
}

/** The size of a frame, its length included, as its header says; the rest of the frame need not be there. */
function sizeOf(view: DataView): number {
  const size = LENGTH_BYTES + view.getUint32(0);
  const version = view.getUint8(LENGTH_BYTES);
  if (version !== FRAME_VERSION) throw new FrameError(`frame format version ${version}, not ${FRAME_VERSION}`);
  const type = TYPES[view.getUint8(LENGTH_BYTES + 1)];
  if (type === undefined) throw new FrameError(`frame of unknown type ${view.getUint8(LENGTH_BYTES + 1)}`);
  const rest = size - HEADER_BYTES - PAYLOADS[type].bytes;
  const fits = type === "facts" ? rest > 0 && rest % FACT.bytes === 0 && size <= FRAME_BYTES_MAX : rest === 0;
  if (!fits) throw new FrameError(`frame "${type}" of ${size} bytes`);
  return size;
}

function decode(view: DataView, size: number): Frame {
  const type = TYPES[view.getUint8(LENGTH_BYTES + 1)]!;
  const payload = PAYLOADS[type] as Field<object>;
  const frame = { type, ...payload.read(view, HEADER_BYTES) } as Frame;
  if (frame.type !== "facts") return frame;
  const facts: Fact[] = [];
  for (let at = HEADER_BYTES + payload.bytes; at < size; at += FACT.bytes) {
    facts.push(FACT.read(view, at));
  }
  return { ...frame, facts };
}

/** Throws where a field is out of range, or where fields contradict each other. */
function checkFact(fact: Fact): Fact {
  const { cents, acceptedAt, owner, attempt, processor, requestedAt, doubt, doubtUntil, reason } = fact;
  const fields = Number.isSafeInteger(cents) && cents > 0 && isTime(acceptedAt) && isTime(requestedAt) &&
    isTime(doubtUntil) && attempt >>> 0 === attempt && (doubt & SUSPECT) === doubt &&
    REPLICAS.includes(owner) && PLACES.includes(processor) && REASONS.includes(reason);
  if (fields && agree(fact)) return fact;
  throw new FrameError(`a fact cannot be ${JSON.stringify(fact)}`);
}

function agree({ stage, attempt, processor, requestedAt, doubt, doubtUntil }: Fact): boolean {
  switch (stage) {
    case "accepted":
      return processor === null && attempt === 0 && requestedAt === 0;
    case "dispatched":
    case "released":
      return processor !== null && attempt > 0;
    case "settled":
      // perhaps in attempt 0: a suspect payment is found booked after the fact of its first attempt was lost in a crash
      return processor !== null && attempt <= SETTLED_ATTEMPT_MAX && doubt === 0 && doubtUntil === 0;
    default:
      return false;
  }
}
