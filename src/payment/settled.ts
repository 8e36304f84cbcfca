/**
 * Every settled payment, outside the JavaScript heap: {@link BYTES_PER_PAYMENT} bytes each (some 65 with the hash table
 * and the totals), and nothing for the garbage collector to walk. Kept for idempotency: a settled id that comes again is answered, not charged.
 * @module
 */
import { PROCESSORS, REASONS, type ReplicaId } from "./fact.ts";
import { readId, writeId } from "./id.ts";
import type { Payment } from "./payment.ts";

/** Payments in a block: a block is allocated at once and never moved. */
const BLOCK = 1 << 13;
/** Slots of the hash table at first; it doubles when three quarters are in use. */
const SLOTS_MIN = 1 << 12;

/** Attempts of a settled payment are counted up to this: 20 bits of a word. */
export const ATTEMPT_MAX = (1 << 20) - 1;

/** What one settled payment usually takes: id, cents, two times, and attempt, processor, owner and reason in a word. */
export const BYTES_PER_PAYMENT = 16 + 4 + 4 + 4 + 4;

/** Whole numbers of one block: four bytes each if all are near the first one, otherwise eight. */
class Column {
  #values: Uint32Array | Float64Array = new Uint32Array(BLOCK);
  #base: number | undefined;

  /** @param base of the four bytes; around the first value if left out */
  constructor(base?: number) {
    this.#base = base;
  }

  at(i: number): number {
    return this.#base! + this.#values[i]!;
  }

  set(i: number, value: number): void {
    this.#base ??= value - 2 ** 31;
    const offset = value - this.#base;
    if (offset >>> 0 !== offset && this.#values instanceof Uint32Array) {
      const base = this.#base;
      this.#values = Float64Array.from(this.#values, (near) => base + near);
      this.#base = 0;
    }
    this.#values[i] = value - this.#base;
  }
}

interface Block {
  ids: Uint32Array;
  cents: Column;
  acceptedAt: Column;
  requestedAt: Column;
  meta: Uint32Array;
}

/** Settled payments, by id and in the order they were added. */
export class SettledIndex {
  #blocks: Block[] = [];
  #slots = new Int32Array(SLOTS_MIN).fill(-1);
  #probe = new Uint32Array(4);
  #size = 0;
  /** the owners so far, by their numbers in the blocks: at most 32 */
  readonly #owners: ReplicaId[] = [];

  /** How many payments there are. */
  get size(): number {
    return this.#size;
  }

  /** Index of the payment with this id, or -1. */
  find(id: string): number {
    return this.#slots[this.#slotOf(id)]!;
  }

  /** The settled payment at an index below {@link size}. */
  at(index: number): Payment {
    const block = this.#blocks[Math.floor(index / BLOCK)]!;
    const i = index % BLOCK;
    const meta = block.meta[i]!;
    return {
      id: readId(block.ids, 4 * i),
      cents: block.cents.at(i),
      acceptedAt: block.acceptedAt.at(i),
      owner: this.#owners[meta & 0x1f]!,
      stage: "settled",
      attempt: meta >>> 12,
      processor: PROCESSORS[meta >>> 5 & 0x1]!,
      requestedAt: block.requestedAt.at(i),
      reason: REASONS[meta >>> 6 & 0x3f]!,
      position: 0,
      askFirst: null,
      doubtedUptimeMs: null,
    };
  }

  /** Adds a settled payment. @throws if its id is there: a payment is settled once */
  add(payment: Payment): void {
    const slot = this.#slotOf(payment.id);
    if (this.#slots[slot] !== -1) throw new Error(`invariant: payment ${payment.id} is settled already`);
    this.#slots[slot] = this.#size++;
    this.#write(this.#slots[slot]!, payment);
    if (this.#size * 4 > this.#slots.length * 3) this.#grow();
  }

  #write(index: number, payment: Payment): void {
    const block = this.#blocks[Math.floor(index / BLOCK)] ??= newBlock();
    const i = index % BLOCK;
    writeId(payment.id, block.ids, 4 * i);
    block.cents.set(i, payment.cents);
    block.acceptedAt.set(i, payment.acceptedAt);
    block.requestedAt.set(i, payment.requestedAt);
    const reason = REASONS.indexOf(payment.reason);
    const processor = PROCESSORS.indexOf(payment.processor!);
    const attempt = Math.min(payment.attempt, ATTEMPT_MAX);
    let owner = this.#owners.indexOf(payment.owner);
    if (owner === -1) owner = this.#owners.push(payment.owner) - 1;
    block.meta[i] = attempt << 12 | reason << 6 | processor << 5 | owner;
  }

  /** The slot that holds this id, or the free one where it belongs. */
  #slotOf(id: string): number {
    const probe = this.#probe;
    writeId(id, probe, 0);
    const mask = this.#slots.length - 1;
    for (let slot = hash(probe, 0) & mask;; slot = slot + 1 & mask) {
      const index = this.#slots[slot]!;
      if (index === -1) return slot;
      const { ids } = this.#blocks[Math.floor(index / BLOCK)]!;
      const at = 4 * (index % BLOCK);
      if (ids[at] === probe[0] && ids[at + 1] === probe[1] && ids[at + 2] === probe[2] && ids[at + 3] === probe[3]) {
        return slot;
      }
    }
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (let index = 0; index < this.#size; index++) {
      const { ids } = this.#blocks[Math.floor(index / BLOCK)]!;
      let slot = hash(ids, 4 * (index % BLOCK)) & mask;
      while (slots[slot] !== -1) slot = slot + 1 & mask;
      slots[slot] = index;
    }
    this.#slots = slots;
  }
}

function newBlock(): Block {
  return {
    ids: new Uint32Array(4 * BLOCK),
    cents: new Column(0),
    acceptedAt: new Column(),
    requestedAt: new Column(),
    meta: new Uint32Array(BLOCK),
  };
}

/** A random word for each value of each of the 16 bytes of an id. It decides where an id is found, never what is found. */
const TABULATION = crypto.getRandomValues(new Uint32Array(16 * 256));

/** Ids are of a caller's choice, and a caller who knew which of them share a slot could make every look-up slow. */
function hash(words: Uint32Array, at: number): number {
  let h = 0;
  for (let i = 0; i < 4; i++) {
    const word = words[at + i]!;
    const row = i << 10;
    h ^= TABULATION[row | word & 0xff]! ^ TABULATION[row | 0x100 | word >>> 8 & 0xff]! ^
      TABULATION[row | 0x200 | word >>> 16 & 0xff]! ^ TABULATION[row | 0x300 | word >>> 24]!;
  }
  return h >>> 0;
}
