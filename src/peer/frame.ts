/** The frames that replicas send each other over a byte stream: one line of JSON each. @module */
import { z } from "@zod/zod";
import { PROCESSORS } from "../payment/fact.ts";

/** The version of this format. A peer of another version is disconnected, since its frames cannot be read. */
export const FRAME_VERSION = 4;

/** The version of the status. A status of another version is skipped, since only the live page misses it. */
export const STATUS_VERSION = 2;

/** The longest frame, with its newline, in characters: a status of a later version may be longer than ours, and a checkpoint has four figures for each replica. No more is buffered. */
export const FRAME_LENGTH_MAX = 4_096;

/** The beginning of a line that is no frame, whatever follows. */
const BROKEN = "\0";

/** A message that came, or is to be sent, is not a frame. The error is one line; the stream cannot be read on. */
export class FrameError extends Error {
  /** what a stack shows */
  override name = "FrameError";
}

const natural = z.int().nonnegative();
const decimal = z.number().nonnegative();

/** One message. Members that are not known are skipped. */
const frameSchema = z.discriminatedUnion("type", [
  // the first frame in each direction; the others need no version, since they come after it
  z.object({ type: z.literal("hello"), version: z.literal(FRAME_VERSION), replica: z.string() }),
  z.object({ type: z.literal("ping") }),
  // how far the sender is
  z.object({ type: z.literal("progress"), position: natural, stored: natural }),
  // what the sender had folded at a position
  z.object({
    type: z.literal("checkpoint"),
    ...{ position: natural, hash: natural },
    settled: z.array(natural).readonly(),
  }),
  // the newest `service-health` answer to the sender
  z.object({ type: z.literal("health"), processor: z.enum(PROCESSORS), failing: z.boolean(), minResponseMs: decimal }),
  // the sender's status, every second, for the peer's live page; times in milliseconds
  z.object({
    ...{ type: z.literal("status"), version: z.literal(STATUS_VERSION) },
    // since 1970, UTC; within the range of `Date`
    at: z.int().min(-8_640_000_000_000_000).max(8_640_000_000_000_000),
    // whether `POST /payments` is answered 202 there
    ready: z.boolean(),
    // requests of `POST /payments` that were answered, those of them with a 5xx, a second; and of their times, 0 without one
    ...{ posts: natural, failed: natural, medianMs: decimal, p99Ms: decimal },
    // payments in its hands that wait for a call, and calls
    ...{ queue: natural, inFlightDefault: natural, inFlightFallback: natural },
    // the lag: the age of the oldest change that is not stored
    ...{ store: z.enum(["none", "connecting", "ready", "unavailable"]), storeLagMs: decimal, memoryBytes: natural },
  }),
]);

/** One message from a replica to another. */
export type Frame = z.infer<typeof frameSchema>;

/** How far a replica has read the log, and how far it knows the store to hold it; 0 if it does not know. */
export type Progress = Pick<Frame & { type: "progress" }, "position" | "stored">;

/** The status of a replica. */
export type Status = Omit<Frame & { type: "status" }, "type" | "version">;

/**
 * The bytes of frames.
 *
 * @throws {FrameError} if a {@link Decoder} would not accept a field: a broken invariant of the caller
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * const frame = { type: "progress", position: 7, stored: 5 } as const;
 * assert.deepEqual(new Decoder().push(encode(frame)), [frame]);
 * ```
 */
export function encode(...frames: readonly Frame[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(frames.map((frame) => `${JSON.stringify(checked(frame))}\n`).join(""));
}

/** Turns a byte stream, in pieces of any size, back into frames. */
export class Decoder {
  readonly #text = new TextDecoder();
  #line = "";

  /**
   * Takes the next bytes of the stream; they may be reused afterwards.
   *
   * @returns the frames that are complete with them, without a status of another version
   * @throws {FrameError} if the bytes are no frame; no frame comes out from then on
   */
  push(bytes: Uint8Array): Frame[] {
    const lines = (this.#line + this.#text.decode(bytes, { stream: true })).split("\n");
    this.#line = BROKEN;
    if (lines.some(({ length }) => length >= FRAME_LENGTH_MAX)) {
      throw new FrameError(`a frame of more than ${FRAME_LENGTH_MAX} characters`);
    }
    const rest = lines.pop()!;
    const frames = lines.map(decode).filter((frame) => frame !== undefined);
    this.#line = rest;
    return frames;
  }
}

/** @returns undefined for a status of another version */
function decode(line: string): Frame | undefined {
  let value;
  try {
    value = JSON.parse(line);
  } catch {
    // a text is no frame either
    value = line;
  }
  return value?.type === "status" && value.version !== STATUS_VERSION ? undefined : checked(value);
}

function checked(value: unknown): Frame {
  const { data, error } = frameSchema.safeParse(value);
  if (data) return data;
  const { path, message } = error.issues[0]!;
  const shown = JSON.stringify(value).slice(0, 80);
  throw new FrameError(`no frame of version ${FRAME_VERSION}: ${[...path, message].join(": ")}: ${shown}`);
}
