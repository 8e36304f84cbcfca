/**
 * Count and sum of the settled payments of one processor, over any window of their `requestedAt`.
 *
 * Milliseconds with a payment are kept in order in chunks of at most {@link CHUNK_MAX}; each chunk knows the sums of all
 * before it. A window costs two binary searches and a walk through two chunks, recording an in-order payment is constant.
 * @module
 */
import { assertCents, type Cents } from "./money.ts";

/** How many payments, and how many cents they add up to. */
export interface Total {
  /** payments */
  readonly count: number;
  /** what they add up to */
  readonly cents: Cents;
}

/** Milliseconds in a chunk before it is split. */
export const CHUNK_MAX = 256;

interface Chunk {
  at: Float64Array;
  counts: Uint32Array;
  cents: Float64Array;
  /** how many entries are in use */
  size: number;
  /** sums of every chunk before this one */
  countBefore: number;
  centsBefore: Cents;
}

/** The settled payments of one processor, by `requestedAt` in milliseconds. */
export class Totals {
  #chunks: Chunk[] = [];
  #count = 0;
  #cents: Cents = 0;

  /** Every payment there is. */
  get all(): Total {
    return { count: this.#count, cents: this.#cents };
  }

  /** Adds a payment, by its `requestedAt`. @throws if a sum is no exact number of cents */
  add(at: number, cents: Cents): void {
    this.#count++;
    this.#cents = assertCents(this.#cents + cents);
    const chunks = this.#chunks;
    if (chunks.length === 0) chunks.push(chunk(0, 0));
    const last = chunks.length - 1;
    const before = at >= chunks[last]!.at[0]! ? last : search(chunks.length, (i) => chunks[i]!.at[0]! > at) - 1;
    const index = Math.max(0, before);
    insert(chunks[index]!, at, cents);
    for (let i = index + 1; i < chunks.length; i++) {
      chunks[i]!.countBefore++;
      chunks[i]!.centsBefore += cents;
    }
    if (chunks[index]!.size === CHUNK_MAX) chunks.splice(index, 1, ...split(chunks[index]!, index === last));
  }

  /** Payments with `from <= requestedAt <= to`; a bound that is left out is none. */
  window(from = -Infinity, to = Infinity): Total {
    if (from > to) return { count: 0, cents: 0 };
    const upper = this.#upTo(to, true);
    const lower = this.#upTo(from, false);
    return { count: upper.count - lower.count, cents: assertCents(upper.cents - lower.cents) };
  }

  #upTo(at: number, inclusive: boolean): Total {
    const chunks = this.#chunks;
    const beyond = (time: number) => inclusive ? time > at : time >= at;
    const index = search(chunks.length, (i) => beyond(chunks[i]!.at[0]!)) - 1;
    if (index < 0) return { count: 0, cents: 0 };
    const { at: times, counts, cents: sums, size, countBefore, centsBefore } = chunks[index]!;
    let count = countBefore;
    let cents = centsBefore;
    for (let i = 0; i < size && !beyond(times[i]!); i++) {
      count += counts[i]!;
      cents += sums[i]!;
    }
    return { count, cents };
  }
}

function chunk(countBefore: number, centsBefore: Cents): Chunk {
  const column = () => new Float64Array(CHUNK_MAX);
  return { at: column(), counts: new Uint32Array(CHUNK_MAX), cents: column(), size: 0, countBefore, centsBefore };
}

/** The first of `0..length` for which `is` holds, where it holds for all after the first. */
function search(length: number, is: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (is(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function insert(into: Chunk, at: number, cents: Cents): void {
  let index = into.size;
  while (index > 0 && into.at[index - 1]! > at) index--;
  if (index > 0 && into.at[index - 1] === at) {
    into.counts[index - 1]!++;
    into.cents[index - 1]! += cents;
    return;
  }
  for (const values of [into.at, into.counts, into.cents]) values.copyWithin(index + 1, index, into.size);
  into.at[index] = at;
  into.counts[index] = 1;
  into.cents[index] = cents;
  into.size++;
}

/** Two chunks of a full one. The last chunk keeps most of it, since new payments come after it. */
function split(full: Chunk, last: boolean): [Chunk, Chunk] {
  const keep = last ? CHUNK_MAX - 1 : CHUNK_MAX >>> 1;
  const right = chunk(full.countBefore, full.centsBefore);
  for (let i = 0; i < keep; i++) {
    right.countBefore += full.counts[i]!;
    right.centsBefore += full.cents[i]!;
  }
  right.at.set(full.at.subarray(keep));
  right.counts.set(full.counts.subarray(keep));
  right.cents.set(full.cents.subarray(keep));
  right.size = full.size - keep;
  full.size = keep;
  return [full, right];
}
