/** How a start continues from what the last process, the machine's death or an operator has left. @module */
import assert from "node:assert/strict";
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import { positionOf, segmentOf } from "../../src/ledger/log.ts";
import { locate, NOTHING_STORED, type Opening, type OpeningParts, openLog } from "../../src/ledger/opening.ts";
import { RECORD_BYTES, RecordBuffer, type SegmentHeader } from "../../src/ledger/record.ts";
import { SegmentLog } from "../../src/ledger/segment_log.ts";
import { Book } from "../../src/payment/book.ts";
import type { Fact } from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import type { Stored } from "../../src/store/store.ts";
import { MemorySegments } from "./memory_segments.ts";
import { accepted, begin, BOOT, bytesOf, idOf, LOG_ID, REREADS } from "./side.ts";
import { PAIR } from "../support/pair.ts";

const UPTIME_MS = 60_000;
/** What the next identity of a log is made of. */
const UUID = "aabbccdd-9999-4999-8999-999999999999";
/** The identity of this cluster's next log. */
const NEXT_ID = `aabbccdd-${LOG_ID.slice(0, 4)}-${LOG_ID.slice(4, 8)}${LOG_ID.slice(18)}`;
const THIRD_UUID = "00112233-9999-4999-8999-999999999999";
const BITS = 0x0f0e0d0c;

/** What a store holds. */
interface Held {
  readonly stored: Stored;
  readonly payments: readonly Payment[];
}

const EMPTY: Held = { stored: NOTHING_STORED, payments: [] };

/** A ledger and the identity of its log. */
interface Started {
  readonly logId: string;
  readonly ledger: FileLedger;
}

/** Opens the log as a start does. */
function open(files: MemorySegments, held: Held | undefined, options: Partial<OpeningParts> = {}): Opening {
  const parts = {
    self: "a",
    boot: BOOT,
    at: 5_000,
    uptimeMs: UPTIME_MS,
    rereads: REREADS,
    peerHasLock: false,
  } as const;
  return openLog({ files, roster: PAIR, stored: held?.stored, uuid: () => UUID, ...parts, ...options });
}

/** Loads the store and reads the log to its end. */
function start(files: MemorySegments, held: Held = EMPTY, nonce = 0): Started {
  const beginning = locate(files, held.stored, REREADS);
  assert.ok(beginning, "there is a beginning");
  const { logId, ...from } = beginning;
  const book = new Book();
  for (const payment of held.payments) book.load(payment);
  book.restoreDoubt(held.stored.doubtedUptimeMs);
  if (beginning.leftovers) book.markLoadedDoubtful();
  const segments = new SegmentLog({ files, boot: BOOT, rereads: REREADS, gone: assert.fail, ...from });
  const ledger = new FileLedger(segments, nonce, PAIR, book, held.stored.hash);
  ledger.catchUp();
  return { logId, ledger };
}

/** What the store holds once it has all of a ledger. */
function project({ logId, ledger }: Started): Held {
  const { position, hash, book } = ledger;
  const settled = Array.from({ length: book.settled.size }, (_, i) => book.settled.at(i));
  return {
    stored: { logId, position, hash, doubtedUptimeMs: book.doubtedUptimeMs },
    payments: [...book.pending.values(), ...settled],
  };
}

/** Asserts that two have the same state. */
function assertSame(first: Started, second: Started): void {
  for (const { ledger } of [first, second]) ledger.catchUp();
  assert.deepEqual(project(second), project(first));
  assert.deepEqual(second.ledger.book.summary(), first.ledger.book.summary());
}

/**
 * Opens the log and starts. Asserts that another process, which starts while this one serves, changes nothing and comes
 * to the same state: from the same store, from one that follows this log and holds nothing more, and from one that has
 * moved on.
 */
