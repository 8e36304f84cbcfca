import assert from "node:assert/strict";
import fc from "fast-check";
import { type Processor, PROCESSORS, REPLICAS } from "../../src/payment/fact.ts";
import {
  Decoder,
  encode,
  type Frame,
  FRAME_BYTES_MAX,
  FRAME_VERSION,
  FrameError,
  STATUS_VERSION,
} from "../../src/peer/frame.ts";

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const PROGRESS: Frame = { type: "progress", position: 16_777_280, stored: 16_777_217 };
const STATUS: Frame = {
  type: "status",
  at: 1_751_328_000_000,
  ...{ posts: 120, failed: 1, medianMs: 1.5, p99Ms: 9.25, queue: 3, inFlightDefault: 2, inFlightFallback: 0 },
  ...{ store: "ready", storeLagMs: 12, memoryBytes: 80_000_000 },
};
/** Where a type's code stands, and the version of a status. */
const [TYPE_AT, STATUS_VERSION_AT] = [5, 6];

const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true });
const type = <T extends string>(name: T) => fc.constant(name);
const whole = fc.maxSafeNat();
const some = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });

const frame: fc.Arbitrary<Frame> = fc.oneof(
  record({ type: type("hello"), replica: fc.constantFrom(...REPLICAS), incarnation: fc.uuid() }),
  record({ type: type("progress"), position: whole, stored: whole }),
  record({
    type: type("checkpoint"),
    since: whole,
    position: whole,
    hash: whole,
    deltas: fc.array(fc.maxSafeInteger(), { minLength: 4, maxLength: 4 }),
  }),
  record({
    type: type("health"),
    processor: fc.constantFrom<Processor[]>(...PROCESSORS),
    failing: fc.boolean(),
    minResponseMs: some,
  }),
  record({
    type: type("status"),
    at: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
    ...{ posts: whole, failed: whole, queue: whole, inFlightDefault: whole, inFlightFallback: whole },
    ...{ medianMs: some, p99Ms: some, storeLagMs: some, memoryBytes: whole },
    store: fc.constantFrom("none", "connecting", "ready", "unavailable"),
  }),
  record({ type: type("ping") }),
);

function joined(frames: readonly Frame[]): Uint8Array {
  return new Uint8Array(frames.flatMap((frame) => [...encode(frame)]));
}

/** What a decoder makes of bytes that come in pieces; a FrameError ends it, anything else is for the test to fail by. */
function decoded(pieces: Iterable<Uint8Array>): { frames: Frame[]; error: FrameError | undefined } {
  const decoder = new Decoder();
  const frames: Frame[] = [];
  try {
    for (const piece of pieces) frames.push(...decoder.push(piece));
    return { frames, error: undefined };
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    assert.match(error.message, /^[^\n]{5,160}$/, "one clear line");
    return { frames, error };
  }
}

/** Bytes in pieces that end at these places. */
function* split(bytes: Uint8Array, cuts: readonly number[]): Iterable<Uint8Array> {
  let from = 0;
  for (const cut of cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b)) {
    yield bytes.slice(from, from = cut);
  }
  yield bytes.slice(from);
}

function assertRefused(bytes: Uint8Array, message: string): void {
  const { frames, error } = decoded([bytes]);
  assert.deepEqual(frames, []);
  assert.equal(error?.message, message);
}

/** A status as a later version might have it: its version, and so many bytes of which nothing is known here. */
function foreignStatus(version: number, length: number): Uint8Array {
  const bytes = new Uint8Array(STATUS_VERSION_AT + 1 + length).fill(0xff);
  new DataView(bytes.buffer).setUint32(0, bytes.length - 4);
  bytes.set([FRAME_VERSION, encode(STATUS)[TYPE_AT]!, version], 4);
  return bytes;
}

Deno.test("frames come out as they went in, wherever the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, cuts) => {
      assert.deepEqual(decoded(split(joined(frames), cuts)), { frames, error: undefined });
    }),
    { numRuns: 500 },
  );
});

Deno.test("frames come out of a stream that arrives byte by byte", () => {
  fc.assert(fc.property(fc.array(frame, { maxLength: 4 }), (frames) => {
    assert.deepEqual(decoded(Array.from(joined(frames), (byte) => Uint8Array.of(byte))), { frames, error: undefined });
  }));
});

Deno.test("a frame comes out with its last byte, not later", () => {
  fc.assert(fc.property(frame, (frame) => {
    const decoder = new Decoder();
    const bytes = encode(frame);
    assert.deepEqual(decoder.push(bytes.subarray(0, -1)), []);
    assert.deepEqual(decoder.push(bytes.subarray(-1)), [frame]);
  }));
});

Deno.test("a frame takes as many bytes as its fields when it is written", () => {
  assert.equal(encode({ type: "ping" }).length, 6);
  assert.equal(encode({ type: "hello", replica: "a", incarnation: ID }).length, 6 + 1 + 16);
  assert.equal(encode(PROGRESS).length, 6 + 2 * 8);
  assert.equal(encode({ type: "checkpoint", since: 0, position: 64, hash: 1, deltas: [0, 0, 0, 0] }).length, 6 + 7 * 8);
});

Deno.test("a decoder may be handed the same buffer again and again", () => {
  const bytes = encode(STATUS);
  const buffer = new Uint8Array(10);
  const decoder = new Decoder();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += buffer.length) {
    const piece = bytes.subarray(at, at + buffer.length);
    buffer.set(piece);
    frames.push(...decoder.push(buffer.subarray(0, piece.length)));
    buffer.fill(0xff);
  }
  assert.deepEqual(frames, [STATUS]);
});

