/**
 * The folder of the log, as bad as a real one may be: writes that are cut at any byte, bytes that a reader sees late,
 * files that are not made, a process that dies between any two of its effects or is overtaken there by the other, and a
 * machine that dies with all, some or none of what was written.
 * @module
 */
import type { SegmentFile, SegmentFiles } from "../../src/ledger/log.ts";
import { positionOf, segmentOf } from "../../src/ledger/log.ts";
import { RECORD_BYTES, RecordBuffer } from "../../src/ledger/record.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";
import { PAIR } from "../support/pair.ts";

/** How unkind the disk is: shares of calls. */
export interface DiskFaults {
  /** a write is cut at any byte */
  cut: number;
  /** a reader sees the bytes of the other's last write late */
  late: number;
  /** a file is not made */
  unmade: number;
  /** the other process gets to do something just before or just after an effect */
  overtaken: number;
  /** a replica that records an owner's death dies soon after that, or during it */
  moveDies: number;
}

/** What the machine's death, or an operator, leaves of the log. */
export const LOSSES = ["none", "tail", "all", "older", "foreign"] as const;
export type Loss = typeof LOSSES[number];

/** One file, also one whose name is gone while a process still has it open. */
class Inode {
  #bytes = new Uint8Array(1 << 11);
  length = 0;
  /** which process wrote last, and where that write begins */
  writer: Life | undefined;
  writtenFrom = 0;