function opened(files: MemorySegments, held: Held, doubted: boolean, options: Partial<OpeningParts> = {}): Started {
  assert.deepEqual(open(files, held, options), { kind: "opened", doubted });
  const first = start(files, held);
  const segments = files.list();
  const again = { kind: "opened", doubted: false } as const;
  const { logId, position } = locate(files, held.stored, REREADS)!;
  const following = { ...held, stored: { ...held.stored, logId, position } };
  for (const known of [held, following, project(first)]) {
    assert.deepEqual(open(files, known, { ...options, self: "b", peerHasLock: true }), again);
    assert.deepEqual(files.list(), segments);
    const second = start(files, known, 2 ** 31);
    assertSame(first, second);
    for (const [i, { ledger }] of [first, second, first].entries()) ledger.append(accepted(100 + i));
    assertSame(first, second);
  }
  // a process starts after both have died, and the machine has not
  assert.deepEqual(open(files, held, options), again);
  assertSame(first, start(files, held, 2 ** 30));
  return first;
}

/** What the first record of a segment says. */
function firstOf(files: MemorySegments, segment: number): SegmentHeader {
  const record = new RecordBuffer(PAIR);
  record.bytes.set(files.content(segment).bytes.subarray(0, RECORD_BYTES));
  return record.read() as SegmentHeader;
}

const follows = (segment: number, boot = BOOT, logId = LOG_ID): SegmentHeader => ({
  kind: "header",
  logId,
  segment,
  boot,
  base: null,
});
const SEALED = { kind: "sealed" } as const;

/** Segments 1 to 3 with a payment each; the last is not sealed. */
function three(): MemorySegments {
  const files = new MemorySegments();
  begin(files, 1, accepted(1));
  files.open(1)!.append(bytesOf(SEALED));
  files.create(2, bytesOf(follows(2), accepted(2), SEALED));
  files.create(3, bytesOf(follows(3), accepted(3)));
  return files;
}

/** What the store holds if it has these segments up to a position. */
function heldAt(files: MemorySegments, position = Infinity): Held {
  const started = start(files);
  if (position === Infinity) return project(started);
  const book = new Book();
  const log = new SegmentLog({ files, boot: BOOT, position: positionOf(1, 0), gone: assert.fail });
  const ledger: FileLedger = new FileLedger(
    {
      get position() {
        return log.position;
      },
      append: () => false,
      next: (into) => log.position < position && log.next(into),
    },
    0,
    PAIR,
    book,
  );
  ledger.catchUp();
  assert.equal(ledger.position, position);
  return project({ logId: LOG_ID, ledger });
}

/** The numbers of the payments that are pending, and since when each is in doubt. */
function pending({ ledger }: Started): [number, number | null][] {
  const numberOf = (id: string) => Number.parseInt(id.slice(-12), 16);
  const all = [...ledger.book.pending.values()].map(({ id, doubtedUptimeMs }): [number, number | null] => [
    numberOf(id),
    doubtedUptimeMs,
  ]);
  // removes what the attempt has added
  return all.filter(([n]) => n < 100);
}

Deno.test("the very first start begins a log in segment 1, and nothing is in doubt", () => {
  const files = new MemorySegments();
  const first = opened(files, EMPTY, false);
  assert.deepEqual(firstOf(files, 1), {
    ...{ kind: "header", logId: UUID, segment: 1, boot: BOOT },
    base: { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) },
  });
  assert.equal(first.logId, UUID);
  assert.equal(first.ledger.book.doubtedUptimeMs, null);
});

Deno.test("a start on the same boot continues where the log ends, however much of it the store holds", () => {
  const whole = heldAt(three());
  for (const held of [EMPTY, heldAt(three(), positionOf(1, 2)), heldAt(three(), positionOf(2, 1)), whole]) {
    const files = three();
    const first = opened(files, held, false);
    assert.deepEqual(files.list(), [1, 2, 3]);
    assert.equal(first.logId, LOG_ID);
    assert.deepEqual(pending(first), [[1, null], [2, null], [3, null]]);
  }
});

