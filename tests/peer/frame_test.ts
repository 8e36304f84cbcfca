import assert from "node:assert/strict";
import fc from "fast-check";
import { type Processor, PROCESSORS } from "../../src/payment/fact.ts";
import {
  Decoder,
  encode,
  type Frame,
  FRAME_LENGTH_MAX,
  FRAME_VERSION,
  FrameError,
  STATUS_VERSION,
} from "../../src/peer/frame.ts";
import { PAIR } from "../support/pair.ts";

const PING: Frame = { type: "ping" };
const PROGRESS: Frame = { type: "progress", position: 16_777_280, stored: 16_777_217 };
const CHECKPOINT: Frame = { type: "checkpoint", position: 64, hash: 1, settled: [1, 10, 0, 0, 2, 20, 0, 0] };
const STATUS: Frame = {
  ...{ type: "status", version: STATUS_VERSION, at: 1_751_328_000_000, ready: true },
  ...{ posts: 120, failed: 1, medianMs: 1.5, p99Ms: 9.25, queue: 3, inFlightDefault: 2, inFlightFallback: 0 },
  ...{ store: "ready", storeLagMs: 12, memoryBytes: 80_000_000 },
};

const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true });
const constant = <const T>(value: T) => fc.constant(value);
const whole = fc.maxSafeNat();
const some = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });

const frame: fc.Arbitrary<Frame> = fc.oneof(
  record({ type: constant("hello"), version: constant(FRAME_VERSION), replica: fc.constantFrom(...PAIR.names) }),
  record({ type: constant("progress"), position: whole, stored: whole }),
  record({
    ...{ type: constant("checkpoint"), position: whole, hash: whole },
    settled: fc.array(whole, { minLength: 8, maxLength: 8 }),
  }),
  record({
    ...{ type: constant("health"), failing: fc.boolean(), minResponseMs: some },
    processor: fc.constantFrom<Processor[]>(...PROCESSORS),
  }),
  record({
    ...{ type: constant("status"), version: constant(STATUS_VERSION) },
    ready: fc.boolean(),
    at: fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 }),
    ...{ posts: whole, failed: whole, queue: whole, inFlightDefault: whole, inFlightFallback: whole },
    ...{ medianMs: some, p99Ms: some, storeLagMs: some, memoryBytes: whole },
    store: fc.constantFrom("none", "connecting", "ready", "unavailable"),
  }),
  constant(PING),
);

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/**
 * What a decoder makes of bytes that come in pieces; a FrameError ends it, anything else is for the test to fail by.
 */
function decoded(pieces: Iterable<Uint8Array>): { frames: Frame[]; error: FrameError | undefined } {
  const decoder = new Decoder();
  const frames: Frame[] = [];
  try {
    for (const piece of pieces) frames.push(...decoder.push(piece));
    return { frames, error: undefined };
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    assert.match(error.message, /^[^\n]{5,250}$/, "one clear line");
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

/**
 * Whether these can be sent: encode() checks every field. Bytes are compared, since JSON has a -0, and sends it as 0.
 */
function assertFrames(frames: readonly Frame[]): void {
  const bytes = encode(...frames);
  assert.deepEqual(encode(...decoded([bytes]).frames), bytes);
}

function assertRefused(line: string, why: string): void {
  const { frames, error } = decoded([bytesOf(`${line}\n`)]);
  assert.deepEqual(frames, []);
  assert.equal(error?.message, `no frame of version ${FRAME_VERSION}: ${why}`);
}

Deno.test("frames come out as they went in, wherever the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, cuts) => {
      assert.deepEqual(decoded(split(encode(...frames), cuts)), { frames, error: undefined });
    }),
    { numRuns: 500 },
  );
});

Deno.test("frames come out of a stream that arrives byte by byte", () => {
  fc.assert(fc.property(fc.array(frame, { maxLength: 4 }), (frames) => {
    assert.deepEqual(decoded(Array.from(encode(...frames), (byte) => Uint8Array.of(byte))), {
      frames,
      error: undefined,
    });
  }));
});

