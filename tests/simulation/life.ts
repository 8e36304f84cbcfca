/**
 * One life of a replica: a process that can be killed between any two of its effects, paused and resumed. Every port
 * goes through it, in both directions.
 * @module
 */
import type { ReplicaId } from "../../src/payment/fact.ts";

/** Thrown where a process dies in the middle of what it does: nothing of it is carried out any more. */
export const KILLED = Symbol("the process was killed");

/** One process, from its start to its death. */
export class Life {
  alive = true;
  paused = false;
  /** effects so far, and at which one it dies */
  effects = 0;
  #dieAt = Infinity;
  #deferred: (() => void)[] = [];
  #soon: (() => void)[] = [];

  constructor(readonly replica: ReplicaId, readonly number: number, private readonly died: (life: Life) => void) {}

  /** It will die at its `after`-th effect from now, or at an earlier one that was said before. */
  doom(after: number): void {
    this.#dieAt = Math.min(this.#dieAt, this.effects + after);
  }

  /** It will not die by itself any more. */
  spare(): void {
    this.#dieAt = Infinity;
  }

  /** It dies now, if it has not. */
  die(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#deferred = [];
    this.#soon = [];
    this.died(this);
  }

  /** Asked by every port before it does anything: false when the process is dead, and then nothing may happen. */
  acts(): boolean {
    if (!this.alive) return false;
    if (++this.effects >= this.#dieAt) this.die();
    return this.alive;
  }

  /** The same for ports that answer at once. */
  act(): void {
    if (!this.acts()) throw KILLED;
  }

  /** The same before something is done, or only looked at, which is no effect. */
  readonly may = (acts: boolean): void => {
    if (acts) this.act();
    else if (!this.alive) throw KILLED;
  };

  /** Something from outside, or a timer, reaches it: now, when it is resumed, or never. */
  hear(action: () => void): void {
    if (!this.alive) return;
    if (this.paused) return void this.#deferred.push(action);
    try {
      action();
    } catch (error) {
      if (error !== KILLED) throw error;
    }
  }

  /** Something is to be done in this turn of its event loop or the next. */
  later(action: () => void): void {
    this.#soon.push(action);
  }

  /** Does the next of that. @returns false where there is none */
  next(): boolean {
    const action = this.#soon.shift();
    if (action) this.hear(action);
    return action !== undefined;
  }

  pause(): void {
    this.paused = true;
  }

  /** Goes on; what came meanwhile is handed back in the order in which it came. */
  resume(): readonly (() => void)[] {
    this.paused = false;
    return this.#deferred.splice(0);
  }
}