Deno.test("a start on another boot begins another log on what the store holds, and replays from there, all in doubt", () => {
  const [two, end] = [positionOf(2, 1), positionOf(3, 2)];
  for (
    const [position, from] of [[0, positionOf(1, 0)], [positionOf(1, 2), positionOf(1, 2)], [two, two], [
      end,
      end,
    ]] as const
  ) {
    const files = three();
    const held = position === 0 ? EMPTY : heldAt(three(), position);
    const first = opened(files, held, true, { boot: BOOT + 1 });
    assert.deepEqual([first.logId, files.list()], [NEXT_ID, [1, 2, 3, 4]]);
    const base = { storedLog: position === 0 ? 0 : BITS, storedPosition: position, readFrom: from };
    assert.deepEqual(firstOf(files, 4), { kind: "header", logId: NEXT_ID, segment: 4, boot: BOOT + 1, base });
    assert.deepEqual(pending(first), [[1, UPTIME_MS], [2, UPTIME_MS], [3, UPTIME_MS]]);
  }
});

Deno.test("what the store commits late of an earlier log is no part of the log that began since", () => {
  const files = three();
  const held = heldAt(three(), positionOf(3, 1));
  files.content(3).bytes = files.content(3).bytes.slice(0, RECORD_BYTES);
  const boot = { boot: BOOT + 1 };
  assert.deepEqual(open(files, held, boot), { kind: "opened", doubted: true });
  // it was on its way when the machine died
  const late = heldAt(three());
  assert.equal(locate(files, late.stored, REREADS), undefined);
  const first = opened(files, late, true, { ...boot, uuid: () => THIRD_UUID });
  assert.deepEqual(pending(first), [[1, UPTIME_MS], [2, UPTIME_MS], [3, UPTIME_MS]]);
});

Deno.test("a machine that dies again and again loses no facts that the store lacks, whichever log the store follows", () => {
  const files = three();
  const held = heldAt(three(), positionOf(1, 2));
  assert.equal(open(files, held, { boot: BOOT + 1 }).kind, "opened");
  const { logId, position } = locate(files, held.stored, REREADS)!;
  const following = { ...held, stored: { ...held.stored, logId, position } };
  for (const known of [held, following]) {
    const copied = files.copy();
    const first = opened(copied, known, true, { boot: BOOT + 2, uuid: () => THIRD_UUID });
    assert.deepEqual(pending(first), [[1, UPTIME_MS], [2, UPTIME_MS], [3, UPTIME_MS]]);
  }
});

Deno.test("a segment that an earlier boot left without a seal, or half written, ends there, and the log continues after it", () => {
  const files = three();
  files.content(3).bytes = Uint8Array.of(...files.content(3).bytes, ...bytesOf(accepted(9)).subarray(0, 30));
  // the seal of an earlier segment may be lost as well, and what stood before it
  files.content(2).bytes = files.content(2).bytes.slice(0, RECORD_BYTES);
  const first = opened(files, EMPTY, true, { boot: BOOT + 1 });
  assert.deepEqual(pending(first), [[1, UPTIME_MS], [3, UPTIME_MS]]);
});

Deno.test("a segment of an earlier boot whose beginning is broken is passed over", () => {
  for (const broken of [new Uint8Array(), new Uint8Array(3 * RECORD_BYTES), bytesOf(accepted(7))]) {
    for (const segment of [2, 3]) {
      const files = three();
      files.content(segment).bytes = broken;
      const first = opened(files, EMPTY, true, { boot: BOOT + 1 });
      assert.deepEqual(files.list(), [1, 2, 3, 4]);
      assert.deepEqual(pending(first), [1, 2, 3].filter((n) => n !== segment).map((n) => [n, UPTIME_MS]));
    }
  }
});

Deno.test("where nothing is left of the log but a segment with a broken beginning, it is not the very first start", () => {
  const files = new MemorySegments();
  files.create(1, new Uint8Array(3 * RECORD_BYTES));
  const first = opened(files, EMPTY, true, { boot: BOOT + 1 });
  assert.deepEqual(firstOf(files, 2).base, { storedLog: 0, storedPosition: 0, readFrom: positionOf(2, 0) });
  assert.equal(first.ledger.book.doubtedUptimeMs, UPTIME_MS);
});

