/** When something was not as it should be, as this replica saw it: a processor took nothing, or a limit was reached. @module */
import type { Outage } from "./watching.ts";

/** Outages of one thing that are kept. */
const OUTAGES_MAX = 20;

/** What of a look is worth a line in the log; `forMs`: how long it was down. */
export type Change = { readonly state: "down" } | { readonly state: "up"; readonly forMs: number };

export class Outages {
  readonly #outages = new Map<string, { from: number; to: number | null }[]>();

  /** Looks at a thing. @returns what has changed since the last look */
  look(name: string, up: boolean, at: number): Change | undefined {
    const outages = this.#outages.get(name) ?? [];
    const last = outages.at(-1);
    const wasUp = last?.to !== null;
    if (up === wasUp) return undefined;
    if (!up) {
      this.#outages.set(name, [...outages.slice(1 - OUTAGES_MAX), { from: at, to: null }]);
      return { state: "down" };
    }
    last!.to = at;
    return { state: "up", forMs: at - last!.from };
  }

  of(name: string): Outage[] {
    return (this.#outages.get(name) ?? []).map((outage) => ({ ...outage }));
  }
}
