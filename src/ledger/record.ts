/**
 * Records: facts as bytes of the log, {@link RECORD_BYTES} each with a checksum, and two records that are not facts: the
 * first and the last one of a segment.
 * @module
 */
import { type Fact, type Processor, PROCESSORS, REASONS } from "../payment/fact.ts";
import { readId, writeId } from "../payment/id.ts";
import type { Roster } from "../payment/roster.ts";

/** The length of a record: it divides every size of page and sector, so that no record lies across two of them. */
export const RECORD_BYTES = 64;
/** The version of the format. */
const VERSION = 1;

/** The first record of a segment. */
export interface SegmentHeader {
  /** which record it is */
  readonly kind: "header";
  /** the identity of the log: {@link LogId} in text */
  readonly logId: string;
  /** its number */
  readonly segment: number;
  /** the boot of the machine that made it: nothing is appended to segments of an older boot */
  readonly boot: number;
  /** what the log begins anew on, if it does so here; null if it continues the segment before */
  readonly base: Base | null;
}

/** What a log begins anew on. */
export interface Base {
  /** which log the store held: {@link LogId.own}; 0 if it held none */
  readonly storedLog: number;
  /** the position up to which it held that; 0 if it held none */
  readonly storedPosition: number;
  /** the first segment left over from an earlier log, to be read on top of that; the segment itself if there is none */
  readonly readFrom: number;
}

/** `sealed` is the last record of a segment: what stands after it does not count. `barrier` marks a place in a stream. */
export type LogRecord = Fact | SegmentHeader | { readonly kind: "sealed" } | { readonly kind: "barrier" };

const KINDS = [
  "",
  "header",
  "sealed",
  "accepted",
  "dispatched",
  "released",
  "settled",
  "moved",
  "purged",
  "doubted",
  "barrier",
] as const;

const SEALED = KINDS.indexOf("sealed");

// the words of a record; after the colon, what they are in a header or in another kind
// kind; by, the three low bits; flag; processor; by, the two high bits; reason; version. Of `moved` the flag is the lowest
// bit of from, and the reason the others
const CODES = 0;
const SUM = 1; // checksum
const ID = 2; // id, four words: the identity of the log
const NONCE = 14; // nonce: the base's storedLog
const END = 15; // END_MARK
/** No record begins with it, so that the next write cannot complete one that was cut off. */
const END_MARK = 0xffff_ffff;
const WORDS = RECORD_BYTES / 4;
// the four numbers of 64 bits, by their index among doubles
const OVER = 3; // over: the base's storedPosition
const AT = 4; // at: segment
const CENTS = 5; // cents: the base's readFrom
const OTHER = 6; // of `settled` requestedAt, of `doubted` uptimeMs: boot

/** The bytes of one record, to be written and read. Numbers are in the byte order of the machine: a log never leaves it. */
export class RecordBuffer {
  /** the record, {@link RECORD_BYTES} long */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;

