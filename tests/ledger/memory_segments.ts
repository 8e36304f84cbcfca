/** The log's segments in memory. @module */
import type { SegmentFile, SegmentFiles } from "../../src/ledger/log.ts";

/** Bytes of one segment, which every file that is open on it shares. */
interface Content {
  bytes: Uint8Array;
}

/** {@link SegmentFiles} in a map, by number: for as many replicas as a test has. */
export class MemorySegments implements SegmentFiles {
  readonly #contents = new Map<number, Content>();

  list(): number[] {
    return [...this.#contents.keys()].sort((a, b) => a - b);
  }

  create(segment: number, records: Uint8Array): boolean {
    if (this.#contents.has(segment)) return false;
    this.#contents.set(segment, { bytes: records.slice() });
    return true;
  }

  open(segment: number): SegmentFile | undefined {
    const content = this.#contents.get(segment);
    let at = 0;
    return content && {
      append(bytes) {
        const longer = new Uint8Array(content.bytes.length + bytes.length);
        longer.set(content.bytes);
        longer.set(bytes, content.bytes.length);
        content.bytes = longer;
        return bytes.length;
      },
      read(into) {
        const read = content.bytes.subarray(at, at + into.length);
        into.set(read);
        at += read.length;
        return read.length;
      },
      back: (bytes) => void (at -= bytes),
      close: () => {},
    };
  }

  remove(segment: number): void {
    this.#contents.delete(segment);
  }
}
