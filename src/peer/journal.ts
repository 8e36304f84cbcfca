/** The newest facts of this replica in the order they were made, so that a peer that was away briefly gets only those. @module */
import type { Fact } from "../payment/fact.ts";

/** Facts that are kept; a peer that needs more gets the whole book. */
export const JOURNAL_MAX = 8_192;

/** A numbered stream of facts and epochs, of which the newest {@link JOURNAL_MAX} are kept. */
export class Journal {
  #seq = 0;
  #epochSeq = 0;
  #facts: Fact[] = [];

  /** The number of the newest entry; the first one has 1. */
  get seq(): number {
    return this.#seq;
  }

  /** The number of the newest epoch, before which nothing counts any more; 0 when there was none. */
  get epochSeq(): number {
    return this.#epochSeq;
  }

  append(fact: Fact): void {
    this.#facts[++this.#seq % JOURNAL_MAX] = fact;
  }

  /** A new epoch begins. */
  beginEpoch(): void {
    this.#epochSeq = ++this.#seq;
  }

  /** Nothing so far can be had from here any more: who lacks some of it needs the whole book. */
  forget(): void {
    this.#seq += JOURNAL_MAX + 1;
  }

  /** Whether every entry after `seq` is still here. */
  covers(seq: number): boolean {
    return seq <= this.#seq && this.#seq - seq <= JOURNAL_MAX;
  }

  /** The facts after `seq` up to `last`, where {@link covers} allows it and no epoch lies between them. */
  slice(seq: number, last: number): Fact[] {
    return Array.from({ length: last - seq }, (_, i) => this.#facts[(seq + 1 + i) % JOURNAL_MAX]!);
  }
}