Deno.test("where the log is gone, another one of the same cluster begins on what the store holds, in doubt", () => {
  const held = heldAt(three());
  const files = new MemorySegments();
  const first = opened(files, held, true);
  assert.deepEqual(files.list(), [4]);
  const base = { storedLog: BITS, storedPosition: positionOf(3, 2), readFrom: positionOf(4, 0) };
  assert.deepEqual(firstOf(files, 4), { kind: "header", logId: NEXT_ID, segment: 4, boot: BOOT, base });
  assert.equal(first.logId, NEXT_ID);
  assert.deepEqual(pending(first), [[1, UPTIME_MS], [2, UPTIME_MS], [3, UPTIME_MS]]);
});

Deno.test("where the last segment after a seal is gone, another log begins with what is left", () => {
  const files = three();
  const held = heldAt(files, positionOf(2, 2));
  files.remove(3);
  const { logId } = opened(files, held, true);
  assert.equal(logId, NEXT_ID);
});

Deno.test("where a segment of a log that began anew is gone, it begins anew once more", () => {
  const files = three();
  const held = heldAt(files);
  files.remove(3);
  opened(files, held, true);
  files.open(4)!.append(bytesOf(SEALED));
  files.create(5, bytesOf(follows(5, BOOT, NEXT_ID), accepted(5), SEALED));
  files.create(6, bytesOf(follows(6, BOOT, NEXT_ID), accepted(6)));
  assert.ok(locate(files, held.stored, REREADS));
  files.remove(5);
  assert.equal(locate(files, held.stored, REREADS), undefined);
  assert.deepEqual(open(files, held, { uuid: () => THIRD_UUID }), { kind: "opened", doubted: true });
  assert.equal(files.list().at(-1), 7);
});

Deno.test("where the log's tail is cut off and the store holds more, another log begins on that", () => {
  const held = heldAt(three());
  const cut = three();
  cut.content(3).bytes = cut.content(3).bytes.slice(0, RECORD_BYTES);
  const missing = three();
  missing.remove(3);
  for (const files of [cut, missing]) {
    const first = opened(files, held, true);
    assert.deepEqual([first.logId, files.list().at(-1)], [NEXT_ID, 4]);
    assert.deepEqual(pending(first), [[1, UPTIME_MS], [2, UPTIME_MS], [3, UPTIME_MS]]);
  }
});

Deno.test("what is left after the position that is cut off is read on top of what the store holds", () => {
  const held = heldAt(three(), positionOf(2, 2));
  const files = three();
  files.content(2).bytes = files.content(2).bytes.slice(0, RECORD_BYTES);
  const first = opened(files, held, true);
  assert.deepEqual(firstOf(files, 4).base, {
    storedLog: BITS,
    storedPosition: positionOf(2, 2),
    readFrom: positionOf(3, 0),
  });
  assert.deepEqual(pending(first), [[1, UPTIME_MS], [2, UPTIME_MS], [3, UPTIME_MS]]);
});

Deno.test("where the store is empty and the log is whole, the log is all that is needed", () => {
  assert.deepEqual(pending(opened(three(), EMPTY, false)), [[1, null], [2, null], [3, null]]);
});

Deno.test("where the store is empty and the log is not whole any more, another log begins with what is left of it", () => {
  const files = three();
  files.remove(1);
  const first = opened(files, EMPTY, true);
  assert.equal(first.logId, NEXT_ID);
  assert.deepEqual(firstOf(files, 4).base, { storedLog: 0, storedPosition: 0, readFrom: positionOf(2, 0) });
  assert.deepEqual(pending(first), [[2, UPTIME_MS], [3, UPTIME_MS]]);
});

