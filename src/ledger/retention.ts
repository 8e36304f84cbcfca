/** Which segments of the log are kept. @module */
import { isOutOfFiles } from "../errors.ts";
import type { Ledger } from "./ledger.ts";
import { type SegmentFiles, segmentOf } from "./log.ts";

/** How long the log may become; of one that is files also which of them are kept. */
export type LogLimit = Pick<Retention, "isOverLimit"> & Partial<Retention>;

/** Deletes segments that neither a replica nor the store needs any more. */
export class Retention {
  /** the lowest segment that may exist */
  #first: number;

  /** Deletes nothing yet. @param segmentsMax with more, new payments are refused */
  constructor(
    private readonly files: SegmentFiles,
    private readonly ledger: Pick<Ledger, "position">,
    readonly segmentsMax: number,
  ) {
    this.#first = files.list()[0] ?? 0;
  }

  /** Segments of the log, up to where it is read. */
  get segments(): number {
    return segmentOf(this.ledger.position) - this.#first + 1;
  }

  /** Whether new payments are refused, since the log is too long. */
  get isOverLimit(): boolean {
    return this.segments > this.segmentsMax;
  }

  /** Deletes the segments that the store holds up to `stored`, every peer has read up to `peersRead`, and this replica as well. */
  trim(stored: number, peersRead: number): void {
    const keep = segmentOf(Math.min(stored, peersRead, this.ledger.position));
    if (keep <= this.#first) return;
    try {
      for (const segment of this.files.list()) if (segment < keep) this.files.remove(segment);
      this.#first = keep;
    } catch (error) {
      // it is called again soon
      if (!isOutOfFiles(error)) throw error;
    }
  }
}
