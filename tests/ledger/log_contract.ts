/**
 * The contract of every {@link SegmentFiles}, and of the log over it: run against files of a folder, and against
 * memory.
 * @module
 */
import assert from "node:assert/strict";
import { LogGoneError, positionOf, type SegmentFile, type SegmentFiles } from "../../src/ledger/log.ts";
import { RECORD_BYTES, RecordBuffer } from "../../src/ledger/record.ts";
import { SegmentLog, type SegmentLogOptions } from "../../src/ledger/segment_log.ts";
import { accepted, begin, BOOT, bytesOf, LOG_ID, REREADS, Side } from "./side.ts";
import { PAIR } from "../support/pair.ts";

/** Segments that a test has to itself. */
export interface Home extends Disposable {
  /** one process' way to them */
  files(): SegmentFiles;
}

/** Runs every test of the contract. */
export function logContract(name: string, make: () => Home, options: { ignore?: boolean } = {}): void {
  const test = (what: string, run: (home: Home) => void) =>
    Deno.test({
      name: `${name}: ${what}`,
      ...options,
      fn() {
        using home = make();
        run(home);
      },
    });
  segments(test);
  reading(test);
  rotating(test);
  torn(test);
  missing(test);
}

type Test = (what: string, run: (home: Home) => void) => void;

/** All that can be read of a file. */
function rest(file: SegmentFile): number[] {
  const into = new Uint8Array(1_000);
  return [...into.subarray(0, file.read(into))];
}

/** What a segment of that number begins with, behind another one. */
const header = (segment: number, boot = BOOT) =>
  ({ kind: "header", logId: LOG_ID, segment, boot, base: null }) as const;

/** Two replicas on one log. */
class Pair implements Disposable {
  readonly a: Side;
  readonly b: Side;

  constructor(home: Home, options: Partial<SegmentLogOptions> = {}) {
    begin(home.files());
    this.a = new Side(home.files(), 0, options);
    this.b = new Side(home.files(), 2 ** 31, options);
  }

  [Symbol.dispose](): void {
    for (const { log } of [this.a, this.b]) log.close();
  }
}

/** Asserts that they have folded the same, to the same position. */
function assertSame(first: Side, second: Side): void {
  for (const { ledger } of [first, second]) ledger.catchUp();
  assert.deepEqual(second.told, first.told);
  assert.deepEqual([second.ledger.position, second.ledger.hash], [first.ledger.position, first.ledger.hash]);
}

function segments(test: Test): void {
  test("a segment is there once it is made, whole, and is not made twice", (home) => {
    const files = home.files();
    assert.deepEqual(files.list(), []);
    assert.equal(files.open(3), undefined);
    assert.equal(files.create(3, Uint8Array.of(1, 2, 3)), true);
    assert.equal(home.files().create(3, Uint8Array.of(4)), false);
    assert.equal(files.create(1_000_000, new Uint8Array()), true);
    assert.equal(files.create(20, new Uint8Array()), true);
    assert.deepEqual(home.files().list(), [3, 20, 1_000_000]);
    const file = home.files().open(3)!;
    assert.deepEqual(rest(file), [1, 2, 3]);
    file.close();
  });

  test("what one appends another reads, each from its own position", (home) => {
    home.files().create(1, Uint8Array.of(1, 2));
    const [one, other] = [home.files().open(1)!, home.files().open(1)!];
    assert.equal(one.append(Uint8Array.of(3, 4)), 2);
    assert.equal(other.append(Uint8Array.of(5)), 1);
    const into = new Uint8Array(3);
    assert.deepEqual([one.read(into), ...into], [3, 1, 2, 3]);
    assert.deepEqual(rest(other), [1, 2, 3, 4, 5]);
    assert.equal(other.read(into), 0);
    one.append(Uint8Array.of(6));
    assert.deepEqual(rest(other), [6]);
    other.back(3);
    assert.deepEqual(rest(other), [4, 5, 6]);
    assert.deepEqual(rest(one), [4, 5, 6]);
    for (const file of [one, other]) file.close();
  });

  test("a segment that is removed is gone, but for a reader that has it open", (home) => {
    const files = home.files();
    files.create(1, Uint8Array.of(1));
    const file = files.open(1)!;
    home.files().remove(1);
    home.files().remove(1);
    assert.deepEqual(files.list(), []);
    assert.equal(files.open(1), undefined);
    assert.deepEqual([file.append(Uint8Array.of(2)), ...rest(file)], [1, 1, 2]);
    file.close();
  });
}

