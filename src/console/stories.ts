/**
 * What happened to the newest payments. A payment holds only its state, so its steps are recorded here as they happen.
 * @module
 */
import { type FollowUp, type Processor, PROCESSORS, REASONS } from "../payment/fact.ts";
import { type Payment, STAGES } from "../payment/payment.ts";
import type { Roster } from "../payment/roster.ts";
import type { StoryStep } from "./watching.ts";

/** How many payments' stories are kept at least; at most twice as many are. */
export const STORIES_MIN = 2_048;
/** Characters of a story, some 25 lines, after which its second line is dropped for each new one. */
const TEXT_MAX = 800;

/** The step of a fact that holds; `payment` is its payment after it. */
export function stepOf({ at, by: replica, kind: stage, reason }: FollowUp, { attempt, processor }: Payment): StoryStep {
  return { at, replica, stage, attempt, processor, reason };
}

/** The snapshot of a payment whose facts were not recorded. */
export function snapshot({ requestedAt, owner: replica, stage, attempt, processor, reason }: Payment): StoryStep {
  return { at: requestedAt, replica, stage, attempt, processor, reason };
}

/** The line with which every story begins. */
export function beginning({ acceptedAt, owner }: Payment): StoryStep {
  return { at: acceptedAt, replica: owner, stage: "accepted", attempt: 0, processor: null, reason: "accepted" };
}

/** The stories of the newest payments. */
export class Stories {
  /** texts by id: one string is all that the garbage collector sees of a story */
  #young = new Map<string, string>();
  #old = new Map<string, string>();

  /** Keeps none yet. @param roster the codes of the replicas in the texts */
  constructor(private readonly roster: Roster) {}

  /** Adds what happened to a payment after it was accepted; the payment itself says when that was. */
  add(id: string, step: StoryStep): void {
    const kept = this.get(id);
    const line = encodeLine(step, this.roster);
    if (!this.#young.has(id) && this.#young.size >= STORIES_MIN) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(id, kept === undefined ? line : [shortened(kept), line].join(";"));
  }

  /** The story of a payment, as {@link decodeStory} reads it; undefined if nothing is kept. */
  get(id: string): string | undefined {
    return this.#young.get(id) ?? this.#old.get(id);
  }

  /** Forgets every story. */
  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}

/** Drops the second line of a long story. A processor that refuses for hours makes many lines. */
function shortened(text: string): string {
  if (text.length < TEXT_MAX) return text;
  const first = text.indexOf(";");
  return text.slice(0, first) + text.slice(text.indexOf(";", first + 1));
}

/** `stage,attempt,at,replica,processor,reason`, by their codes; -1 for no processor. */
function encodeLine({ at, replica, stage, attempt, processor, reason }: StoryStep, roster: Roster): string {
  const [s, r, p] = [STAGES.indexOf(stage), roster.codeOf(replica), PROCESSORS.indexOf(processor as Processor)];
  // a template would keep alive every string that it is made of
  return [s, attempt, at, r, p, REASONS.indexOf(reason)].join();
}

/** Reads a story. @returns undefined if the text is none of {@link Stories.get}'s, or of a newer version of the program */
export function decodeStory(text: string, roster: Roster): StoryStep[] | undefined {
  const lines: StoryStep[] = [];
  for (const line of text.split(";")) {
    const [s, attempt, at, r, p, why] = line.split(",").map(Number);
    const [stage, replica, reason] = [STAGES[s!], roster.nameOf(r!), REASONS[why!]];
    if (stage === undefined || replica === undefined || reason === undefined) return undefined;
    lines.push({ at: at!, replica, stage, attempt: attempt!, processor: PROCESSORS[p!] ?? null, reason });
  }
  return lines;
}

/** Whether these lines lead to the payment's state. */
export function leadsTo(lines: readonly StoryStep[], { stage, attempt }: Payment): boolean {
  const last = lines.at(-1);
  return last?.stage === stage && last.attempt === attempt;
}

/** Whether nothing is missing before the last line: every attempt is there, with its end but for the last. */
export function isComplete(lines: readonly StoryStep[]): boolean {
  return lines.every(({ stage, attempt }, i) => {
    const before = lines[i - 1];
    // found booked before anything was sent
    if (stage === "settled" && !before) return attempt === 0;
    // another replica may have gone on with the same attempt
    if (stage === "dispatched") return attempt === (before?.attempt ?? 0) + Number(before?.stage !== "dispatched");
    return before?.attempt === attempt && (before.stage === "dispatched" || stage === "settled");
  });
}
