/** Virtual time: what happens when, one thing after the other, and between two of them every promise that is due. @module */

/**
 * Turns of the microtask queue after every event. A chain of promises that is longer goes on beside the next events,
 * in the same order every time, so a smaller number would be as deterministic, only less like the real thing.
 */
const HOPS = 12;

/** Something that will happen, unless it is called off. */
export interface Happening {
  readonly ms: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** A heap of events and the time of the last one, in milliseconds from the start. */
export class Timeline {
  ms = 0;
  #heap: Happening[] = [];
  #order = 0;

  /** Runs `run` `delayMs` from now, after what was planned before for the same time. */
  in(delayMs: number, run: () => void): Happening {
    const happening: Happening = { ms: this.ms + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(happening);
    return happening;
  }

  /** Lets time pass until nothing is left or `until` is reached, or `done` says so. */
  async pass(untilMs: number, done: () => boolean = () => false): Promise<void> {
    while (!done()) {
      const next = this.#heap[0];
      if (!next || next.ms > untilMs) break;
      this.#pop();
      const { run } = next;
      if (!run) continue;
      this.ms = next.ms;
      run();
      for (let hop = 0; hop < HOPS; hop++) await null;
    }
    if (!done()) this.ms = Math.max(this.ms, untilMs);
  }

  #push(item: Happening): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = at - 1 >>> 1;
      if (!before(item, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const item = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, item)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = item;
  }
}

function before(a: Happening, b: Happening): boolean {
  return a.ms < b.ms || a.ms === b.ms && a.order < b.order;
}
