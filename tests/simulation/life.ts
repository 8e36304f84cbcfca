/**
 * One life of a replica: a process that can be killed between any two of its effects, paused and resumed. Every port
 * goes through it, in both directions.
 * @module
 */
import type { ReplicaId } from "../../src/payment/fact.ts";

/** One process, from its start to its death. */
export class Life {
  alive = true;
  paused = false;
  /** effects so far, and at which one it dies */
  effects = 0;
  #dieAt = Infinity;
  #deferred: (() => void)[] = [];
  #onDeath: () => void = () => {};

  constructor(readonly replica: ReplicaId, readonly number: number) {}

  /** It will die at its `after`-th effect from now. */
  doom(after: number, onDeath: () => void): void {
    this.#dieAt = this.effects + after;
    this.#onDeath = onDeath;
  }

  /** It dies now, if it has not. */
  die(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#deferred = [];
    this.#onDeath();
  }

  /** Asked by every port before it does anything: false when the process is dead, and then nothing may happen. */
  acts(): boolean {
    if (!this.alive) return false;
    if (++this.effects >= this.#dieAt) this.die();
    return this.alive;
  }

  /** Something from outside, or a timer, reaches it: now, when it is resumed, or never. */
  hear(action: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.#deferred.push(action);
    else action();
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
