/**
 * What replicas say to each other over a byte stream: frames of a u32 length (of what follows it), a u8 version, a u8 type
 * and a payload, all big-endian. Every number but codes is a float64. There is one way to write a frame: what decodes,
 * encodes to the same bytes.
 * @module
 */
import { type Processor, PROCESSORS, type ReplicaId, REPLICAS } from "../payment/fact.ts";
import type { Health } from "../routing/processor_client.ts";
import type { Status } from "../telemetry/metrics.ts";
import { code, type Field, flag, FrameError, id, number, numbers, struct } from "./field.ts";
import type { Progress, Told } from "./link.ts";

/** The version of this format. A frame of another one costs the connection: nobody knows what it says. */
export const FRAME_VERSION = 3;

/** The version of what {@link Status} is made of. A status of another one is skipped, since only people miss it. */
export const STATUS_VERSION = 1;

/** The longest frame, its length included, in bytes: room for a status of a later version. A decoder buffers that much. */
export const FRAME_BYTES_MAX = 1_024;

/** How far from 1970 a `Date` reaches, in milliseconds. */
const TIME_MS_MAX = 8_640_000_000_000_000;

export { FrameError };

/** One message. */
export type Frame =
  /** The first frame either way; `incarnation` is a UUID of this life of the process. */
  | { readonly type: "hello"; readonly replica: ReplicaId; readonly incarnation: string }
  /** How far the sender is. */
  | { readonly type: "progress" } & Progress
  /** What the sender had folded at a place. */
  | { readonly type: "checkpoint" } & Told
  /** What `service-health` said to the sender just now. */
  | { readonly type: "health"; readonly processor: Processor } & Health
  /** How the sender is, for people who ask its peer. */
  | { readonly type: "status" } & Status
  | { readonly type: "ping" };

const LENGTH_BYTES = 4;
/** length, version, type */
const HEADER_BYTES = LENGTH_BYTES + 2;

const whole = number((value) => Number.isSafeInteger(value) && value >= 0);
const some = number((value) => value >= 0 && Number.isFinite(value));

const status = struct<Status>({
  at: number((value) => Number.isSafeInteger(value) && Math.abs(value) <= TIME_MS_MAX),
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
});

/** The payload of every type of frame; the position is the type's code on the wire. */
const PAYLOADS: { readonly [T in Frame["type"]]: Field<Omit<Frame & { type: T }, "type">> } = {
  hello: struct({ replica: code(REPLICAS), incarnation: id }),
  progress: struct<Progress>({ position: whole, stored: whole }),
  checkpoint: struct<Told>({
    since: whole,
    position: whole,
    hash: whole,
    deltas: numbers(4, (value) => Number.isSafeInteger(value)),
  }),
  health: struct({ processor: code(PROCESSORS), failing: flag, minResponseMs: some }),
  status: {
    bytes: 1 + status.bytes,
    read: (view, at) => status.read(view, at + 1),
    write(view, at, value) {
      view.setUint8(at, STATUS_VERSION);
      status.write(view, at + 1, value);
    },
  },
  ping: struct({}),
};
const TYPES = Object.keys(PAYLOADS) as Frame["type"][];

/**
 * The bytes of a frame.
 *
 * @throws {FrameError} where a field is what no {@link Decoder} would take: a broken invariant of the caller
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const frame = { type: "progress", position: 7, stored: 5 } as const;
 * assert.deepEqual(new Decoder().push(encode(frame)), [frame]);
 * ```
 */
export function encode(frame: Frame): Uint8Array<ArrayBuffer> {
  const payload = PAYLOADS[frame.type] as Field<unknown>;
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + payload.bytes));
  view.setUint32(0, view.byteLength - LENGTH_BYTES);
  view.setUint8(LENGTH_BYTES, FRAME_VERSION);
  view.setUint8(LENGTH_BYTES + 1, TYPES.indexOf(frame.type));
  payload.write(view, HEADER_BYTES, frame);
  return new Uint8Array(view.buffer);
}

/** Turns a byte stream, in pieces of any size, back into frames. */
export class Decoder {
  readonly #frame = new Uint8Array(FRAME_BYTES_MAX);
  readonly #view = new DataView(this.#frame.buffer);
  #filled = 0;

  /**
   * Takes the next bytes of the stream; they may be reused afterwards.
   *
   * @returns the frames that are complete with them, without a status of another version
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
      const frame = decode(this.#view, this.#filled);
      if (frame) frames.push(frame);
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
  // how long a status of another version is, nobody here knows
  const fits = type === "status" ? size > HEADER_BYTES && size <= FRAME_BYTES_MAX : size === bytesOf(type);
  if (!fits) throw new FrameError(`frame "${type}" of ${size} bytes`);
  return size;
}

function bytesOf(type: Frame["type"]): number {
  return HEADER_BYTES + PAYLOADS[type].bytes;
}

/** @returns undefined for a status of another version */
function decode(view: DataView, size: number): Frame | undefined {
  const type = TYPES[view.getUint8(LENGTH_BYTES + 1)]!;
  if (type === "status" && view.getUint8(HEADER_BYTES) !== STATUS_VERSION) return undefined;
  if (size !== bytesOf(type)) throw new FrameError(`frame "${type}" of ${size} bytes`);
  return { type, ...(PAYLOADS[type] as Field<object>).read(view, HEADER_BYTES) } as Frame;
}
