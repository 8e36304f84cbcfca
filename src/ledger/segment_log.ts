/**
 * The log of one machine: files that all replicas append to. A write of a whole record to a local file is atomic against
 * the others' and survives the death of every process; the order of the bytes is the order of the log.
 *
 * A segment ends with the record `sealed`, which is written once the next segment exists. A record that stays bad ends it
 * too: only a write that was cut short leaves one. What stands after the end does not count.
 * @module
 */
import { NO_NAMES } from "../payment/roster.ts";
import { indexOf, type Log, LogGoneError, positionOf, type SegmentFile, type SegmentFiles, segmentOf } from "./log.ts";
import { RECORD_BYTES, RecordBuffer, type SegmentHeader } from "./record.ts";

/** Records after which a segment is sealed: 4 MiB of them. */
export const SEGMENT_RECORDS = 1 << 16;
/** How often a record that looks bad is read again before it counts as bad, since bytes may arrive late: some 50 ms. */
export const REREADS = 20_000;
/** How much is read at once, in records. */
const READ_RECORDS = 512;

/** The log, as a replica reads it and appends to it. */
export interface SegmentLogOptions {
  /** the log's segments */
  readonly files: SegmentFiles;
  /** see {@link SegmentHeader.boot} */
  readonly boot: number;
  /** where reading begins */
  readonly position: number;
  /** the first segment of the present log: nothing is appended to those before, so each ends with its file, sealed or not */
  readonly liveFrom?: number;
  /** whether reading begins in leftovers of an earlier log, before `liveFrom`: missing segments of those are skipped */
  readonly leftovers?: boolean;
  /** Called once if unread records are gone: this replica must restart. From then on the log is full, and at its end. */
  gone(why: string): void;
  /** records after which a segment is sealed: {@link SEGMENT_RECORDS} by default */
  readonly segmentRecords?: number;
  /** how often a bad record is read again: {@link REREADS} by default */
  readonly rereads?: number;
}

/** The {@link Log} over segments. */
export class SegmentLog implements Log {
  readonly #options: Required<SegmentLogOptions>;
  readonly #scratch = new RecordBuffer(NO_NAMES);
  readonly #buffer = new Uint8Array(READ_RECORDS * RECORD_BYTES);
  readonly #words = new Uint32Array(this.#buffer.buffer);
  /** the part of the buffer that is read and not handed out */
  #from = 0;
  #to = 0;
  /** whether the file ended with what is in the buffer, when this reading last filled it */
  #isEnd = false;
  #segment!: number;
  /** how many records of the segment were handed out */
  #index!: number;
  #file!: SegmentFile;
  #logId!: string;
  /** the segment ends here, with a record that stayed bad */
  #bad = false;
  /** the seal of the segment was read */
  #sealed = false;
  #gone = false;