  /** All zero at first. @param roster the codes of the replicas that its records name */
  constructor(private readonly roster: Roster) {
    const buffer = new ArrayBuffer(RECORD_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  /** A number that no other record of its writer has. */
  get nonce(): number {
    return this.#words[NONCE]!;
  }

  /** The checksum. */
  get sum(): number {
    return this.#words[SUM]!;
  }

  /** Whether it is the last record of a segment. */
  get seals(): boolean {
    return (this.#words[CODES]! & 0xff) === SEALED;
  }

  /** Whether the bytes are a whole, unchanged record, of any version. */
  get valid(): boolean {
    return this.#words[SUM] === checksum(this.#words);
  }

  /** Copies the record whose first word is at `at`. */
  copy(from: Uint32Array, at: number): void {
    for (let i = 0; i < WORDS; i++) this.#words[i] = from[at + i]!;
  }

  /** Writes a record. */
  write(record: LogRecord, nonce: number): this {
    const [words, doubles] = [this.#words, this.#doubles];
    words.fill(0);
    words[NONCE] = nonce;
    const processor = "processor" in record ? PROCESSORS.indexOf(record.processor) + 1 : 0;
    const reason = "reason" in record ? REASONS.indexOf(record.reason) : 0;
    const by = "by" in record ? this.roster.codeOf(record.by) : 0;
    const from = record.kind === "moved" ? this.roster.codeOf(record.from) : 0;
    const flag = Number(flagOf(record)) | from & 1;
    words[CODES] = KINDS.indexOf(record.kind) | (by & 7) << 8 | flag << 11 | processor << 12 | by >>> 3 << 14 |
      (reason | from >>> 1) << 16 | VERSION << 24;
    words[END] = END_MARK;
    if ("id" in record) writeId(record.id, words, ID);
    if ("over" in record) doubles[OVER] = record.over;
    if ("at" in record) doubles[AT] = record.at;
    if ("cents" in record) doubles[CENTS] = record.cents;
    switch (record.kind) {
      case "header":
        writeId(record.logId, words, ID);
        words[NONCE] = record.base?.storedLog ?? 0;
        doubles[OVER] = record.base?.storedPosition ?? 0;
        doubles[CENTS] = record.base?.readFrom ?? 0;
        doubles[AT] = record.segment;
        doubles[OTHER] = record.boot;
        break;
      case "settled":
        doubles[OTHER] = record.requestedAt;
        break;
      case "doubted":
        doubles[OTHER] = record.uptimeMs;
        break;
    }
    words[SUM] = checksum(words);
    return this;
  }

  /**
   * Reads the record.
   *
   * @throws if it has codes that no version of the program writes: a broken invariant, since the checksum is right
   */
  read(): LogRecord {
    const [words, doubles] = [this.#words, this.#doubles];
    const codes = words[CODES]!;
    if (codes >>> 24 !== VERSION) throw new Error(`invariant: the log has a record of version ${codes >>> 24}`);
    const kind = KINDS[codes & 0xff]!;
    const by = this.roster.nameOf(codes >>> 8 & 7 | codes >>> 11 & 0x18)!;
    const processor = PROCESSORS[(codes >>> 12 & 3) - 1] as Processor;
    const reason = REASONS[codes >>> 16 & 0xff]!;
    const flag = codes >>> 11 & 1;
    const [over, at, cents, other] = [doubles[OVER]!, doubles[AT]!, doubles[CENTS]!, doubles[OTHER]!];
    const id = () => readId(words, ID);
    switch (kind) {
      case "header": {
        const base = flag === 1 ? { storedLog: this.nonce, storedPosition: over, readFrom: cents } : null;
        return { kind, logId: id(), segment: at, boot: other, base };
      }
      case "sealed":
      case "barrier":
        return { kind };
      case "accepted":
        return { kind, by, id: id(), cents, at, doubt: flag === 1 };
      case "dispatched":
        return { kind, by, id: id(), over, processor, at, reason };
      case "released":
        return { kind, by, id: id(), over, at, reason, askFirst: flag === 1 };
      case "settled":
        return { kind, by, id: id(), over, processor, requestedAt: other, cents, at, reason };
      case "moved":
        return { kind, by, from: this.roster.nameOf(flag | codes >>> 15 & 0x1e)!, at };
      case "purged":
        return { kind, by, at };
      case "doubted":
        return { kind, by, at, uptimeMs: other };
      default:
        throw new Error(`invariant: the log has a record of kind ${codes & 0xff}`);
    }
  }
}

/** The flag of a record. */
function flagOf(record: LogRecord): boolean {
  switch (record.kind) {
    case "header":
      return record.base !== null;
    case "accepted":
      return record.doubt;
    case "released":
      return record.askFirst;
    default:
      return false;
  }
}

/** Mixes all words but the checksum; the sum of zeros is not zero. */
function checksum(words: Uint32Array): number {
  let sum = mix(0x9e3779b9, words[CODES]!);
  for (let i = ID; i < WORDS; i++) sum = mix(sum, words[i]!);
  return sum;
}

/** Adds a word to a hash of 32 bits (round and end of MurmurHash3). */
export function mix(hash: number, word: number): number {
  word = Math.imul(word, 0xcc9e2d51);
  word = Math.imul(word << 15 | word >>> 17, 0x1b873593);
  hash ^= word;
  hash = Math.imul(hash << 13 | hash >>> 19, 5) + 0xe6546b64 | 0;
  hash ^= hash >>> 16;
  return hash >>> 0;
}
