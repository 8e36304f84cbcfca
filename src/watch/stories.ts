/**
 * What happened to each payment that is under way, and to those that were settled last. A fact tells only how far a
 * payment has come, so who wants to know how it came there has to listen.
 * @module
 */
import { type Fact, type Processor, PROCESSORS, REASONS, REPLICAS, STAGES } from "../payment/fact.ts";
import type { Told } from "../ports/watch.ts";

/** Settled payments whose story is kept in memory. */
export const RECENT_MAX = 2_048;
/** What is kept of one story: the first line and the last ones. A processor that refuses for hours makes many. */
export const TOLD_MAX = 24;

/** What `fact` says happened, at `at` where the fact has no time of its own. */
export function told(fact: Fact, at: number): Told {
  const { owner: replica, stage, attempt, processor, reason, requestedAt } = fact;
  return { at: stage === "dispatched" ? requestedAt : at, replica, stage, attempt, processor, reason };
}

/** The line with which every story begins. */
export function beginning({ acceptedAt, owner }: Fact): Told {
  return { at: acceptedAt, replica: owner, stage: "accepted", attempt: 0, processor: null, reason: "accepted" };
}

export class Stories {
  readonly #stories = new Map<string, Told[]>();
  /** settled ones, oldest first, from `#first` on */
  #recent: string[] = [];
  #first = 0;

  /** Adds what happened; acceptance is not kept, since every fact tells of it. */
  add(fact: Fact, now: number): void {
    if (fact.stage === "accepted") return;
    let lines = this.#stories.get(fact.id);
    // an epoch that ended forgot the payment, and here it is again
    if (!lines || fact.stage === "dispatched" && fact.attempt === 1) this.#stories.set(fact.id, lines = []);
    lines.push(told(fact, now));
    if (lines.length > TOLD_MAX) lines.splice(1, 1);
    if (fact.stage === "settled") this.#settle(fact.id);
  }

  /** @returns undefined where nothing is kept */
  get(id: string): readonly Told[] | undefined {
    return this.#stories.get(id);
  }

  #settle(id: string): void {
    this.#recent.push(id);
    if (this.#recent.length - this.#first <= RECENT_MAX) return;
    this.#stories.delete(this.#recent[this.#first++]!);
    if (this.#first < RECENT_MAX) return;
    this.#recent = this.#recent.slice(this.#first);
    this.#first = 0;
  }
}

/** A story for a column of the store: `at,replica,stage,attempt,processor,reason` a line, by their codes; -1 for none. */
export function encodeStory(lines: readonly Told[]): string {
  return lines.map(({ at, replica, stage, attempt, processor, reason }) =>
    [
      at,
      REPLICAS.indexOf(replica),
      STAGES.indexOf(stage),
      attempt,
      PROCESSORS.indexOf(processor as Processor),
      REASONS.indexOf(reason),
    ].join(",")
  ).join(";");
}

/** @returns undefined where the text is none of {@link encodeStory}'s, or of a newer version of the program */
export function decodeStory(text: string): Told[] | undefined {
  const lines: Told[] = [];
  for (const line of text.split(";")) {
    const [at, r, s, attempt, p, why] = line.split(",").map(Number);
    const [replica, stage, reason] = [REPLICAS[r!], STAGES[s!], REASONS[why!]];
    if (replica === undefined || stage === undefined || reason === undefined) return undefined;
    lines.push({ at: at!, replica, stage, attempt: attempt!, processor: PROCESSORS[p!] ?? null, reason });
  }
  return lines;
}
