/** The log's segments in memory. @module */
import type { SegmentFile, SegmentFiles } from "../../src/ledger/log.ts";

/** Bytes of one segment, which every file that is open on it shares. */
interface Content {
  bytes: Uint8Array;
}

/** {@link SegmentFiles} in a map, by number: for as many replicas as a test has. */
export class MemorySegments implements SegmentFiles {
  readonly #contents = new Map<number, Content>();
  /** whether a segment can be made: not on a disk that is full */
  creates = true;
  /** files that are open */
  opened = 0;

  /** How many bytes of a write are taken. */
  takes(bytes: Uint8Array): number {
    return bytes.length;
  }

  /** Called before every write and after it. */
  writes(_when: "before" | "after"): void {}

  list(): number[] {
    return [...this.#contents.keys()].sort((a, b) => a - b);
  }

  create(segment: number, records: Uint8Array): boolean {
    if (!this.creates || this.#contents.has(segment)) return false;
    this.#contents.set(segment, { bytes: records.slice() });
    return true;
  }

  open(segment: number): SegmentFile | undefined {
    const content = this.#contents.get(segment);
    if (!content) return undefined;
    let at = 0;
    this.opened++;
    return {
      append: (bytes) => {
        this.writes("before");
        const taken = this.takes(bytes);
        const longer = new Uint8Array(content.bytes.length + taken);
        longer.set(content.bytes);
        longer.set(bytes.subarray(0, taken), content.bytes.length);
        content.bytes = longer;
        this.writes("after");
        return taken;
      },
      read(into) {
        const read = content.bytes.subarray(at, at + into.length);
        into.set(read);
        at += read.length;
        return read.length;
      },
      back: (bytes) => void (at -= bytes),
      close: () => void this.opened--,
    };
  }

  remove(segment: number): void {
    this.#contents.delete(segment);
  }

  /** The bytes of a segment, which may be replaced: what a machine's death leaves of it. */
  content(segment: number): Content {
    return this.#contents.get(segment)!;
  }

  /** A copy, to try a start on. */
  copy(): MemorySegments {
    const copied = new MemorySegments();
    for (const [segment, { bytes }] of this.#contents) copied.create(segment, bytes);
    return copied;
  }
}