Deno.test("whatever the bytes, they are frames that encode to the same bytes, or a FrameError", () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    // what begins like a frame gets further
    fc.tuple(fc.nat(120), fc.nat(6), fc.uint8Array({ maxLength: 400 })).map(([length, type, rest]) =>
      Uint8Array.of(0, 0, 0, length, FRAME_VERSION, type, ...rest)
    ),
  );
  fc.assert(
    fc.property(garbage, fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
      const { frames } = decoded(split(bytes, cuts));
      const again = joined(frames);
      assert.deepEqual(again, bytes.slice(0, again.length));
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("a frame with one bit flipped is another frame, an unfinished one or a FrameError, never a nonsense field", () => {
  fc.assert(
    fc.property(frame, fc.nat(), (frame, bit) => {
      const bytes = encode(frame);
      bit %= bytes.length * 8;
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const { frames, error } = decoded([bytes]);
      const skipped = bytes[TYPE_AT] === encode(STATUS)[TYPE_AT] && bytes[STATUS_VERSION_AT] !== STATUS_VERSION;
      // encode() asserts every field once more
      if (frames.length > 0) assert.deepEqual(joined(frames), bytes);
      else assert.ok(error || bit < 32 || skipped, "only a length can leave a frame unfinished");
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("a frame is waited for when it is cut, and a stream that goes on after a cut is refused or read as frames", () => {
  fc.assert(
    fc.property(frame, fc.nat(), fc.array(frame, { maxLength: 3 }), (first, cut, rest) => {
      const bytes = encode(first);
      const start = bytes.subarray(0, cut % bytes.length);
      assert.deepEqual(decoded([start]), { frames: [], error: undefined });
      decoded([start, joined(rest)]);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("another version is refused by name, before anything else of the frame is looked at", () => {
  for (const version of [0, FRAME_VERSION - 1, FRAME_VERSION + 1, 255]) {
    assertRefused(
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, version, 0xff),
      `frame format version ${version}, not ${FRAME_VERSION}`,
    );
  }
});

Deno.test("an unknown type and a length that is not its type's are refused with the header", () => {
  assertRefused(Uint8Array.of(0, 0, 0, 2, FRAME_VERSION, 99), "frame of unknown type 99");
  for (const length of [0, 1, 17, 19, 0x7fffffff, 0xfffffffb]) {
    const header = new DataView(new ArrayBuffer(6));
    header.setUint32(0, length);
    header.setUint8(4, FRAME_VERSION);
    header.setUint8(5, encode(PROGRESS)[TYPE_AT]!);
    assertRefused(new Uint8Array(header.buffer), `frame "progress" of ${length + 4} bytes`);
  }
});

Deno.test("a status of another version is skipped, however long, and what follows it is read", () => {
  for (const [version, length] of [[STATUS_VERSION + 1, 0], [0, 5], [255, FRAME_BYTES_MAX - 7]] as const) {
    const bytes = Uint8Array.of(...foreignStatus(version, length), ...encode(PROGRESS));
    assert.deepEqual(decoded([bytes]), { frames: [PROGRESS], error: undefined });
  }
});

Deno.test("a status that is too long, too short or of a length that is not its version's is refused", () => {
  assertRefused(foreignStatus(2, FRAME_BYTES_MAX - 6), `frame "status" of ${FRAME_BYTES_MAX + 1} bytes`);
  assertRefused(Uint8Array.of(0, 0, 0, 2, FRAME_VERSION, encode(STATUS)[TYPE_AT]!), 'frame "status" of 6 bytes');
  assertRefused(foreignStatus(STATUS_VERSION, 3), 'frame "status" of 10 bytes');
});

Deno.test("a broken stream stays broken", () => {
  const decoder = new Decoder();
  assert.throws(() => decoder.push(Uint8Array.of(0, 0, 0, 2, 9, 9)), FrameError);
  assert.throws(() => decoder.push(encode({ type: "ping" })), FrameError);
});

Deno.test("frames with fields out of range are not sent", () => {
  const checkpoint = { type: "checkpoint", since: 0, position: 64, hash: 1, deltas: [0, 0, 0, 0] } as const;
  const wrong: [Frame, string][] = [
    [{ type: "progress", position: -1, stored: 0 }, "position cannot be -1"],
    [{ type: "progress", position: 1, stored: 0.5 }, "stored cannot be 0.5"],
    [{ ...checkpoint, since: NaN }, "since cannot be NaN"],
    [{ ...checkpoint, hash: 2 ** 53 }, "hash cannot be 9007199254740992"],
    [{ ...checkpoint, deltas: [0, 0, 0] }, "deltas cannot be 0,0,0"],
    [{ ...checkpoint, deltas: [0, 0, 0, 0.5] }, "deltas cannot be 0,0,0,0.5"],
    [{ type: "health", processor: "default", failing: false, minResponseMs: -1 }, "minResponseMs cannot be -1"],
    [
      { type: "health", processor: "default", failing: false, minResponseMs: Infinity },
      "minResponseMs cannot be Infinity",
    ],
    [{ type: "hello", replica: "c" as "a", incarnation: ID }, "replica cannot be c"],
    [{ type: "hello", replica: "a", incarnation: ID.toUpperCase() }, `not a canonical id: ${ID.toUpperCase()}`],
    [{ ...STATUS, at: 0.5 }, "at cannot be 0.5"],
    [{ ...STATUS, store: "gone" as "none" }, "store cannot be gone"],
  ];
  for (const [frame, message] of wrong) assert.throws(() => encode(frame), { name: "FrameError", message });
});
