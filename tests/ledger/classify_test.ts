/** Which row of DESIGN.md's table "A start" applies, for what is found: no file is read here. @module */
import assert from "node:assert/strict";
import { positionOf } from "../../src/ledger/log.ts";
import { classify, type LogView, NOTHING_STORED, type Row } from "../../src/ledger/opening.ts";
import type { Base, SegmentHeader } from "../../src/ledger/record.ts";
import type { Stored } from "../../src/store/store.ts";
import { BOOT, LOG_ID } from "./side.ts";

const OWN = 0x0f0e0d0c;
/** A log that began anew on the first one, and the same on that. */
const CHILD_ID = `aabbccdd-0f0e-0d0c${LOG_ID.slice(18)}`;
const GRANDCHILD_ID = `00112233-aabb-ccdd${LOG_ID.slice(18)}`;
const FOREIGN_ID = "99999999-8888-4777-8666-555555555555";

const header = (segment: number, logId = LOG_ID, base: Base | null = null): SegmentHeader => ({
  ...{ kind: "header", logId, segment, boot: BOOT, base },
});

/** A log whose segments have ten records each. */
function found(headers: readonly SegmentHeader[], but: Partial<LogView> = {}): LogView {
  return {
    ...{ numbers: headers.map(({ segment }) => segment), headers, lacksNext: () => false },
    reaches: (position) =>
      headers.some(({ segment }) => position >= positionOf(segment, 0) && position <= end(segment)),
    ...but,
  };
}

const end = (segment: number) => positionOf(segment, 10);
const stored = (position: number, logId = LOG_ID): Stored => ({ ...NOTHING_STORED, logId, position });
const WHOLE = [
  header(1, LOG_ID, { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) }),
  header(2),
  header(3),
];
const BEGUN_ANEW = found([
  ...WHOLE,
  header(4, CHILD_ID, { storedLog: OWN, storedPosition: positionOf(2, 5), readFrom: positionOf(2, 5) }),
]);
const SILENT = "the store does not answer, and the log does not reach back to its beginning";
const DIFFERS = "the store holds what is not in the log that another replica uses";

interface Case {
  readonly found: LogView;
  readonly stored: Stored | undefined;
  readonly boot?: number;
  readonly peerHasLock?: boolean;
  readonly row: Row;
}

const anew = (segment: number, parent: string, position: number, readFrom: number, storedLog = OWN): Row => ({
  ...{ kind: "anew", segment, parent, base: { storedLog, storedPosition: position, readFrom } },
});

