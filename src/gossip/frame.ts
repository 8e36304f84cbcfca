/**
 * What replicas say to each other over a byte stream: frames of a u32 length (of what follows it), a u8 version, a u8 type
 * and a payload, all big-endian. Every number but codes and attempts is a float64 that holds a whole number, so that
 * nothing here can exceed what the book counts exactly. There is one way to write a frame: what decodes, encodes to the
 * same bytes.
 * @module
 */
import { type Fact, type Processor, PROCESSORS, REASONS } from "../payment/fact.ts";
import { type ReplicaId, REPLICAS, SETTLED_ATTEMPT_MAX, STAGES } from "../payment/fact.ts";
import { code, type Field, flag, FrameError, id, nullable, number, struct } from "./field.ts";

/** The version of this format: another one is refused, since a cluster runs one version of Galo. */
export const FRAME_VERSION = 1;

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
  | { readonly type: "ping" };

const LENGTH_BYTES = 4;
/** length, version, type */
const HEADER_BYTES = LENGTH_BYTES + 2;

const replica = code(REPLICAS);
const processor = code(PROCESSORS);
const whole = number((value) => Number.isSafeInteger(value) && value >= 0);
const time = number((value) => Number.isSafeInteger(value) && Math.abs(value) <= TIME_MS_MAX);
const seqOnly = struct({ seq: whole });
const idOnly = struct({ id: whole });

const FACT = struct<Fact>({
  id,
  cents: number((value) => Number.isSafeInteger(value) && value > 0),
  acceptedAt: time,
  owner: replica,
  stage: code(STAGES),
  attempt: {
    bytes: 4,
    is: (value) => value >>> 0 === value,
    read: (view, at) => view.getUint32(at),
    write: (view, at, value) => view.setUint32(at, value),
  },
  processor: code([null, ...PROCESSORS]),
  requestedAt: time,
  doubt: code([0b00, 0b01, 0b10, 0b11]),
  doubtUntil: time,
  reason: code(REASONS),
});

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
    FACT.write(view, at, checkFact(fact));
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
    facts.push(checkFact(FACT.read(view, at)));
  }
  return { ...frame, facts };
}

const bound = (fact: Fact) => fact.processor !== null && fact.attempt > 0;

/** What holds between the fields of a fact. */
const HOLDS: Readonly<Record<Fact["stage"], (fact: Fact) => boolean>> = {
  accepted: ({ processor, attempt, requestedAt }) => processor === null && attempt === 0 && requestedAt === 0,
  dispatched: bound,
  released: bound,
  // perhaps in attempt 0: a suspect payment is found booked after the fact of its first attempt was lost in a crash
  settled: ({ processor, attempt, doubt, doubtUntil }) =>
    processor !== null && attempt <= SETTLED_ATTEMPT_MAX && doubt === 0 && doubtUntil === 0,
};

function checkFact(fact: Fact): Fact {
  if (HOLDS[fact.stage](fact)) return fact;
  const { stage, attempt, processor, requestedAt, doubt, doubtUntil } = fact;
  const says = { attempt, processor, requestedAt, doubt, doubtUntil };
  throw new FrameError(`a fact cannot be ${stage} with ${JSON.stringify(says)}`);
}
