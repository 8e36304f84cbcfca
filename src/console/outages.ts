/** Outages as this replica saw them: a processor took no payments, or a limit was reached. @module */
import type { Outage } from "./watching.ts";

/** How many outages of one thing are kept. */
const OUTAGES_MAX = 20;

/** The newest outages of each thing. */
export class Outages {
  readonly #outages = new Map<string, { from: number; to: number | null }[]>();

  /** Looks at a thing. @returns the outage that began or ended since the last look */
  look(name: string, up: boolean, at: number): Outage | undefined {
    const outages = this.#outages.get(name) ?? [];
    const last = outages.at(-1);
    const isDown = last?.to === null;
    if (up !== isDown) return undefined;
    if (isDown) return Object.assign(last, { to: at });
    const begun = { from: at, to: null };
    this.#outages.set(name, [...outages.slice(1 - OUTAGES_MAX), begun]);
    return begun;
  }

  /** The outages of a thing, oldest first. */
  of(name: string): Outage[] {
    return (this.#outages.get(name) ?? []).map((outage) => ({ ...outage }));
  }
}