  write(bytes: Uint8Array, writer?: Life): void {
    if (this.writer !== writer) this.writtenFrom = this.length;
    this.writer = writer;
    while (this.length + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#bytes.length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** What was written, until more is. */
  get content(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  copy(length = this.length): Inode {
    const copied = new Inode();
    copied.write(this.content.subarray(0, length));
    return copied;
  }
}

type Files = Map<number, Inode>;

/** Where a record has its kind. */
const KIND = 0;
const MOVED = new RecordBuffer(PAIR).write({ kind: "moved", by: "a", from: "b", at: 0 }, 0).bytes[KIND];

/** The position behind the last record. */
function endOf(files: Files): number {
  const last = Math.max(0, ...files.keys());
  return positionOf(last, Math.floor((files.get(last)?.length ?? 0) / RECORD_BYTES));
}

/** The folder. */
export class Disk {
  /** bytes that the disk still takes */
  room = Infinity;
  /** the longest a file may get, in bytes */
  fileMax = Infinity;
  #files: Files = new Map();
  #copy: Files | undefined;
  #copiedMs = 0;
  readonly #scratch = new RecordBuffer(PAIR);

  constructor(private readonly world: World, readonly prng: World["prng"], readonly faults: DiskFaults) {}

  /** The folder as one process has it. */
  of(life: Life): SegmentFiles {
    return {
      list: () => {
        life.may(false);
        return this.#list();
      },
      create: (segment, records) => this.#create(life, segment, records),
      open: (segment) => {
        life.may(false);
        const inode = this.#files.get(segment);
        return inode && new OpenFile(inode, this, life);
      },
      remove: (segment) => {
        this.world.overtake(life);
        life.act();
        this.#remove(life, segment);
        life.act();
      },
    };
  }

  /** The folder without any fault, as no process sees it; nothing can be changed. */
  get view(): SegmentFiles {
    return {
      list: () => this.#list(),
      create: () => false,
      open: (segment) => {
        const inode = this.#files.get(segment);
        return inode && new ViewedFile(inode);
      },
      remove() {},
    };
  }

  /** An operator deletes a file of the log, from a number on but not the newest, even if a replica needs it.
   *
   * @returns its number */
  deleteOne(from: number): number | undefined {
    const segment = this.prng.pick(this.#list().slice(0, -1).filter((there) => there >= from));
    if (segment !== undefined) this.#files.delete(segment);
    return segment;
  }

  has(segment: number): boolean {
    return this.#files.has(segment);
  }

  get segments(): number {
    return this.#files.size;
  }

  /** Keeps a copy of the folder as it is now, to come back to. */
  backUp(): void {
    this.#copiedMs = this.world.clock.monotonic();
    this.#copy = new Map(Array.from(this.#files, ([segment, inode]) => [segment, inode.copy()]));
  }

  /** Whether the copy ends before a position. */
  copyIsBehind(position: number): boolean {
    return this.#copy !== undefined && endOf(this.#copy) < position;
  }

  /** Something happens to the folder while no process uses it.
   *
   * @returns whether what was taken at a position and time is lost */
  lose(loss: Loss): (position: number, takenMs: number) => boolean {
    switch (loss) {
      case "none":
        return () => false;
      case "tail": {
        const from = this.#loseTail();
        return (position) => position >= from;
      }
      case "older": {
        const copied = this.#copy;
        if (!copied) return () => false;
        this.#files = new Map(Array.from(copied, ([segment, inode]) => [segment, inode.copy()]));
        return (position, takenMs) => takenMs > this.#copiedMs || !copied.has(segmentOf(position));
      }
      case "foreign":
        this.#foreign();
        return () => true;
      case "all":
        this.#files = new Map();
        return () => true;
    }
  }

  /** A process is about to write, or has written. */
  passes(life: Life, bytes: Uint8Array, written: boolean): void {
    if (!written && bytes[KIND] === MOVED && this.prng.chance(this.faults.moveDies)) {
      life.doom(this.world.fault("death-in-move", this.prng.whole(1, 4)));
    }
    if (written) this.world.truth.catchUp();
    else this.world.overtake(life);
    life.act();
    if (written) this.world.overtake(life);
  }

  /** A reader sees bytes late, after so many reads. */
  sees(reads: number): number {
    return this.world.fault("bytes-late", reads);
  }

  /** How much of a write is taken. */
  takes(inode: Inode, bytes: Uint8Array): number {
    const { prng, faults, world } = this;
    let taken = Math.max(0, Math.min(bytes.length, this.room, this.fileMax - inode.length));
    if (taken < bytes.length) world.fault("disk-full-write", taken);
    else if (prng.chance(faults.cut)) taken = world.fault("write-cut", prng.whole(0, bytes.length - 1));
    this.room -= taken;
    return taken;
  }

  #list(): number[] {
    return [...this.#files.keys()].sort((a, b) => a - b);
  }

  #create(life: Life, segment: number, records: Uint8Array): boolean {
    const { world, prng, faults } = this;
    world.overtake(life);
    life.act();
    if (this.#files.has(segment)) return false;
    if (this.room < records.length || prng.chance(faults.unmade)) {
      world.fault("segment-unmade", segment);
      return false;
    }
    const inode = new Inode();
    inode.write(records, life);
    this.#files.set(segment, inode);
    this.room -= records.length;
    world.note("segment", life, segment, records.length);
    const first = this.#read(records);
    if (first) world.logs.began(life, first, records.length > RECORD_BYTES);
    life.act();
    world.overtake(life);
    return true;
  }

  #remove(life: Life, segment: number): void {
    const inode = this.#files.get(segment);
    if (!inode) return;
    this.world.logs.removed(life, segment, positionOf(segment, Math.floor(inode.length / RECORD_BYTES)));
    this.world.saw("segment-deleted", segment);
    this.#files.delete(segment);
    this.world.acks.deleted();
  }

  /** @returns undefined if it begins with no record */
  #read(records: Uint8Array): ReturnType<RecordBuffer["read"]> | undefined {
    this.#scratch.bytes.fill(0);
    this.#scratch.bytes.set(records.subarray(0, RECORD_BYTES));
    return this.#scratch.valid ? this.#scratch.read() : undefined;
  }

  /** The newest files are cut anywhere, hold zeros, or are gone; what is behind a file that lost something may be whole. */
  #loseTail(): number {
    const { prng } = this;
    const segments = this.#list();
    const many = Math.min(prng.whole(1, 3), segments.length);
    let first = Infinity;
    for (const segment of segments.slice(-many)) {
      const inode = this.#files.get(segment)!;
      // the newest records are those that tests are most often about
      const left = prng.chance(0.5)
        ? prng.whole(0, inode.length)
        : Math.max(0, inode.length - prng.whole(0, 4 * RECORD_BYTES));
      const how = prng.pick(["cut", "cut", "zeros", "whole", "empty", "missing"] as const);
      // without a store the log is all there is: a start that finds nothing cannot know that there was something
      const spared = segment === segments[0] && !this.world.database;
      if (how === "whole" || spared && left < RECORD_BYTES) continue;
      if (how === "missing" && !spared) this.#files.delete(segment);
      else this.#files.set(segment, inode.copy(how === "empty" && !spared ? 0 : left));
      if (how === "zeros") this.#files.get(segment)!.write(new Uint8Array(inode.length - left));
      const whole = how === "empty" || how === "missing" ? 0 : Math.floor(left / RECORD_BYTES);
      if (left < inode.length || whole === 0) first = Math.min(first, positionOf(segment, whole));
    }
    return first;
  }

  /** What is there is another cluster's log, with payments that this one never heard of. */
  #foreign(): void {
    const { prng } = this;
    const [inode, segment] = [new Inode(), prng.whole(1, 9)];
    const write = (record: Parameters<RecordBuffer["write"]>[0]) =>
      inode.write(this.#scratch.write(record, prng.word()).bytes);
    const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(segment, 0) };
    write({ kind: "header", logId: prng.uuid(), segment, boot: 0, base });
    const at = this.world.clock.now();
    for (let i = 0; i < 3; i++) write({ kind: "accepted", by: "a", id: prng.uuid(), cents: 777, at, doubt: false });
    this.#files = new Map([[segment, inode]]);
  }
}