Deno.test("a frame comes out with its last byte, and is never longer than FRAME_LENGTH_MAX", () => {
  fc.assert(fc.property(frame, (frame) => {
    const decoder = new Decoder();
    const bytes = encode(frame);
    assert.ok(bytes.length <= FRAME_LENGTH_MAX);
    assert.deepEqual(decoder.push(bytes.subarray(0, -1)), []);
    assert.deepEqual(decoder.push(bytes.subarray(-1)), [frame]);
  }));
});

Deno.test("a frame is a line of JSON", () => {
  assert.equal(
    new TextDecoder().decode(encode(PING, PROGRESS)),
    '{"type":"ping"}\n{"type":"progress","position":16777280,"stored":16777217}\n',
  );
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

Deno.test("any bytes are frames that encode to the same frames, or a FrameError", () => {
  const members = { maxKeys: 5, key: fc.constantFrom("type", "version", "position", "stored", "hash", "__proto__") };
  const types = ["hello", "ping", "progress", "checkpoint", "health", "status"];
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    // what is JSON gets further, and what begins like a frame further still
    fc.array(fc.json(), { maxLength: 3 }).map((values) => bytesOf(values.map((value) => `${value}\n`).join(""))),
    fc.tuple(fc.constantFrom(...types), fc.object(members)).map(([type, rest]) =>
      bytesOf(`${JSON.stringify({ type, ...rest })}\n`)
    ),
    fc.tuple(frame, fc.nat(), fc.string()).map(([frame, at, more]) => {
      const text = new TextDecoder().decode(encode(frame));
      at %= text.length;
      return bytesOf(text.slice(0, at) + more + text.slice(at));
    }),
  );
  fc.assert(
    fc.property(garbage, fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
      const { frames } = decoded(split(bytes, cuts));
      assertFrames(frames);
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
      const skipped = frame.type === "status" &&
        !new TextDecoder().decode(bytes).includes(`"version":${STATUS_VERSION},`);
      if (frames.length > 0) assertFrames(frames);
      else assert.ok(error || bytes.at(-1) !== 10 || skipped, "only a newline can leave a frame unfinished");
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("a cut frame gives nothing yet, and a stream that continues after a cut is refused or read as frames", () => {
  fc.assert(
    fc.property(frame, fc.nat(), fc.array(frame, { maxLength: 3 }), (first, cut, rest) => {
      const bytes = encode(first);
      const start = bytes.subarray(0, cut % bytes.length);
      assert.deepEqual(decoded([start]), { frames: [], error: undefined });
      decoded([start, encode(...rest)]);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("a hello of another version is refused by its version, before anything else in it is read", () => {
  for (const version of [0, FRAME_VERSION - 1, FRAME_VERSION + 1, "4"]) {
    const hello = JSON.stringify({ type: "hello", version, replica: 7 });
    assertRefused(hello, `version: Invalid input: expected ${FRAME_VERSION}: ${hello}`);
  }
});

Deno.test("a line that is no JSON, no object, or of an unknown type is refused, and the error shows its beginning", () => {
  assertRefused("GET / HTTP/1.1\r", 'Invalid input: expected object, received string: "GET / HTTP/1.1\\r"');
  assertRefused("null", "Invalid input: expected object, received null: null");
  assertRefused("", 'Invalid input: expected object, received string: ""');
  assertRefused(
    '{"type":"pong"}',
    `type: Invalid discriminator value. Expected 'hello' | 'ping' | 'progress' | 'checkpoint' | 'health' | 'status': {"type":"pong"}`,
  );
  assertRefused(
    "x".repeat(FRAME_LENGTH_MAX - 1),
    `Invalid input: expected object, received string: "${"x".repeat(79)}`,
  );
});

Deno.test("a line that is too long is refused as soon as that is known, whether or not it ends", () => {
  const message = `a frame of more than ${FRAME_LENGTH_MAX} characters`;
  const [most, more] = [FRAME_LENGTH_MAX - 1, FRAME_LENGTH_MAX].map((length) => bytesOf("{".padEnd(length)));
  assert.deepEqual(decoded([most!]), { frames: [], error: undefined });
  for (const pieces of [[more!], [encode(PING), more!], [most!, bytesOf(" ")], [more!, bytesOf("}\n")]]) {
    assert.equal(decoded(pieces).error?.message, message);
  }
  assert.equal(decoded([bytesOf(`${JSON.stringify(PING).padEnd(FRAME_LENGTH_MAX)}\n`)]).error?.message, message);
  assert.deepEqual(decoded([bytesOf(`${JSON.stringify(PING).padEnd(FRAME_LENGTH_MAX - 1)}\n`)]).frames, [PING]);
});

Deno.test("a status of another version is skipped, whatever is in it, and what follows it is read", () => {
  for (const version of [STATUS_VERSION + 1, 0, "two", undefined]) {
    const later = bytesOf(`${JSON.stringify({ ...STATUS, version, posts: -1, more: "x".repeat(500) })}\n`);
    assert.deepEqual(decoded([later, encode(PROGRESS)]), { frames: [PROGRESS], error: undefined });
  }
});

Deno.test("members that are not known are skipped", () => {
  const frames = decoded([bytesOf(`${JSON.stringify({ ...PROGRESS, __proto__: 1, more: 2 })}\n`)]).frames;
  assert.deepEqual(frames, [PROGRESS]);
});

Deno.test("a broken stream stays broken", () => {
  for (
    const start of ["nonsense\n", "x".repeat(2 * FRAME_LENGTH_MAX), '{"type":"progress","position":-1,"stored":0}\n']
  ) {
    const decoder = new Decoder();
    for (const bytes of [bytesOf(start), encode(PING), encode(PING)]) {
      assert.throws(() => decoder.push(bytes), FrameError);
    }
  }
});

Deno.test("frames with fields out of range are neither sent nor believed", () => {
  const health: Frame = { type: "health", processor: "default", failing: false, minResponseMs: 0 };
  const negative = "Too small: expected number to be >=0";
  const wrong: [Frame, string][] = [
    [{ ...PROGRESS, position: -1 }, `position: ${negative}`],
    [{ ...PROGRESS, stored: 0.5 }, "stored: Invalid input: expected int, received number"],
    [{ ...CHECKPOINT, hash: 2 ** 53 }, "hash: Too big: expected int to be <=9007199254740991"],
    [
      { ...CHECKPOINT, settled: [0, "1"] as unknown as number[] },
      "settled: 1: Invalid input: expected number, received string",
    ],
    [{ ...CHECKPOINT, settled: [0, 0, 0, -1, 0, 0, 0, 0] }, `settled: 3: ${negative}`],
    [{ ...health, minResponseMs: -1 }, `minResponseMs: ${negative}`],
    [{ ...health, failing: 1 as never }, "failing: Invalid input: expected boolean, received number"],
    [
      { type: "hello", version: FRAME_VERSION, replica: 3 as never },
      "replica: Invalid input: expected string, received number",
    ],
    [{ ...STATUS, at: 0.5 }, "at: Invalid input: expected int, received number"],
    [{ ...STATUS, at: 8_640_000_000_000_001 }, "at: Too big: expected number to be <=8640000000000000"],
    [
      { ...STATUS, store: "gone" as "none" },
      'store: Invalid option: expected one of "none"|"connecting"|"ready"|"unavailable"',
    ],
  ];
  for (const [frame, why] of wrong) {
    const line = JSON.stringify(frame);
    assertRefused(line, `${why}: ${line.slice(0, 80)}`);
    assert.throws(() => encode(frame), { name: "FrameError" });
  }
  for (const minResponseMs of [NaN, Infinity]) {
    assert.throws(
      () => encode({ ...health, minResponseMs }),
      /: minResponseMs: Invalid input: expected number, received/,
    );
  }
});
