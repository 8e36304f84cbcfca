/**
 * How a start goes on with the log: where reading begins, and whether a new segment is begun because the log may have
 * lost something. To be decided by one replica at a time.
 * @module
 */
import type { ReplicaId } from "../payment/fact.ts";
import type { Stored } from "../store/store.ts";
import { LogGoneError, placeOf, type SegmentFiles, segmentOf } from "./log.ts";
import { type Base, type Opened, RECORD_BYTES, RecordBuffer } from "./record.ts";
import { readOpened, SegmentLog } from "./segment_log.ts";

/** Where a replica reads from. */
export interface Beginning {
  /** identity of the log */
  readonly log: string;
  readonly position: number;
  /** see {@link SegmentLogOptions.openFrom} */
  readonly openFrom: number;
  /** see {@link SegmentLogOptions.holes} */
  readonly holes: boolean;
}

export interface OpeningParts {
  readonly files: SegmentFiles;
  readonly boot: number;
  readonly self: ReplicaId;
  /** where the store is; undefined where it does not answer */
  readonly stored: Stored | undefined;
  /** whether the peer reads and appends to the log now */
  readonly peerServes: boolean;
  readonly rereads: number;
  readonly at: number;
  readonly uptimeMs: number;
  uuid(): string;
}

/** What became of an attempt to open the log. */
export type Opening =
  | { readonly kind: "opened"; readonly doubted: boolean }
  /** it cannot be decided now, and why */
  | { readonly kind: "wait"; readonly why: string };

/** Nothing was ever stored. */
export const NOTHING_STORED: Stored = { log: null, position: 0, hash: 0, doubtedMs: null };

/** Makes the log one that {@link locate} finds a beginning in, for what the store holds now. */
export function openLog(parts: OpeningParts): Opening {
  const { files, boot, stored, peerServes, rereads } = parts;
  const segments = survey(files, rereads);
  const newest = segments.at(-1);
  if (!stored) {
    const whole = newest?.boot === boot && locate(files, NOTHING_STORED, rereads) !== undefined;
    if (whole) return { kind: "opened", doubted: false };
    return { kind: "wait", why: "the store does not answer, and the log does not reach back to its beginning" };
  }
  // a peer that serves lives since before any death of the machine, whatever its boot looks like from here
  if (newest && (newest.boot === boot || peerServes) && locate(files, stored, rereads)) {
    return { kind: "opened", doubted: false };
  }
  if (peerServes) return { kind: "wait", why: "the store holds what is not in the log that the peer uses" };
  // a segment whose beginning is broken was one before the machine died
  const fresh = files.list().length === 0 && stored.log === null;
  // on top of what the store holds, all that is left and not in it
  const { position } = stored;
  const left = segments.find(({ log, segment }) =>
    isOfCluster(log, stored.log) && (segment > segmentOf(position) ||
      segment === segmentOf(position) && (log === stored.log || isBefore(log, stored.log)) &&
        reaches(files, position, boot, rereads))
  );
  const from = left ? Math.max(placeOf(left.segment, 0), position) : 0;
  // another log, since places of the one before may have been used that nobody knows of any more
  const log = successor(left?.log ?? stored.log ?? newest?.log, parts.uuid());
  return begin(parts, log, { stored: stored.position, of: bitsOf(stored.log), from }, fresh);
}

/**
 * The identity of another log of the same cluster. Its first eight digits are its own, the next eight those of the log
 * in which its reading begins, and all logs of a cluster share the rest.
 */
function successor(log: string | undefined, uuid: string): string {
  if (log === undefined) return uuid;
  return `${uuid.slice(0, 8)}-${log.slice(0, 4)}-${log.slice(4, 8)}${log.slice(18)}`;
}

/** Whether a log is the one in which the reading of another begins. */
function isBefore(log: string, next: string | null): boolean {
  return next !== null && isOfCluster(log, next) && next.slice(9, 18) === `${log.slice(0, 4)}-${log.slice(4, 8)}`;
}