function reading(test: Test): void {
  test("records come back in their order, after the first one of the segment, each with its position", (home) => {
    using pair = new Pair(home);
    const { a, b } = pair;
    assert.equal(a.log.position, positionOf(1, 0));
    const [written, read] = [new RecordBuffer(PAIR), new RecordBuffer(PAIR)];
    for (const n of [1, 2]) assert.equal(a.log.append(written.write(accepted(n), n)), true);
    const seen = [];
    while (b.log.next(read)) seen.push([b.log.position, read.read()]);
    const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) };
    assert.deepEqual(seen, [
      [positionOf(1, 1), { ...header(1), base }],
      [positionOf(1, 2), accepted(1)],
      [positionOf(1, 3), accepted(2)],
    ]);
    assert.equal(b.log.next(read), false);
    a.log.append(written.write(accepted(3), 3));
    assert.equal(b.log.next(read), true);
    assert.deepEqual([b.log.position, read.read()], [positionOf(1, 4), accepted(3)]);
  });

  test("more records than are read at once come back", (home) => {
    using pair = new Pair(home);
    const { a, b } = pair;
    const count = 1_500;
    for (let n = 0; n < count; n++) a.accept(n);
    assertSame(a, b);
    assert.equal(b.told.length, count);
    assert.equal(b.ledger.position, positionOf(1, count + 1));
  });

  test("a new reading goes to the new end, also where the one before left records unread", (home) => {
    using pair = new Pair(home);
    const { a, b } = pair;
    const [written, read] = [new RecordBuffer(PAIR), new RecordBuffer(PAIR)];
    const append = (n: number) => a.log.append(written.write(accepted(n), n));
    append(1);
    // all that is there is read from the file, and one record handed out
    assert.equal(b.log.next(read), true);
    append(2);
    const seen = [];
    for (let on = false; b.log.next(read, on); on = true) seen.push(read.read());
    assert.deepEqual(seen, [accepted(1), accepted(2)]);
    append(3);
    assert.equal(b.log.next(read, true), false);
    assert.equal(b.log.next(read), true);
    assert.deepEqual(read.read(), accepted(3));
  });

  test("two that append in turn see one order, and know of each other's what they append", (home) => {
    using pair = new Pair(home);
    const { a, b } = pair;
    const kinds = [a.accept(1), b.accept(1, "b"), b.accept(2, "b"), a.accept(2), a.accept(3), b.accept(3, "b")];
    assert.deepEqual(kinds, ["holds", "void", "holds", "void", "holds", "void"]);
    assert.equal(b.payments, "1 (1) 2 (2) 3 (3)");
    assertSame(a, b);
  });

  test("of two that append at once the first in the log holds", (home) => {
    using pair = new Pair(home);
    const { a, b } = pair;
    a.paused.before = () => assert.equal(b.accept(1, "b"), "holds");
    assert.equal(a.accept(1), "void");
    a.paused.after = () => assert.equal(b.accept(2, "b"), "void");
    assert.equal(a.accept(2), "holds");
    assertSame(a, b);
  });

  test("a late reader has the same tail from every position", (home) => {
    using pair = new Pair(home, { segmentRecords: 4 });
    const { a, b } = pair;
    const positions = [positionOf(1, 0)];
    for (let n = 0; n < 12; n++) {
      (n % 2 ? a : b).accept(n);
      a.ledger.catchUp();
      positions.push(a.ledger.position);
    }
    for (const [i, position] of positions.entries()) {
      using late = new Side(home.files(), 5, { position });
      late.ledger.catchUp();
      assert.deepEqual(late.told, a.told.slice(i), `from ${position}`);
      assert.equal(late.ledger.position, a.ledger.position);
    }
  });

  test("a position that is not in the log is an error", (home) => {
    begin(home.files(), 1, accepted(1));
    const at = (position: number) => () =>
      new SegmentLog({ files: home.files(), boot: BOOT, position, rereads: REREADS, gone() {} }).close();
    at(positionOf(1, 2))();
    assert.throws(at(positionOf(1, 3)), LogGoneError);
    assert.throws(at(positionOf(2, 0)), LogGoneError);
    assert.throws(at(0), LogGoneError);
  });

  test("a record that is seen late counts as soon as it is seen", (home) => {
    using pair = new Pair(home);
    const { a } = pair;
    const late = new LateFiles(home.files());
    using reader = new Side(late, 5);
    reader.ledger.catchUp();
    a.accept(1);
    a.accept(2);
    late.reads = REREADS;
    assertSame(a, reader);
    assert.equal(late.reads, 0);
    assert.equal(reader.payments, "1 2");
    assert.deepEqual(home.files().list(), [1]);
  });
}

