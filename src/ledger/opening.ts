/**
 * How a start continues with the log: {@link classify} finds the row of DESIGN.md's table "A start on a log of files", {@link openLog}
 * does what it says, and {@link locate} finds where reading begins then. One replica at a time does so.
 * @module
 */
import type { ReplicaId } from "../payment/fact.ts";
import { NO_NAMES, type Roster } from "../payment/roster.ts";
import type { Stored } from "../store/store.ts";
import { LogGoneError, positionOf, type SegmentFiles, segmentOf } from "./log.ts";
import { formatLogId, parseLogId } from "./log_id.ts";
import { type Base, RECORD_BYTES, RecordBuffer, type SegmentHeader } from "./record.ts";
import { readHeader, SegmentLog, type SegmentLogOptions } from "./segment_log.ts";

/** Where a replica reads from. */
interface Beginning extends Required<Pick<SegmentLogOptions, "position" | "liveFrom" | "leftovers">> {
  /** identity of the log */
  readonly logId: string;
}

/** What opening the log needs. */
export interface OpeningParts {
  /** the log's segments */
  readonly files: SegmentFiles;
  /** the boot of the machine now: {@link SegmentHeader.boot} */
  readonly boot: number;
  /** the replica that opens the log */
  readonly self: ReplicaId;
  /** all replicas */
  readonly roster: Roster;
  /** where the store is; undefined if it does not answer */
  readonly stored: Stored | undefined;
  /** whether the lock of another replica is held: then that one reads the log and appends to it */
  readonly peerHasLock: boolean;
  /** see {@link SegmentLogOptions} */
  readonly rereads: number;
  /** the time now, in milliseconds since 1970, UTC */
  readonly at: number;
  /** the machine's uptime now, in milliseconds */
  readonly uptimeMs: number;
  /** Makes a new UUID. */
  uuid(): string;
}

/** The result of an attempt to open the log. */
export type Opening =
  | { readonly kind: "opened"; readonly doubted: boolean }
  /** it cannot be decided now, and why */
  | { readonly kind: "wait"; readonly why: string };

/** The log as found. The two look-ups read one segment, and change nothing. */
export interface LogView {
  /** the numbers of all segments, in order */
  readonly numbers: readonly number[];
  /** the headers of those that have one, in order */
  readonly headers: readonly SegmentHeader[];
  /** Whether a position is in the log, or at the end of one of its segments. */
  reaches(position: number): boolean;
  /** Whether a segment is sealed and none follows: the next one is gone. */
  lacksNext(segment: number): boolean;
}

/** A row of the table. */
export type Row =
  /** the log continues from the stored position: replay it */
  | { readonly kind: "goes-on" }
  | { readonly kind: "wait"; readonly why: string }
  /** begin the cluster's first log, or another one on top of what is stored and left over, in doubt */
  | {
    readonly kind: "first" | "anew";
    /** a segment number that was never used, as far as log and store know */
    readonly segment: number;
    /** the log in which its reading begins, or else the one before it; undefined if there was none */
    readonly parent: string | undefined;
    readonly base: Base;
  };

/** Nothing was ever stored. */
export const NOTHING_STORED: Stored = { logId: null, position: 0, hash: 0, doubtedUptimeMs: null };

/** Which row applies; `stored`, `boot` and `peerHasLock` as in {@link OpeningParts}. */
export function classify(found: LogView, stored: Stored | undefined, boot: number, peerHasLock: boolean): Row {
  const newest = found.headers.at(-1);
  if (!stored) {
    if (newest?.boot === boot && beginningOf(found, NOTHING_STORED)) return { kind: "goes-on" };
    return { kind: "wait", why: "the store does not answer, and the log does not reach back to its beginning" };
  }
  // a peer that holds its lock proves that the machine did not die since, even if `boot` differs
  if ((newest?.boot === boot || peerHasLock) && beginningOf(found, stored)) return { kind: "goes-on" };
  if (peerHasLock) return { kind: "wait", why: "the store holds what is not in the log that another replica uses" };
  const { logId, position } = stored;
  const segment = Math.max(found.numbers.at(-1) ?? 0, segmentOf(position)) + 1;
  const leftover = firstLeftover(found, stored);
  const readFrom = leftover ? Math.max(positionOf(leftover.segment, 0), position) : positionOf(segment, 0);
  const base = { storedLog: logId === null ? 0 : parseLogId(logId).own, storedPosition: position, readFrom };
  // a segment without a readable header is a log too: `anew`, not `first`
  const kind = found.numbers.length === 0 && logId === null ? "first" : "anew";
  return { kind, segment, parent: leftover?.logId ?? logId ?? newest?.logId, base };
}

