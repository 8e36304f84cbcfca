import assert from "node:assert/strict";
import fc from "fast-check";
import { type LogRecord, mix, RECORD_BYTES, RecordBuffer, type SegmentHeader } from "../../src/ledger/record.ts";
import { REPLICAS_MAX, Roster } from "../../src/payment/roster.ts";
import { anyFact, position } from "../payment/arbitrary.ts";
import { PAIR } from "../support/pair.ts";

const header: fc.Arbitrary<SegmentHeader> = fc.record({
  kind: fc.constant("header" as const),
  logId: fc.uuid(),
  segment: fc.integer({ min: 1, max: 2 ** 29 }),
  boot: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  base: fc.option(
    fc.record({ storedLog: fc.nat(2 ** 32 - 1), storedPosition: position, readFrom: position }, {
      noNullPrototype: true,
    }),
  ),
}, { noNullPrototype: true });
const record: fc.Arbitrary<LogRecord> = fc.oneof(
  { weight: 7, arbitrary: anyFact },
  { weight: 2, arbitrary: header },
  { weight: 1, arbitrary: fc.constant<LogRecord>({ kind: "sealed" }) },
);
const nonce = fc.nat(2 ** 32 - 1);

/** What another process reads of it. */
function copy({ bytes }: RecordBuffer): RecordBuffer {
  const read = new RecordBuffer(PAIR);
  read.bytes.set(bytes);
  return read;
}

/** Another value in one of the 32-bit words, with the checksum that belongs to it. */
function forged(buffer: RecordBuffer, word: number, value: (before: number) => number): RecordBuffer {
  const forged = copy(buffer);
  const words = new Uint32Array(forged.bytes.buffer);
  words[word] = value(words[word]!);
  words[SUM] = words.reduce((sum, one, i) => i === SUM ? sum : mix(sum, one), 0x9e3779b9);
  return forged;
}

// the words with the record's codes and its checksum
const CODES = 0;
const SUM = 1;
const PURGED: LogRecord = { kind: "purged", by: "b", at: 1_000 };

Deno.test("every record comes back as it was written, whatever the buffer held before", () => {
  const written = new RecordBuffer(PAIR);
  fc.assert(
    fc.property(record, nonce, (one, nonce) => {
      const read = copy(written.write(one, nonce));
      assert.equal(read.valid, true);
      assert.deepEqual(read.read(), one);
      assert.equal(read.sum, written.sum);
      assert.equal(read.seals, one.kind === "sealed");
      if (one.kind !== "header") assert.equal(read.nonce, nonce);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a record is not valid if any one bit is changed", () => {
  fc.assert(
    fc.property(record, nonce, (one, nonce) => {
      const buffer = new RecordBuffer(PAIR).write(one, nonce);
      for (let bit = 0; bit < 8 * RECORD_BYTES; bit++) {
        buffer.bytes[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(buffer.valid, false, `bit ${bit} of ${one.kind}`);
        buffer.bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
      assert.equal(buffer.valid, true);
    }),
    { numRuns: 50 },
  );
});

Deno.test("a record is not valid if only its first or last bytes are there", () => {
  fc.assert(
    fc.property(record, nonce, fc.integer({ min: 1, max: RECORD_BYTES - 1 }), (one, nonce, length) => {
      const { bytes } = new RecordBuffer(PAIR).write(one, nonce);
      for (const [from, to] of [[0, length], [length, RECORD_BYTES]] as const) {
        const part = new RecordBuffer(PAIR);
        part.bytes.set(bytes.subarray(from, to), from);
        // what is missing may have been zeros
        assert.equal(part.valid, part.bytes.every((byte, i) => byte === bytes[i]));
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("a record that was cut off at any byte is not completed by the next one", () => {
  fc.assert(
    fc.property(record, nonce, record, nonce, (one, first, next, second) => {
      const [cut, behind] = [new RecordBuffer(PAIR).write(one, first), new RecordBuffer(PAIR).write(next, second)];
      for (let length = 1; length < RECORD_BYTES; length++) {
        const read = copy(cut);
        read.bytes.set(behind.bytes.subarray(0, RECORD_BYTES - length), length);
        assert.equal(read.valid, false, `${one.kind} cut after ${length} bytes, then ${next.kind}`);
      }
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("zeros, as a file system may leave them, are not a valid record", () => {
  assert.equal(new RecordBuffer(PAIR).valid, false);
});

Deno.test("two records that differ only in their writer's number differ", () => {
  const [one, other] = [1, 2].map((nonce) => new RecordBuffer(PAIR).write(PURGED, nonce));
  assert.notEqual(one!.sum, other!.sum);
});

Deno.test("a record of another version, or of an unknown kind, stops everything: it is not a torn record", () => {
  const written = new RecordBuffer(PAIR).write(PURGED, 7);
  const later = forged(written, CODES, (codes) => codes & 0xff_ffff | 2 << 24);
  const unknown = forged(written, CODES, (codes) => codes & ~0xff | 200);
  assert.deepEqual([later.valid, unknown.valid], [true, true]);
  assert.throws(() => later.read(), /invariant: the log has a record of version 2/);
  assert.throws(() => unknown.read(), /invariant: the log has a record of kind 200/);
});

Deno.test("a record names each of 32 replicas, and beside it all that it says besides", () => {
  const names = Array.from({ length: REPLICAS_MAX }, (_, i) => `r${i}`);
  const buffer = new RecordBuffer(new Roster(names));
  const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
  const booked = { kind: "settled", id, over: 7, processor: "fallback", requestedAt: 8, cents: 5, at: 9 } as const;
  names.forEach((by, i) => {
    const all: LogRecord[] = [
      { kind: "moved", by, from: names[31 - i]!, at: 1_000 },
      { ...booked, by, reason: "rejected-by-both" },
      { kind: "released", by, id, over: 7, at: 9, reason: "failed", askFirst: true },
    ];
    for (const one of all) assert.deepEqual(buffer.write(one, 1).read(), one);
  });
});

Deno.test("records of two replicas are what they were before there were rosters", () => {
  const codes = (record: LogRecord) => new Uint32Array(new RecordBuffer(PAIR).write(record, 1).bytes.buffer)[CODES];
  assert.equal(codes({ kind: "moved", by: "a", from: "b", at: 1 }), 0x01_00_08_07);
  assert.equal(codes({ kind: "moved", by: "b", from: "a", at: 1 }), 0x01_00_01_07);
  const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
  const booked = {
    kind: "settled",
    by: "b",
    id,
    over: 7,
    processor: "fallback",
    requestedAt: 8,
    cents: 5,
    at: 9,
  } as const;
  assert.equal(codes({ ...booked, reason: "rejected" }), 0x01_10_21_06);
  assert.equal(
    codes({ kind: "released", by: "b", id, over: 7, at: 9, reason: "failed", askFirst: true }),
    0x01_09_09_05,
  );
});