/** Shows zeros instead of the bytes, for some reads. */
class LateFiles implements SegmentFiles {
  reads = 0;
  readonly #files: SegmentFiles;

  constructor(files: SegmentFiles) {
    this.#files = files;
  }

  list = () => this.#files.list();
  create = (segment: number, records: Uint8Array) => this.#files.create(segment, records);
  remove = (segment: number) => this.#files.remove(segment);

  open(segment: number): SegmentFile | undefined {
    const file = this.#files.open(segment);
    return file && {
      append: (bytes) => file.append(bytes),
      read: (into) => {
        const length = file.read(into);
        if (this.reads > 0 && length > 0) {
          this.reads--;
          into.fill(0, 0, length);
        }
        return length;
      },
      back: (bytes) => file.back(bytes),
      close: () => file.close(),
    };
  }
}

function rotating(test: Test): void {
  test("a segment is sealed after its records, and the next one says that it continues the log", (home) => {
    using pair = new Pair(home, { segmentRecords: 3 });
    const { a, b } = pair;
    for (let n = 1; n <= 7; n++) assert.equal(n % 2 ? a.accept(n) : b.accept(n, "b"), "holds");
    assertSame(a, b);
    assert.deepEqual(home.files().list(), [1, 2, 3, 4]);
    assert.equal(a.ledger.position, positionOf(4, 2));
    const file = home.files().open(2)!;
    const read = new RecordBuffer(PAIR);
    const kinds = [];
    while (file.read(read.bytes) > 0) kinds.push(read.valid && read.read());
    file.close();
    // the fourth fact was written after the seal too, by a replica that had not read the seal yet
    assert.deepEqual(kinds, [header(2), accepted(3), accepted(4, "b"), { kind: "sealed" }, accepted(5)]);
  });

  test("a reader that cannot open the next segment behind a seal goes on there once it can", (home) => {
    begin(home.files());
    const files = home.files();
    using a = new Side(home.files(), 0, { segmentRecords: 2 });
    using b = new Side(files, 2 ** 31, { segmentRecords: 2 });
    for (const n of [1, 2, 3]) a.accept(n);
    const list = files.list.bind(files);
    files.list = () => {
      throw new Error("too many open files");
    };
    for (const _ of [1, 2]) assert.throws(() => b.ledger.catchUp(), { message: "too many open files" });
    files.list = list;
    using late = new Side(home.files(), 1, { segmentRecords: 2, position: b.ledger.position });
    late.ledger.catchUp();
    assert.equal(late.payments, "2 3");
    assertSame(a, b);
    assert.equal(b.payments, "1 2 3");
  });

  test("what was appended behind a seal is appended again in the next segment, and counts once", (home) => {
    using pair = new Pair(home, { segmentRecords: 4 });
    const { a, b } = pair;
    for (const n of [1, 2]) a.accept(n);
    b.paused.before = () => {
      for (const n of [3, 4]) assert.equal(a.accept(n), "holds");
    };
    assert.equal(b.accept(5, "b"), "holds");
    assert.equal(b.payments, "1 2 3 4 5");
    assertSame(a, b);
    assert.equal(a.ledger.position, positionOf(2, 3));
  });

  test("of two that seal a segment the first does so, and neither record behind the seals counts", (home) => {
    using pair = new Pair(home, { segmentRecords: 2 });
    const { a, b } = pair;
    a.accept(1);
    b.ledger.catchUp();
    const record = new RecordBuffer(PAIR);
    for (const [i, { log }] of [a, b].entries()) {
      assert.equal(log.append(record.write(accepted(10 + i), 99)), true);
    }
    for (const { ledger } of [a, b]) ledger.catchUp();
    assert.equal(a.payments, "1");
    assert.equal(a.ledger.position, positionOf(2, 1));
    assertSame(a, b);
    assert.deepEqual([b.accept(2, "b"), a.accept(3)], ["holds", "holds"]);
    assertSame(a, b);
    assert.equal(a.payments, "1 2 3");
    assert.deepEqual(home.files().list(), [1, 2, 3]);
  });

  test("a writer that died after it made the next segment, before the seal, is followed all the same", (home) => {
    using pair = new Pair(home, { segmentRecords: 2 });
    const { a, b } = pair;
    assert.equal(home.files().create(2, bytesOf(header(2))), true);
    assert.equal(a.accept(1), "holds");
    assert.equal(b.accept(2, "b"), "holds");
    assertSame(a, b);
    assert.equal(a.ledger.position, positionOf(2, 2));
  });
}