/** A file that a process has open. */
class OpenFile implements SegmentFile {
  #at = 0;
  /** up to here it has seen what is there */
  #seen = 0;
  #late = { from: 0, to: 0, reads: 0 };

  constructor(private readonly inode: Inode, private readonly disk: Disk, private readonly life: Life) {}

  append(bytes: Uint8Array): number {
    const { disk, inode, life } = this;
    disk.passes(life, bytes, false);
    const taken = disk.takes(inode, bytes);
    inode.write(bytes.subarray(0, taken), life);
    disk.passes(life, bytes, true);
    return taken;
  }

  read(into: Uint8Array): number {
    const { inode, life } = this;
    life.may(false);
    const length = Math.min(into.length, inode.length - this.#at);
    if (length === 0) return 0;
    into.set(inode.content.subarray(this.#at, this.#at + length));
    this.#lag(into, length);
    this.#at += length;
    return length;
  }

  back(bytes: number): void {
    this.#at -= bytes;
  }

  close(): void {}

  /** Bytes that another has just written are not there yet, for some reads. */
  #lag(into: Uint8Array, length: number): void {
    const { inode, life, disk } = this;
    const late = this.#late;
    const from = Math.max(inode.writtenFrom, this.#seen);
    const news = inode.writer && inode.writer !== life && from < inode.length;
    if (late.reads === 0 && news && disk.prng.chance(disk.faults.late)) {
      late.from = disk.prng.whole(from, inode.length - 1);
      late.to = inode.length;
      late.reads = disk.sees(disk.prng.whole(1, LATE_READS_MAX));
    }
    this.#seen = inode.length;
    if (late.reads === 0) return;
    late.reads--;
    const [start, end] = [Math.max(0, late.from - this.#at), Math.min(late.to - this.#at, length)];
    if (end > start) into.fill(0, start, end);
  }
}

/** Reads after which bytes are seen, at the latest: fewer than a replica of a run reads again. */
export const LATE_READS_MAX = 30;

class ViewedFile implements SegmentFile {
  #at = 0;

  constructor(private readonly inode: Inode) {}

  append(): number {
    return 0;
  }

  read(into: Uint8Array): number {
    const length = Math.min(into.length, this.inode.length - this.#at);
    into.set(this.inode.content.subarray(this.#at, this.#at + length));
    this.#at += length;
    return length;
  }

  back(bytes: number): void {
    this.#at -= bytes;
  }

  close(): void {}
}