Deno.test("where the store went back to a position before what is left of the log, the rest is read on top of it", () => {
  const held = heldAt(three(), positionOf(1, 2));
  for (const [lost, left] of [[[1], [2, 3]], [[1, 2], [3]], [[2], [3]]] as const) {
    const files = three();
    for (const segment of lost) files.remove(segment);
    const first = opened(files, held, true);
    const from = lost.length === 1 && lost[0] === 2 ? positionOf(1, 2) : positionOf(left[0], 0);
    assert.deepEqual(firstOf(files, 4).base, { storedLog: BITS, storedPosition: positionOf(1, 2), readFrom: from });
    assert.deepEqual(pending(first), [1, ...left].map((n) => [n, UPTIME_MS]));
  }
});

Deno.test("where the store went back to an earlier log, all that came after is read on top of it", () => {
  const held = heldAt(three());
  // the log was lost, and another one began on a position of the store that it does not know any more
  const files = new MemorySegments();
  const base = { storedLog: BITS, storedPosition: positionOf(3, 3), readFrom: positionOf(4, 0) };
  files.create(4, bytesOf({ ...follows(4, BOOT, NEXT_ID), base }, accepted(4)));
  const first = opened(files, held, true, { uuid: () => THIRD_UUID });
  assert.equal(first.logId, "00112233-aabb-ccdd" + LOG_ID.slice(18));
  assert.deepEqual(firstOf(files, 5).base, {
    storedLog: BITS,
    storedPosition: positionOf(3, 2),
    readFrom: positionOf(4, 0),
  });
  assert.deepEqual(pending(first), [1, 2, 3, 4].map((n) => [n, UPTIME_MS]));
});

Deno.test("what is left after the store's position is read even if the log that began anew there is gone again", () => {
  const files = three();
  const held = heldAt(files, positionOf(2, 2));
  // the store follows the next log, whose first segment the machine's death has taken
  const first = opened(files, { ...held, stored: { ...held.stored, logId: NEXT_ID } }, true);
  assert.deepEqual(firstOf(files, 4).base!.readFrom, positionOf(2, 2));
  assert.deepEqual(pending(first), [1, 2, 3].map((n) => [n, UPTIME_MS]));
});

Deno.test("what is left after the store's position is read however often the log began anew there and was lost", () => {
  const held = heldAt(three(), positionOf(2, 2));
  let stored = { ...held.stored, logId: NEXT_ID };
  for (const digits of ["00000001", "00000002", "00000003"]) {
    const copy = three();
    const uuid = () => digits + UUID.slice(8);
    const first = opened(copy, { ...held, stored }, true, { uuid, boot: BOOT + 1 });
    assert.deepEqual(pending(first), [1, 2, 3].map((n) => [n, UPTIME_MS]));
    // the store follows, and the machine dies before anything else is on the disk
    stored = { ...stored, logId: first.logId, position: positionOf(2, 2) };
  }
});

Deno.test("what the store holds already is not read again, also of an earlier log that is still there", () => {
  const purge: Fact = { kind: "purged", by: "a", at: 1 };
  const files = new MemorySegments();
  begin(files, 1, accepted(1), purge);
  const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) };
  files.create(2, bytesOf({ ...follows(2, BOOT, NEXT_ID), base }, accepted(2)));
  const held = project(start(files));
  assert.equal(held.stored.position, positionOf(2, 2));
  files.content(2).bytes = files.content(2).bytes.slice(0, RECORD_BYTES);
  const first = opened(files, held, true, { uuid: () => THIRD_UUID });
  // the purge would take the second payment
  assert.deepEqual(pending(first), [[2, UPTIME_MS]]);
});

Deno.test("another cluster's log is not read, and what the store holds continues in doubt", () => {
  const held = heldAt(three());
  const files = new MemorySegments();
  const foreign = "99999999-8888-4777-8666-555555555555";
  const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(7, 0) };
  files.create(7, bytesOf({ ...follows(7, BOOT, foreign), base }, accepted(50)));
  const first = opened(files, held, true);
  assert.deepEqual([first.logId, files.list()], [NEXT_ID, [7, 8]]);
  assert.deepEqual(firstOf(files, 8).base, {
    storedLog: BITS,
    storedPosition: positionOf(3, 2),
    readFrom: positionOf(8, 0),
  });
  assert.deepEqual(pending(first), [[1, UPTIME_MS], [2, UPTIME_MS], [3, UPTIME_MS]]);
});