function torn(test: Test): void {
  const cut = (home: Home, length: number, segment = 1) => {
    const file = home.files().open(segment)!;
    file.append(bytesOf(accepted(99)).subarray(0, length));
    file.close();
  };

  for (const length of [1, 30, RECORD_BYTES - 1]) {
    test(`a write that was cut after ${length} bytes ends the segment for all, and both go on in the next`, (home) => {
      using pair = new Pair(home);
      const { a, b } = pair;
      a.accept(1);
      cut(home, length);
      // nothing is behind it yet: it may be a write that another is just making
      b.ledger.catchUp();
      assert.equal(b.ledger.position, positionOf(1, 2));
      assert.equal(b.accept(2, "b"), "holds");
      assert.equal(a.accept(3), "holds");
      assertSame(a, b);
      assert.equal(a.payments, "1 2 3");
      assert.equal(a.ledger.position, positionOf(2, 3));
      assert.deepEqual(home.files().list(), [1, 2]);
    });
  }

  test("a record that stays bad ends its segment, whatever is behind it", (home) => {
    const broken = bytesOf(
      { ...header(1), base: { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) } },
      accepted(1),
      accepted(2),
    );
    broken[2 * RECORD_BYTES + 17]! ^= 4;
    home.files().create(1, Uint8Array.of(...broken, ...bytesOf(accepted(3))));
    using a = new Side(home.files(), 0);
    using b = new Side(home.files(), 2 ** 31);
    assert.deepEqual([a.accept(4), b.accept(5, "b")], ["holds", "holds"]);
    assertSame(a, b);
    assert.equal(a.payments, "1 4 5");
    assert.equal(a.ledger.position, positionOf(2, 3));
  });

  test("a writer whose write was cut off finds the log full, and the next segment takes what comes then", (home) => {
    begin(home.files());
    const files = new ShortFiles(home.files());
    using a = new Side(files, 0);
    using b = new Side(home.files(), 2 ** 31);
    files.takes = 30;
    assert.equal(a.accept(1), "not-taken");
    assert.equal(b.accept(2, "b"), "holds");
    files.takes = 0;
    assert.equal(a.accept(1), "not-taken");
    files.takes = Infinity;
    assert.equal(a.accept(1), "holds");
    assertSame(a, b);
    assert.equal(a.payments, "2 1");
  });

  test("a record that is cut off does not count, and append() says so", (home) => {
    begin(home.files());
    const files = new ShortFiles(home.files());
    using a = new Side(files, 0);
    const record = new RecordBuffer(PAIR).write(accepted(1), 1);
    for (const takes of [0, 1, RECORD_BYTES - 1]) {
      files.takes = takes;
      assert.equal(a.log.append(record), false);
    }
    files.takes = RECORD_BYTES;
    assert.equal(a.log.append(record), true);
  });

  test("a full log that can make no next segment takes nothing, and continues once it can", (home) => {
    begin(home.files());
    const files = new ShortFiles(home.files());
    using a = new Side(files, 0, { segmentRecords: 2 });
    assert.equal(a.accept(1), "holds");
    files.creates = false;
    assert.equal(a.accept(2), "not-taken");
    files.creates = true;
    assert.equal(a.accept(3), "holds");
    assert.equal(a.payments, "1 3");
  });

  test("a broken segment that can have no next one takes nothing, and the log continues once it can", (home) => {
    begin(home.files());
    const files = new ShortFiles(home.files());
    using a = new Side(files, 0);
    assert.equal(a.accept(1), "holds");
    cut(home, 30);
    files.creates = false;
    for (const n of [2, 3]) assert.equal(a.accept(n), "not-taken");
    assert.deepEqual(a.gone, []);
    files.creates = true;
    assert.equal(a.accept(4), "holds");
    using b = new Side(home.files(), 2 ** 31);
    assertSame(a, b);
    assert.equal(a.payments, "1 4");
  });

  test("a seal that was cut is no seal, and ends the segment as a bad record does", (home) => {
    begin(home.files());
    const files = new ShortFiles(home.files());
    using a = new Side(files, 0, { segmentRecords: 2 });
    using b = new Side(home.files(), 2 ** 31, { segmentRecords: 2 });
    a.accept(1);
    files.takes = 30;
    assert.equal(a.accept(2), "not-taken");
    files.takes = Infinity;
    assert.equal(b.accept(3, "b"), "holds");
    assert.equal(a.accept(4), "holds");
    assertSame(a, b);
    assert.equal(a.payments, "1 3 4");
  });
}