/** Whether a log is one of those whose projection the store is: any, where nothing was ever stored. */
function isOfCluster(log: string, stored: string | null): boolean {
  return stored === null || log.slice(18) === stored.slice(18);
}

/** The first 32 bits of a log's identity. */
function bitsOf(log: string | null): number {
  return log === null ? 0 : Number.parseInt(log.slice(0, 8), 16);
}

/** Where reading begins for who has loaded what the store holds; undefined where the log does not go on from there. */
export function locate(files: SegmentFiles, stored: Stored, rereads: number): Beginning | undefined {
  const segments = survey(files, rereads);
  const newest = segments.at(-1);
  if (!newest || files.list().at(-1) === newest.segment && isSealed(files, newest.segment)) return undefined;
  // where the newest log began, which what is left of another one says nothing of
  const base = segments.findLast((opened) => opened.base !== null && opened.log === newest.log);
  // where an earlier log ends, and with it every earlier boot
  const openFrom = (segments.findLast((opened) => opened.base !== null) ?? segments[0]!).segment;
  const found = { log: newest.log, openFrom };
  const { log, position } = stored;
  if (!isWhole(files, Math.max(openFrom, segmentOf(position)))) return undefined;
  if (log !== newest.log) {
    const follows = base?.base?.stored === position && base.base.of === bitsOf(log) &&
      reaches(files, base.base.from, newest.boot, rereads);
    return follows ? { ...found, position: base.base.from, holes: true } : undefined;
  }
  if (base && position < placeOf(base.segment, 0)) {
    // the store follows the log that began anew, and holds nothing of it
    const follows = position === base.base!.from && reaches(files, position, newest.boot, rereads);
    return follows ? { ...found, position, holes: true } : undefined;
  }
  return reaches(files, position, newest.boot, rereads) ? { ...found, position, holes: false } : undefined;
}

/** Whether no segment is missing from this one on. */
function isWhole(files: SegmentFiles, from: number): boolean {
  return files.list().filter((segment) => segment >= from).every((segment, i) => segment === from + i);
}

/** Whether a place is in the log, or at the end of one of its segments. */
function reaches(files: SegmentFiles, position: number, boot: number, rereads: number): boolean {
  try {
    new SegmentLog({ files, boot, position, rereads, gone() {} }).close();
    return true;
  } catch (error) {
    if (error instanceof LogGoneError) return false;
    throw error;
  }
}

/** Whether a segment has its last record: then there was another one behind it. */
function isSealed(files: SegmentFiles, segment: number): boolean {
  const file = files.open(segment);
  const record = new RecordBuffer();
  try {
    while (file?.read(record.bytes) === RECORD_BYTES && record.valid) if (record.seals) return true;
    return false;
  } finally {
    file?.close();
  }
}

/** The segments that begin as one, in order. */
function survey(files: SegmentFiles, rereads: number): Opened[] {
  const scratch = new RecordBuffer();
  return files.list().flatMap((segment) => {
    const file = files.open(segment);
    const opened = file && readOpened(file, segment, scratch, rereads);
    file?.close();
    return opened ?? [];
  });
}

/** Begins a segment with a number that no segment had, as far as log and store know. */
function begin(parts: OpeningParts, log: string, base: Base, fresh: boolean): Opening {
  const { files, boot, self: by, at, uptimeMs, stored } = parts;
  const segment = Math.max(files.list().at(-1) ?? 0, segmentOf(stored!.position)) + 1;
  const opened: Opened = {
    ...{ kind: "opened", log, segment, boot },
    base: { ...base, from: base.from || placeOf(segment, 0) },
  };
  const bytes = new Uint8Array(fresh ? RECORD_BYTES : 2 * RECORD_BYTES);
  bytes.set(new RecordBuffer().write(opened, 0).bytes);
  if (!fresh) bytes.set(new RecordBuffer().write({ kind: "doubted", by, at, uptimeMs }, 0).bytes, RECORD_BYTES);
  if (files.create(segment, bytes)) return { kind: "opened", doubted: !fresh };
  return { kind: "wait", why: "the log cannot be written" };
}
