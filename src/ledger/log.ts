/** The port to the log: records of the whole cluster in one order, which all replicas append to and read. @module */
import type { RecordBuffer } from "./record.ts";

/** Records of a segment at most. */
const INDEX_MAX = 2 ** 24;

/** The position of a record in the log: one number, which grows along the log; 0 is before everything. */
export function positionOf(segment: number, index: number): number {
  return segment * INDEX_MAX + index;
}

/** The number of the segment that a position is in. */
export function segmentOf(position: number): number {
  return Math.floor(position / INDEX_MAX);
}

/** Which record of its segment a position is. */
export function indexOf(position: number): number {
  return position % INDEX_MAX;
}

/** One replica's way to the log. */
export interface Log {
  /** The position after the last record of {@link next}: the next record is there or later. */
  readonly position: number;
  /**
   * Appends a record at the end of the log. {@link next} shows its position, and whether it counts.
   *
   * @returns false if the log did not take it, or not all of it: then it does not count
   */
  append(record: RecordBuffer): boolean;
  /**
   * Reads the next record of the log: a fact, or the first record of a segment.
   *
   * @param on whether the end that the reading of the record before found is good enough
   * @returns false at its end
   */
  next(into: RecordBuffer, on?: boolean): boolean;
}

/** A position is not in the log, or no longer. */
export class LogGoneError extends Error {
  /** what a stack shows */
  override name = "LogGoneError";
}

/** The files of the log's segments: in production in a folder that all replicas share, in simulation in memory. */
export interface SegmentFiles {
  /** The numbers of the segments there are, in order. */
  list(): number[];
  /**
   * Makes a segment that begins with these records, all of it at once.
   *
   * @returns false if it is there already, or could not be written
   */
  create(segment: number, records: Uint8Array): boolean;
  /** Opens a segment to read and append; undefined if there is none of this number. */
  open(segment: number): SegmentFile | undefined;
  /** Deletes a segment; harmless if it is gone. */
  remove(segment: number): void;
}

/** One segment that is open. */
export interface SegmentFile {
  /** Appends bytes, in one write. @returns how many were taken: fewer at a full disk or a limit */
  append(bytes: Uint8Array): number;
  /** Reads on from the last read. @returns how many bytes; 0 at the end */
  read(into: Uint8Array): number;
  /** Goes back by so many bytes. */
  back(bytes: number): void;
  /** Closes the file. */
  close(): void;
}
