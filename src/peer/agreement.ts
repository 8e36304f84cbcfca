/**
 * Whether both replicas make the same of the log. Each tells the other what it had folded at its checkpoints, and what it
 * had settled itself; the other has folded the same records and must have come to the same.
 * @module
 */
import type { Checkpoint } from "../ledger/ledger.ts";
import { PROCESSORS, type ReplicaId, REPLICAS } from "../payment/fact.ts";
import type { Told } from "./link.ts";

/** Checkpoints that are told at once; of more, the newest. */
export const TOLD_MAX = 16;

/** Checkpoints of the peer that are kept until this replica has read as far; of more, the newest. */
export const AHEAD_MAX = 64;

/** What a replica's own totals are in a checkpoint, in their order there. */
const FIGURES = PROCESSORS.flatMap((processor) => [`payments at ${processor}`, `cents at ${processor}`]);

/**
 * What is to be told of a replica's checkpoints.
 *
 * @param own oldest first
 * @param since the place of the one that was told last; 0 where there was none
 * @param self whose checkpoints they are
 * @returns the newest {@link TOLD_MAX} of those after `since`
 */
export function news(own: readonly Checkpoint[], since: number, self: ReplicaId): Told[] {
  const first = own.findLastIndex(({ position }) => position <= since) + 1;
  let before = at(own, since);
  return own.slice(Math.max(first, own.length - TOLD_MAX)).map((checkpoint) => {
    const { position, hash } = checkpoint;
    const told = { since: before?.position ?? 0, position, hash, deltas: deltas(before, checkpoint, self) };
    before = checkpoint;
    return told;
  });
}

/**
 * Compares what the peer told with what was folded here.
 *
 * @param own this replica's checkpoints, oldest first
 * @returns "unknown" where nothing here can be compared with it, not yet or not any more; otherwise "same", or in one line
 * how they differ, which is a broken invariant of one of them
 */
export function compare(own: readonly Checkpoint[], told: Told, peer: ReplicaId): "same" | "unknown" | string {
  const here = at(own, told.position);
  const stray = [told.since, told.position].find((place) => !at(own, place) && within(own, place));
  if (stray !== undefined) {
    return `invariant: replica ${peer} has a checkpoint at ${stray}, where this replica read past without one`;
  }
  if (!here) return "unknown";
  const differ: string[] = [];
  if (here.hash !== told.hash) differ.push(`hash ${told.hash}, here ${here.hash}`);
  const before = at(own, told.since);
  if (before) {
    deltas(before, here, peer).forEach((mine, index) => {
      const theirs = told.deltas[index]!;
      if (theirs !== mine) differ.push(`${theirs} ${FIGURES[index]} settled since ${told.since}, here ${mine}`);
    });
  }
  if (differ.length === 0) return "same";
  return `invariant: replica ${peer} differs at ${told.position}: ${differ.join("; ")}`;
}

/** Compares what the peer tells, also where the peer is ahead: then once this replica has read as far. */
export class Agreement {
  readonly #peer: ReplicaId;
  readonly #own: () => readonly Checkpoint[];
  #ahead: Told[] = [];

  /** @param own this replica's checkpoints, oldest first */
  constructor(peer: ReplicaId, own: () => readonly Checkpoint[]) {
    this.#peer = peer;
    this.#own = own;
  }

  /** The peer told of a checkpoint. @returns as {@link look} does */
  told(told: Told): string | undefined {
    if (this.#ahead.push(told) > AHEAD_MAX) this.#ahead.shift();
    return this.look();
  }

  /** The peer is not heard any more: it may come back with another log. */
  forget(): void {
    this.#ahead = [];
  }

  /** More of the log has been read here. @returns how the replicas differ, in one line, the first time it is seen */
  look(): string | undefined {
    if (this.#ahead.length === 0) return undefined;
    const own = this.#own();
    const newest = own.at(-1)?.position ?? 0;
    const reached = this.#ahead.filter(({ position }) => position <= newest);
    if (reached.length === 0) return undefined;
    this.#ahead = this.#ahead.filter(({ position }) => position > newest);
    return reached.map((told) => compare(own, told, this.#peer)).find((what) => what.startsWith("invariant"));
  }
}

function at(own: readonly Checkpoint[], place: number): Checkpoint | undefined {
  return own.findLast(({ position }) => position === place);
}

/** Whether a place is among those that are kept. */
function within(own: readonly Checkpoint[], place: number): boolean {
  return own.length > 0 && place > own[0]!.position && place < own.at(-1)!.position;
}

/** What `by` settled between two checkpoints; nothing where there is no first one. */
function deltas(before: Checkpoint | undefined, after: Checkpoint, by: ReplicaId): number[] {
  const first = REPLICAS.indexOf(by) * FIGURES.length;
  return FIGURES.map((_, i) => before ? after.settled[first + i]! - before.settled[first + i]! : 0);
}
