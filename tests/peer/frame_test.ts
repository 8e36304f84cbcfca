import assert from "node:assert/strict";
import fc from "fast-check";
import {
  accepted,
  dispatched,
  type Fact,
  type Processor,
  PROCESSORS,
  REPLICAS,
  settled,
} from "../../src/payment/fact.ts";
import {
  Decoder,
  encode,
  FACTS_PER_FRAME_MAX,
  type Frame,
  FRAME_BYTES_MAX,
  FRAME_VERSION,
  FrameError,
} from "../../src/peer/frame.ts";
import { anyFact } from "../payment/arbitrary.ts";

const FIRST = accepted("4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3", 1990, 1_000, "a");
const BOUND = dispatched(FIRST, "b", "fallback", 1_005, "default-slow");
const DONE = settled(BOUND, "fallback", 1_005, 1990, "booked");
const FACT_BYTES = encode({ type: "facts", seq: 1, epoch: 0, facts: [BOUND, BOUND] }).length -
  encode({ type: "facts", seq: 1, epoch: 0, facts: [BOUND] }).length;

const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true });
const type = <T extends string>(name: T) => fc.constant(name);
const seq = fc.maxSafeNat();
const replica = fc.constantFrom(...REPLICAS);

const frame: fc.Arbitrary<Frame> = fc.oneof(
  record({
    type: type("hello"),
    replica,
    incarnation: fc.uuid(),
    epoch: seq,
    complete: fc.boolean(),
    seen: fc.option(record({ incarnation: fc.uuid(), seq })),
  }),
  record({ type: type("facts"), seq, epoch: seq, facts: fc.array(anyFact, { minLength: 1, maxLength: 5 }) }),
  record({ type: type("epoch"), seq, epoch: seq }),
  record({ type: fc.constantFrom("caught-up", "ack", "stored"), seq }) as fc.Arbitrary<Frame>,
  record({ type: fc.constantFrom("ask", "answer"), id: seq }) as fc.Arbitrary<Frame>,
  record({
    type: type("health"),
    processor: fc.constantFrom<Processor[]>(...PROCESSORS),
    failing: fc.boolean(),
    minResponseMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
    at: fc.nat(),
  }),
  record({ type: type("yield"), replica }),
  record({ type: type("ping") }),
  record({ type: type("recall"), ms: seq }),
  record({
    type: type("status"),
    at: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
    ...{ posts: seq, failed: seq, queue: seq, inFlightDefault: seq, inFlightFallback: seq, memoryBytes: seq },
    medianMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    p99Ms: fc.double({ min: 0, max: 1e9, noNaN: true }),
    storeLagMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    store: fc.constantFrom("none", "connecting", "ready", "unavailable"),
  }),
);

function joined(frames: readonly Frame[]): Uint8Array {
  return new Uint8Array(frames.flatMap((frame) => [...encode(frame)]));
}

/** What an error says: one line, at its longest that of a fact full of nonsense. */
const LINE = /^[^\n]{5,331}$/;

