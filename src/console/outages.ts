/** When each processor took nothing, as this replica saw it. @module */
import type { Processor } from "../payment/fact.ts";
import type { Outage } from "./watching.ts";

/** Outages of one processor that are kept. */
const OUTAGES_MAX = 20;

/** What of a look is worth a line in the log. */
export type Change =
  | { readonly processor: Processor; readonly state: "down" }
  | { readonly processor: Processor; readonly state: "up"; readonly forMs: number };

export class Outages {
  readonly #outages: Record<Processor, { from: number; to: number | null }[]> = { default: [], fallback: [] };

  /** Looks at a processor. @returns what has changed since the last look */
  look(processor: Processor, up: boolean, at: number): Change | undefined {
    const outages = this.#outages[processor];
    const last = outages.at(-1);
    const wasUp = last?.to !== null;
    if (up === wasUp) return undefined;
    if (!up) {
      outages.push({ from: at, to: null });
      if (outages.length > OUTAGES_MAX) outages.shift();
      return { processor, state: "down" };
    }
    last!.to = at;
    return { processor, state: "up", forMs: at - last!.from };
  }

  of(processor: Processor): Outage[] {
    return this.#outages[processor].map((outage) => ({ ...outage }));
  }
}