  /** Opens the log at a position. @throws LogGoneError if that is not in the log */
  constructor(options: SegmentLogOptions) {
    const defaults = { liveFrom: 0, leftovers: false, segmentRecords: SEGMENT_RECORDS, rereads: REREADS };
    this.#options = { ...defaults, ...options };
    const { position } = options;
    if (!this.#enter(segmentOf(position))) throw new LogGoneError(`segment ${segmentOf(position)} of the log is gone`);
    while (this.#index < indexOf(position)) {
      if (!this.#readRecord(this.#scratch)) {
        this.#file.close();
        throw new LogGoneError(`the log ends before the position ${position}`);
      }
      this.#sealed = this.#scratch.seals;
    }
  }

  get position(): number {
    return positionOf(this.#segment, this.#index);
  }

  append(record: RecordBuffer): boolean {
    if (this.#gone) return false;
    if (this.#index >= this.#options.segmentRecords && !this.#seal()) return false;
    return this.#file.append(record.bytes) === RECORD_BYTES;
  }

  next(into: RecordBuffer, on = false): boolean {
    while (!this.#gone) {
      // going on to the next segment may have failed, for want of a file descriptor
      if (!this.#sealed) {
        if (this.#readRecord(into, on)) {
          if (!into.seals) return true;
          this.#sealed = true;
        } else if (this.#bad) {
          if (!this.#ensureNext()) return false;
        } else if (this.#segment >= this.#options.liveFrom) return false;
      }
      this.#advance();
    }
    return false;
  }

  /** Closes the file that is read; the log stays. */
  close(): void {
    this.#file.close();
  }

  /** Hands out the next record of the segment. @returns false at its end, and at a record that stays bad */
  #readRecord(into: RecordBuffer, on = false): boolean {
    if (this.#bad) return false;
    this.#isEnd &&= on;
    for (let again = 0;; again++) {
      if (this.#to - this.#from < RECORD_BYTES && !this.#isEnd) this.#fill();
      if (this.#to - this.#from < RECORD_BYTES) return false;
      into.copy(this.#words, this.#from / 4);
      if (into.valid) break;
      if (again === this.#options.rereads) {
        this.#bad = true;
        return false;
      }
      this.#file.back(this.#to - this.#from);
      this.#from = this.#to = 0;
      this.#isEnd = false;
    }
    this.#from += RECORD_BYTES;
    this.#index++;
    return true;
  }

  /** Reads on; a part of a record at the end is kept until the rest of it is there. */
  #fill(): void {
    this.#buffer.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    this.#to += this.#file.read(this.#to === 0 ? this.#buffer : this.#buffer.subarray(this.#to));
    this.#isEnd = this.#to < this.#buffer.length;
  }

  /** Ends the segment. Each replica may do so: the first seal counts. @returns false if the log cannot continue */
  #seal(): boolean {
    return this.#ensureNext() && this.#file.append(this.#scratch.write({ kind: "sealed" }, 0).bytes) === RECORD_BYTES;
  }

  /** Makes the next segment if there is none. @returns whether there is one now */
  #ensureNext(): boolean {
    if (this.#following() !== undefined) return true;
    const segment = this.#segment + 1;
    const header = { kind: "header", logId: this.#logId, segment, boot: this.#options.boot, base: null } as const;
    return this.#options.files.create(segment, this.#scratch.write(header, 0).bytes) || this.#following() !== undefined;
  }

  #following(): number | undefined {
    return this.#options.files.list().find((segment) => segment > this.#segment);
  }

  #advance(): void {
    const before = this.#file;
    let expected = this.#segment + 1;
    for (const segment of this.#options.files.list()) {
      if (segment < expected) continue;
      if (segment > expected && !(this.#options.leftovers && segment <= this.#options.liveFrom)) break;
      if (this.#enter(segment)) return before.close();
      // the machine died before its header was on the disk: there was nothing in it
      if (segment >= this.#options.liveFrom) break;
      expected = segment + 1;
    }
    this.#gone = true;
    this.#options.gone(`segment ${expected} of the log is gone`);
  }

  /** Begins to read a segment. @returns false if it has no header, and then nothing has changed */
  #enter(segment: number): boolean {
    const file = this.#options.files.open(segment);
    const header = file && readHeader(file, segment, this.#scratch, this.#options.rereads);
    if (!header) {
      file?.close();
      return false;
    }
    this.#file = file;
    this.#segment = segment;
    this.#logId = header.logId;
    this.#index = this.#from = this.#to = 0;
    this.#bad = this.#sealed = this.#isEnd = false;
    return true;
  }
}

/** The header of a segment, which then is still to be read; undefined if it has none. */
export function readHeader(
  file: SegmentFile,
  segment: number,
  scratch: RecordBuffer,
  rereads = REREADS,
): SegmentHeader | undefined {
  for (let again = 0; again <= rereads; again++) {
    const length = file.read(scratch.bytes);
    file.back(length);
    if (length < RECORD_BYTES) return undefined;
    if (!scratch.valid) continue;
    const record = scratch.read();
    return record.kind === "header" && record.segment === segment ? record : undefined;
  }
  return undefined;
}