/** The first segment with facts that the store may lack, of any log of its cluster. */
function firstLeftover({ headers, reaches }: LogView, { logId, position }: Stored): SegmentHeader | undefined {
  const id = logId === null ? undefined : parseLogId(logId);
  return headers.find((header) => {
    const { own, cluster } = parseLogId(header.logId);
    if (id && cluster !== id.cluster || header.segment < segmentOf(position)) return false;
    if (header.segment > segmentOf(position)) return true;
    // the stored position is in a segment of its log, or of the parent if the store holds nothing of its log itself
    return id !== undefined && (header.logId === logId || own === id.parent) && reaches(position);
  });
}

/** As {@link locate}, from what was found. */
function beginningOf(found: LogView, { logId, position }: Stored): Beginning | undefined {
  const { headers, numbers } = found;
  const newest = headers.at(-1);
  if (!newest || found.lacksNext(newest.segment)) return undefined;
  // where an earlier log ends, and with it every earlier boot
  const liveFrom = (headers.findLast(({ base }) => base) ?? headers[0]!).segment;
  const first = Math.max(liveFrom, segmentOf(position));
  const isWhole = numbers.filter((number) => number >= first).every((number, i) => number === first + i);
  if (!isWhole) return undefined;
  // where the newest log began anew; undefined if it is the first, or that segment is deleted
  const baseHeader = headers.findLast((header) => header.base && header.logId === newest.logId);
  const isBefore = baseHeader !== undefined && position < positionOf(baseHeader.segment, 0);
  if (logId === newest.logId && !isBefore) {
    return found.reaches(position) ? { logId, position, liveFrom, leftovers: false } : undefined;
  }
  if (!baseHeader) return undefined;
  // the store holds nothing of the newest log: what it holds has to be what that one began on
  const { storedLog, storedPosition, readFrom } = baseHeader.base!;
  const follows = logId === newest.logId
    ? position === readFrom
    : position === storedPosition && storedLog === (logId === null ? 0 : parseLogId(logId).own);
  if (!follows || !found.reaches(readFrom)) return undefined;
  return { logId: newest.logId, position: readFrom, liveFrom, leftovers: true };
}

/** Prepares the log, so that {@link locate} finds where to begin for what the store holds now. */
export function openLog(parts: OpeningParts): Opening {
  const { files, boot, stored, peerHasLock, rereads, self: by, at, uptimeMs } = parts;
  const row = classify(look(files, rereads), stored, boot, peerHasLock);
  if (row.kind === "wait") return row;
  if (row.kind === "goes-on") return { kind: "opened", doubted: false };
  const { segment, parent, base } = row;
  const uuid = parts.uuid();
  // another log, since lost records may have used positions of the one before
  const before = parent === undefined ? undefined : parseLogId(parent);
  const logId = before ? formatLogId({ ...before, own: parseLogId(uuid).own, parent: before.own }) : uuid;
  const doubted = row.kind === "anew";
  const bytes = new Uint8Array(doubted ? 2 * RECORD_BYTES : RECORD_BYTES);
  bytes.set(new RecordBuffer(NO_NAMES).write({ kind: "header", logId, segment, boot, base }, 0).bytes);
  if (doubted) {
    bytes.set(new RecordBuffer(parts.roster).write({ kind: "doubted", by, at, uptimeMs }, 0).bytes, RECORD_BYTES);
  }
  return files.create(segment, bytes)
    ? { kind: "opened", doubted }
    : { kind: "wait", why: "the log cannot be written" };
}

/** Where to replay from after loading the store; undefined if the log does not continue from there. */
export function locate(files: SegmentFiles, stored: Stored, rereads: number): Beginning | undefined {
  return beginningOf(look(files, rereads), stored);
}

/** Looks at the files; changes nothing. */
function look(files: SegmentFiles, rereads: number): LogView {
  const scratch = new RecordBuffer(NO_NAMES);
  const numbers = files.list();
  const headers = numbers.flatMap((segment) => {
    const file = files.open(segment);
    const header = file && readHeader(file, segment, scratch, rereads);
    file?.close();
    return header ?? [];
  });
  const reaches = (position: number) => {
    try {
      new SegmentLog({ files, boot: 0, position, rereads, gone() {} }).close();
      return true;
    } catch (error) {
      if (error instanceof LogGoneError) return false;
      throw error;
    }
  };
  // in this order: the next segment is there before the seal is
  const lacksNext = (segment: number) => isSealed(files, segment) && files.list().at(-1) === segment;
  return { numbers, headers, reaches, lacksNext };
}

function isSealed(files: SegmentFiles, segment: number): boolean {
  const file = files.open(segment);
  const record = new RecordBuffer(NO_NAMES);
  while (file?.read(record.bytes) === RECORD_BYTES && record.valid && !record.seals);
  file?.close();
  return record.valid && record.seals;
}
