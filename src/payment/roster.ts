/** The roster: the names of all replicas, in the order of `REPLICAS`. @module */
import type { ReplicaId } from "./fact.ts";

/** How many replicas a cluster may have: a code has five bits in a record. */
export const REPLICAS_MAX = 32;

/**
 * The names of all replicas. The place of a name is its code in records, rows and stories, so a roster changes at its end
 * only. A code without a name is that of a replica that was in the roster once.
 */
export class Roster {
  /** names that were in the roster once: such a replica may still live */
  readonly removed: readonly ReplicaId[];
  /** by code, also of those that are not in the roster */
  readonly #names: readonly ReplicaId[];
  readonly #codes: ReadonlyMap<ReplicaId, number>;

  /**
   * The roster of these replicas.
   *
   * @param names at most {@link REPLICAS_MAX}, each once
   * @param longest the longest list so far, as far as it is known: one of the two lists begins with the other
   */
  constructor(readonly names: readonly ReplicaId[], longest: readonly ReplicaId[] = []) {
    this.removed = longest.slice(names.length);
    const known = [...names, ...this.removed];
    // clusters had the replicas a and b before they had a roster
    const former = (code: number) => {
      const letter = String.fromCharCode(97 + code);
      return code < 26 && !known.includes(letter) ? letter : `#${code + 1}`;
    };
    this.#names = Array.from({ length: REPLICAS_MAX }, (_, code) => known[code] ?? former(code));
    this.#codes = new Map(this.#names.map((name, code) => [name, code]));
  }

  /** The code of a name. @throws if no code has it: a broken invariant */
  codeOf(name: ReplicaId): number {
    const code = this.#codes.get(name);
    if (code === undefined) throw new Error(`invariant: ${name} is no replica of ${this.names}`);
    return code;
  }

  /** The name of a code; undefined from {@link REPLICAS_MAX} on. */
  nameOf(code: number): ReplicaId | undefined {
    return this.#names[code];
  }

  /** The names without `self`, in their order. */
  peersOf(self: ReplicaId): readonly ReplicaId[] {
    return this.names.filter((name) => name !== self);
  }
}

/** Whether codes keep their names: one of the two lists begins with the other. */
export function isSameOrder(names: readonly ReplicaId[], known: readonly ReplicaId[]): boolean {
  return names.every((name, code) => name === (known[code] ?? name));
}

/** The roster for records that name no replica: headers and seals. */
export const NO_NAMES: Roster = new Roster([]);