Deno.test("a new segment's number is greater than all that log and store ever knew", () => {
  const held: Held = { ...EMPTY, stored: { ...NOTHING_STORED, logId: LOG_ID, position: positionOf(9, 70) } };
  for (const [numbers, next] of [[[], 10], [[4], 10], [[9], 10], [[12], 13]] as const) {
    const files = new MemorySegments();
    // as little as may be left of it
    for (const segment of numbers) files.create(segment, new Uint8Array());
    opened(files, held, true);
    assert.equal(files.list().at(-1), next);
  }
});

Deno.test("a start without the store continues a log that is whole and of this boot, and waits otherwise", () => {
  assert.deepEqual(open(three(), undefined), { kind: "opened", doubted: false });
  const trimmed = three();
  trimmed.remove(1);
  const anew = new MemorySegments();
  const base = { storedLog: BITS, storedPosition: positionOf(3, 2), readFrom: positionOf(4, 0) };
  anew.create(4, bytesOf({ ...follows(4, BOOT, NEXT_ID), base }));
  const why = "the store does not answer, and the log does not reach back to its beginning";
  for (const files of [new MemorySegments(), trimmed, anew]) {
    const before = files.list();
    assert.deepEqual(open(files, undefined), { kind: "wait", why });
    assert.deepEqual(files.list(), before);
  }
  assert.equal(open(three(), undefined, { boot: BOOT + 1 }).kind, "wait");
});

Deno.test("no log is begun while the peer serves: a start waits for a store that knows more", () => {
  const held = heldAt(three());
  const cut = three();
  cut.content(3).bytes = cut.content(3).bytes.slice(0, RECORD_BYTES);
  const why = "the store holds what is not in the log that another replica uses";
  for (const files of [cut, new MemorySegments()]) {
    const before = files.list();
    assert.deepEqual(open(files, held, { peerHasLock: true }), { kind: "wait", why });
    assert.deepEqual(files.list(), before);
  }
});

Deno.test("no log is begun while the peer serves, also where the machine seems to have another boot", () => {
  const files = three();
  assert.deepEqual(open(files, EMPTY, { peerHasLock: true, boot: BOOT + 1 }), { kind: "opened", doubted: false });
  assert.deepEqual(files.list(), [1, 2, 3]);
});

Deno.test("a start that cannot write the log waits", () => {
  for (const [files, boot] of [[new MemorySegments(), BOOT], [three(), BOOT + 1]] as const) {
    files.creates = false;
    assert.deepEqual(open(files, EMPTY, { boot }), { kind: "wait", why: "the log cannot be written" });
  }
});

Deno.test("a start leaves no file of the log open, whatever it finds", () => {
  const cut = three();
  cut.content(3).bytes = cut.content(3).bytes.slice(0, RECORD_BYTES);
  const [whole, broken] = [three(), three()];
  broken.content(2).bytes = new Uint8Array(10);
  for (const files of [cut, whole, broken]) {
    for (const held of [EMPTY, heldAt(three())]) {
      const before = files.opened;
      open(files, held);
      locate(files, held.stored, REREADS);
      assert.equal(files.opened, before);
    }
  }
});

Deno.test("a payment that the store holds continues with the facts of the log after it", () => {
  const files = three();
  const held = heldAt(three(), positionOf(1, 2));
  const { position } = held.payments[0]!;
  const bound = {
    kind: "dispatched",
    by: "a",
    id: idOf(1),
    over: position,
    processor: "default",
    at: 1,
    reason: "probe",
  };
  files.open(3)!.append(bytesOf(bound as Fact));
  const first = start(files, held);
  assert.equal(first.ledger.book.get(idOf(1))!.stage, "dispatched");
  assert.equal(segmentOf(first.ledger.book.get(idOf(1))!.position), 3);
});
