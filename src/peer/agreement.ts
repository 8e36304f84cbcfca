/**
 * Whether replicas fold the log to the same state. Each sends the others its checkpoints; they have folded the same
 * records, so their own checkpoints must agree.
 * @module
 */
import type { Checkpoint } from "../ledger/ledger.ts";
import { SETTLED_MODULUS } from "../payment/book.ts";
import { PROCESSORS, type ReplicaId } from "../payment/fact.ts";
import type { Roster } from "../payment/roster.ts";

/** How many checkpoints of the peer are kept until this replica has read as far: the newest. */
export const AHEAD_MAX = 64;

/** The settled figures of a checkpoint, in their order. */
const figuresOf = ({ names }: Roster) =>
  names.flatMap((by) =>
    PROCESSORS.flatMap((at) => ["payments", "cents"].map((what) => `${what} settled by ${by} at ${at}`))
  );

/** Compares a peer's checkpoints; if the peer is ahead, once this replica has read as far. */
export class Agreement {
  #ahead: Checkpoint[] = [];
  /** the one that was compared last */
  #before: Checkpoint | undefined;
  readonly #figures: readonly string[];

  /**
   * Compares nothing yet.
   *
   * @param peer the other replica
   * @param own this replica's checkpoints, oldest first
   * @param roster in whose order checkpoints have their figures
   */
  constructor(
    private readonly peer: ReplicaId,
    private readonly own: () => readonly Checkpoint[],
    roster: Roster,
  ) {
    this.#figures = figuresOf(roster);
  }

  /** A checkpoint of the peer came. @returns as {@link look} does */
  told(checkpoint: Checkpoint): string | undefined {
    if (this.#ahead.push(checkpoint) > AHEAD_MAX) this.#ahead.shift();
    return this.look();
  }

  /** The peer is lost, or linked again: it may have another log now. */
  forget(): void {
    this.#ahead = [];
    this.#before = undefined;
  }

  /**
   * More of the log has been read here.
   *
   * @returns how the replicas differ, in one line: a broken invariant of one of them
   */
  look(): string | undefined {
    if (this.#ahead.length === 0) return undefined;
    const own = this.own();
    const newest = own.at(-1)?.position ?? -1;
    while (this.#ahead.length > 0 && this.#ahead[0]!.position <= newest) {
      const told = this.#ahead.shift()!;
      const difference = differences(own, told, this.#before, this.#figures);
      this.#before = told;
      if (difference) return `invariant: replica ${this.peer} differs at ${told.position}: ${difference}`;
    }
    return undefined;
  }
}

/**
 * @param told not after the newest of `own`
 * @param before the peer's checkpoint before: each replica counts what is settled from a position of its own, so that
 * only what came since can be compared
 * @returns an empty text if nothing differs, as far as the checkpoints kept here show
 */
function differences(
  own: readonly Checkpoint[],
  told: Checkpoint,
  before: Checkpoint | undefined,
  figures: readonly string[],
): string {
  const here = own.findLast(({ position }) => position === told.position);
  if (!here) return told.position > own[0]!.position ? "a checkpoint, where this replica read past without one" : "";
  const differ = here.hash === told.hash ? [] : [`hash ${told.hash}, here ${here.hash}`];
  const base = before && own.findLast(({ position }) => position === before.position);
  if (base) {
    figures.forEach((figure, i) => {
      // the peer was started with fewer replicas
      if (told.settled[i] === undefined) return;
      const [theirs, ours] = [since(before.settled[i]!, told.settled[i]!), since(base.settled[i]!, here.settled[i]!)];
      if (theirs !== ours) differ.push(`${theirs} ${figure} since ${before.position}, here ${ours}`);
    });
  }
  return differ.join("; ");
}

/** How much a figure has grown, modulo {@link SETTLED_MODULUS}: the remainder that is nearest to 0. */
function since(before: number, now: number): number {
  const grown = now - before;
  if (grown >= SETTLED_MODULUS / 2) return grown - SETTLED_MODULUS;
  return grown < -SETTLED_MODULUS / 2 ? grown + SETTLED_MODULUS : grown;
}