/** What a decoder makes of bytes that come in pieces; a FrameError ends it, anything else is for the test to fail by. */
function decoded(pieces: Iterable<Uint8Array>): { frames: Frame[]; error: FrameError | undefined } {
  const decoder = new Decoder();
  const frames: Frame[] = [];
  try {
    for (const piece of pieces) frames.push(...decoder.push(piece));
    return { frames, error: undefined };
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    assert.match(error.message, LINE, "one clear line");
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

function assertRefused(bytes: Uint8Array, message: RegExp): void {
  const { frames, error } = decoded([bytes]);
  assert.deepEqual(frames, []);
  assert.match(error?.message ?? "no error", message);
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

Deno.test("the fullest frame passes and is FRAME_BYTES_MAX long; one fact more or none is refused", () => {
  const facts = (length: number): Frame => ({ type: "facts", seq: 1, epoch: 0, facts: Array<Fact>(length).fill(DONE) });
  const fullest = encode(facts(FACTS_PER_FRAME_MAX));
  assert.equal(fullest.length, FRAME_BYTES_MAX);
  assert.deepEqual(decoded([fullest]).frames, [facts(FACTS_PER_FRAME_MAX)]);
  assert.throws(() => encode(facts(FACTS_PER_FRAME_MAX + 1)), FrameError);
  assert.throws(() => encode(facts(0)), FrameError);
});

Deno.test("a decoder may be handed the same buffer again and again", () => {
  const bytes = encode({ type: "facts", seq: 1, epoch: 0, facts: [FIRST] });
  const buffer = new Uint8Array(10);
  const decoder = new Decoder();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += buffer.length) {
    const piece = bytes.subarray(at, at + buffer.length);
    buffer.set(piece);
    frames.push(...decoder.push(buffer.subarray(0, piece.length)));
    buffer.fill(0xff);
  }
  assert.deepEqual(frames, [{ type: "facts", seq: 1, epoch: 0, facts: [FIRST] }]);
});

Deno.test("whatever the bytes, they are frames that encode to the same bytes, or a FrameError", () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    // what begins like a frame gets further
    fc.tuple(fc.nat(400), fc.nat(11), fc.uint8Array({ maxLength: 400 })).map(([length, type, rest]) =>
      Uint8Array.of(0, 0, length >> 8, length & 0xff, FRAME_VERSION, type, ...rest)
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
      // encode() asserts every field once more
      if (frames.length > 0) assert.deepEqual(joined(frames), bytes);
      else assert.ok(error || bit < 32, "only a length can leave a frame unfinished");
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("a truncated frame is waited for, and a stream that goes on after a cut is refused or read as frames", () => {
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
  for (const version of [0, FRAME_VERSION + 1, 255]) {
    assertRefused(
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, version, 0xff),
      new RegExp(`version ${version}, not ${FRAME_VERSION}`),
    );
  }
});

Deno.test("an unknown type and a length that is not its type's are refused with the header", () => {
  assertRefused(Uint8Array.of(0, 0, 0, 2, FRAME_VERSION, 99), /unknown type 99/);
  for (const length of [0, 1, 9, 11, 0x7fffffff, 0xffffffff]) {
    const header = new DataView(new ArrayBuffer(6));
    header.setUint32(0, length);
    header.setUint8(4, FRAME_VERSION);
    header.setUint8(5, encode({ type: "ack", seq: 1 })[5]!);
    assertRefused(new Uint8Array(header.buffer), /"ack"/);
    header.setUint8(5, encode({ type: "facts", seq: 1, epoch: 0, facts: [FIRST] })[5]!);
    assertRefused(new Uint8Array(header.buffer), /"facts"/);
  }
});

Deno.test("a broken stream stays broken", () => {
  const decoder = new Decoder();
  assert.throws(() => decoder.push(Uint8Array.of(0, 0, 0, 2, 9, 9)), FrameError);
  assert.throws(() => decoder.push(encode({ type: "ping" })), FrameError);
});

Deno.test("facts that contradict themselves are neither sent nor taken", () => {
  const wrong: [string, Partial<Fact>, Fact][] = [
    ["accepted at a processor", { processor: "default" }, FIRST],
    ["accepted after an attempt", { attempt: 1 }, FIRST],
    ["accepted with a requestedAt", { requestedAt: 5 }, FIRST],
    ["dispatched nowhere", { processor: null }, BOUND],
    ["dispatched in no attempt", { attempt: 0 }, BOUND],
    ["released in no attempt", { stage: "released", attempt: 0 }, BOUND],
    ["settled nowhere", { processor: null }, DONE],
    ["settled in doubt", { doubt: 1 }, DONE],
    ["settled but in doubt until", { doubtUntil: 1 }, DONE],
    ["settled after more attempts than are kept", { attempt: 2 ** 20 }, DONE],
    ["no cents", { cents: 0 }, FIRST],
    ["negative cents", { cents: -1 }, FIRST],
    ["half a cent", { cents: 0.5 }, FIRST],
    ["cents beyond what is exact", { cents: 2 ** 53 }, FIRST],
    ["no number of cents", { cents: NaN }, FIRST],
    ["half a millisecond", { acceptedAt: 0.5 }, FIRST],
    ["a time no Date can show", { requestedAt: 8.64e15 + 1 }, BOUND],
    ["no time", { doubtUntil: Infinity }, BOUND],
    ["half an attempt", { attempt: 1.5 }, BOUND],
    ["more attempts than fit", { attempt: 2 ** 32 }, BOUND],
    ["doubt about a third processor", { doubt: 4 }, BOUND],
    ["an owner from elsewhere", { owner: "c" as "a" }, BOUND],
    ["an id in capitals", { id: FIRST.id.toUpperCase() }, FIRST],
  ];
  for (const [what, change, fact] of wrong) {
    assert.throws(() => encode({ type: "facts", seq: 1, epoch: 0, facts: [{ ...fact, ...change }] }), FrameError, what);
  }
});

Deno.test("every byte of a fact is believed only within its range", () => {
  const bytes = encode({ type: "facts", seq: 1, epoch: 0, facts: [BOUND] });
  // the five codes, and the bytes that make cents and times no whole numbers
  const from = bytes.length - FACT_BYTES;
  for (let at = from + 16; at < bytes.length; at++) {
    const broken = bytes.slice();
    broken[at] = 0xff;
    const { frames, error } = decoded([broken]);
    if (!error) assert.deepEqual(joined(frames), broken, `byte ${at - from}`);
  }
});

Deno.test("a fact that is all nonsense is refused in one line, however long its numbers are", () => {
  const bytes = encode({ type: "facts", seq: 1, epoch: 0, facts: [{ ...BOUND, reason: "default-refusing" }] });
  // no number is longer: 17 digits, as many zeros as are written out, a sign
  const longest = -0.0000012345678901234567;
  const fact = new DataView(bytes.buffer, bytes.length - FACT_BYTES);
  for (const at of [16, 24, 32, 40]) fact.setFloat64(at, longest);
  fact.setUint32(48, 2 ** 32 - 1);
  fact.setUint8(55, 255);
  const { error } = decoded([bytes]);
  assert.equal(error?.message.length, 331);
});

Deno.test("frames with fields out of range are not sent", () => {
  const id = FIRST.id;
  const wrong: Frame[] = [
    { type: "ack", seq: -1 },
    { type: "ack", seq: 0.5 },
    { type: "stored", seq: NaN },
    { type: "ask", id: 2 ** 53 },
    { type: "epoch", seq: 1, epoch: Infinity },
    { type: "yield", replica: "c" as "a" },
    { type: "health", processor: "default", failing: false, minResponseMs: -1, at: 0 },
    { type: "health", processor: "default", failing: false, minResponseMs: NaN, at: 0 },
    { type: "health", processor: "default", failing: false, minResponseMs: 1, at: 0.5 },
    { type: "hello", replica: "a", incarnation: "me", epoch: 0, complete: true, seen: null },
    { type: "hello", replica: "a", incarnation: id, epoch: 0, complete: true, seen: { incarnation: id, seq: -1 } },
  ];
  for (const frame of wrong) assert.throws(() => encode(frame), FrameError, JSON.stringify(frame));
});