/** Takes only so much of a write, and makes segments only where it may. */
class ShortFiles implements SegmentFiles {
  takes = Infinity;
  creates = true;
  readonly #files: SegmentFiles;

  constructor(files: SegmentFiles) {
    this.#files = files;
  }

  list = () => this.#files.list();
  create = (segment: number, records: Uint8Array) => this.creates && this.#files.create(segment, records);
  remove = (segment: number) => this.#files.remove(segment);

  open(segment: number): SegmentFile | undefined {
    const file = this.#files.open(segment);
    return file && {
      append: (bytes) => this.takes > 0 ? file.append(bytes.subarray(0, this.takes)) : 0,
      read: (into) => file.read(into),
      back: (bytes) => file.back(bytes),
      close: () => file.close(),
    };
  }
}

function missing(test: Test): void {
  test("a segment that is gone after a seal is reported once; then the log is full, and at its end", (home) => {
    using pair = new Pair(home, { segmentRecords: 2 });
    const { a, b } = pair;
    for (const n of [1, 2, 3]) a.accept(n);
    home.files().remove(2);
    b.ledger.catchUp();
    assert.deepEqual(b.gone, ["segment 2 of the log is gone"]);
    assert.equal(b.accept(4, "b"), "not-taken");
    b.ledger.catchUp();
    assert.equal(b.gone.length, 1);
    assert.equal(b.payments, "1");
    assert.equal(a.accept(5), "holds");
    assert.deepEqual(home.files().list(), [1, 3, 4]);
  });

  test("a segment of an earlier boot ends where its file ends, in the middle of a record or not", (home) => {
    const files = home.files();
    begin(files, 1, accepted(1));
    files.create(2, Uint8Array.of(...bytesOf(header(2), accepted(2)), 1, 2, 3));
    files.create(3, bytesOf(header(3, BOOT + 1), accepted(3)));
    using a = new Side(files, 0, { boot: BOOT + 1, liveFrom: 3 });
    assert.equal(a.accept(4), "holds");
    assert.equal(a.payments, "1 2 3 4");
    assert.equal(a.ledger.position, positionOf(3, 3));
  });

  test("a segment of an earlier boot that does not begin as one is passed over, one that is missing is not", (home) => {
    const files = home.files();
    begin(files, 1, accepted(1));
    files.create(2, new Uint8Array(10));
    files.create(3, new Uint8Array(2 * RECORD_BYTES));
    // its header has the number of another segment
    files.create(4, bytesOf(header(2), accepted(9)));
    files.create(5, bytesOf(header(5, BOOT + 1), accepted(3)));
    using a = new Side(home.files(), 0, { liveFrom: 5 });
    a.ledger.catchUp();
    assert.equal(a.payments, "1 3");
    assert.deepEqual(a.gone, []);
    files.remove(3);
    using b = new Side(home.files(), 0, { liveFrom: 5 });
    b.ledger.catchUp();
    assert.equal(b.payments, "1");
    assert.deepEqual(b.gone, ["segment 3 of the log is gone"]);
  });

  test("of a log that began anew the rest is read, as far as it is there", (home) => {
    const files = home.files();
    begin(files, 1, accepted(1));
    files.create(4, bytesOf(header(4), accepted(4)));
    files.create(
      6,
      bytesOf({ ...header(6), base: { storedLog: 0, storedPosition: 5, readFrom: positionOf(1, 0) } }, accepted(6)),
    );
    using a = new Side(files, 0, { liveFrom: 6, leftovers: true });
    assert.equal(a.accept(7), "holds");
    assert.equal(a.payments, "1 4 6 7");
  });

  test("no segment that may still be appended to is passed over", (home) => {
    const files = home.files();
    begin(files, 1, accepted(1));
    files.create(2, new Uint8Array(RECORD_BYTES));
    files.create(3, bytesOf(header(3)));
    const file = files.open(1)!;
    file.append(bytesOf({ kind: "sealed" }));
    file.close();
    using a = new Side(files, 0);
    a.ledger.catchUp();
    assert.deepEqual([a.payments, a.gone], ["1", ["segment 2 of the log is gone"]]);
  });
}