const CASES: Readonly<Record<string, Case>> = {
  "nothing is stored and there is no log: the first one": {
    found: found([]),
    stored: NOTHING_STORED,
    row: {
      ...{ kind: "first", segment: 1, parent: undefined },
      base: { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) },
    },
  },
  "the log goes on from the stored position": {
    found: found(WHOLE),
    stored: stored(positionOf(2, 5)),
    row: { kind: "goes-on" },
  },
  "nothing is stored of a log that is whole": {
    found: found(WHOLE),
    stored: NOTHING_STORED,
    row: { kind: "goes-on" },
  },
  "the machine was started anew: all that is not stored is read": {
    found: found(WHOLE),
    stored: stored(positionOf(2, 5)),
    boot: BOOT + 1,
    row: anew(4, LOG_ID, positionOf(2, 5), positionOf(2, 5)),
  },
  "the machine was started anew, and nothing is stored": {
    found: found(WHOLE),
    stored: NOTHING_STORED,
    boot: BOOT + 1,
    row: anew(4, LOG_ID, 0, positionOf(1, 0), 0),
  },
  "the log is gone: there is nothing to read but what comes": {
    found: found([]),
    stored: stored(positionOf(3, 4)),
    row: anew(4, LOG_ID, positionOf(3, 4), positionOf(4, 0)),
  },
  "the log is shorter than what is stored": {
    found: found(WHOLE),
    stored: stored(positionOf(3, 11)),
    row: anew(4, LOG_ID, positionOf(3, 11), positionOf(4, 0)),
  },
  "the stored position is cut off, and later segments are left": {
    found: found(WHOLE),
    stored: stored(positionOf(2, 11)),
    row: anew(4, LOG_ID, positionOf(2, 11), positionOf(3, 0)),
  },
  "a segment is missing": {
    found: found([WHOLE[0]!, WHOLE[2]!]),
    stored: stored(positionOf(1, 5)),
    row: anew(4, LOG_ID, positionOf(1, 5), positionOf(1, 5)),
  },
  "the segment behind a seal is gone": {
    found: found(WHOLE, { lacksNext: (segment) => segment === 3 }),
    stored: stored(positionOf(2, 5)),
    row: anew(4, LOG_ID, positionOf(2, 5), positionOf(2, 5)),
  },
  "only a segment without a header is left": {
    found: found([], { numbers: [1] }),
    stored: NOTHING_STORED,
    row: {
      ...{ kind: "anew", segment: 2, parent: undefined },
      base: { storedLog: 0, storedPosition: 0, readFrom: positionOf(2, 0) },
    },
  },
  "the log is another cluster's": {
    found: found([header(7, FOREIGN_ID)]),
    stored: stored(positionOf(3, 4)),
    row: anew(8, LOG_ID, positionOf(3, 4), positionOf(8, 0)),
  },
  "the log began anew on exactly what is stored": {
    found: BEGUN_ANEW,
    stored: stored(positionOf(2, 5)),
    row: { kind: "goes-on" },
  },
  "the log began anew on less than what is stored": {
    found: BEGUN_ANEW,
    stored: stored(positionOf(2, 6)),
    row: anew(5, LOG_ID, positionOf(2, 6), positionOf(2, 6)),
  },
  "the store follows the log that began anew, and holds nothing of it": {
    found: BEGUN_ANEW,
    stored: stored(positionOf(2, 5), CHILD_ID),
    row: { kind: "goes-on" },
  },
  "the store follows a log that is lost: what is left of its parent is read": {
    found: found(WHOLE),
    stored: stored(positionOf(2, 5), CHILD_ID),
    row: anew(4, LOG_ID, positionOf(2, 5), positionOf(2, 5), 0xaabbccdd),
  },
  "the store follows a log that is lost, whose parent is not the one that is left: only later segments are read": {
    found: found(WHOLE),
    stored: stored(positionOf(2, 5), GRANDCHILD_ID),
    row: anew(4, LOG_ID, positionOf(2, 5), positionOf(3, 0), 0x00112233),
  },
  "the peer serves, whatever the boot looks like": {
    found: found(WHOLE),
    stored: stored(positionOf(2, 5)),
    boot: BOOT + 1,
    peerHasLock: true,
    row: { kind: "goes-on" },
  },
  "the peer serves, and the log does not go on from the stored position": {
    found: found(WHOLE),
    stored: stored(positionOf(3, 11)),
    peerHasLock: true,
    row: { kind: "wait", why: DIFFERS },
  },
  "the store does not answer, and the log is whole": {
    found: found(WHOLE),
    stored: undefined,
    row: { kind: "goes-on" },
  },
  "the store does not answer, and the log does not reach back to its beginning": {
    found: found(WHOLE.slice(1)),
    stored: undefined,
    row: { kind: "wait", why: SILENT },
  },
  "the store does not answer, and the machine was started anew": {
    found: found(WHOLE),
    stored: undefined,
    boot: BOOT + 1,
    row: { kind: "wait", why: SILENT },
  },
};

for (const [name, { found, stored, boot = BOOT, peerHasLock = false, row }] of Object.entries(CASES)) {
  Deno.test(`a start finds its row when: ${name}`, () => {
    assert.deepEqual(classify(found, stored, boot, peerHasLock), row);
  });
}
