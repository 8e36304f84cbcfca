/** The results of all parts, kept as JSON. @module */
import type { AnswersOnly, GradedRun, Rate } from "./measure.ts";
import type { Start } from "./cold.ts";
import type { Stall } from "./stall.ts";
import type { Steady } from "./steady.ts";

/** The acknowledgement levels that are measured. */
export const LEVELS = ["log", "store"] as const;
/** A rate is too high if its p99 reaches this, in milliseconds: from there on the score has no bonus. */
export const LIMIT_MS = 11;

/** Runs of the preview, and its load on what does nothing but answer: the nth of each in the same few minutes. */
export interface Preview {
  readonly log: GradedRun[];
  readonly store: GradedRun[];
  readonly trivial: AnswersOnly[];
  readonly floor: AnswersOnly[];
}

/** Runs of the final, and what this and the winner's policy earn on the model, in millionths. */
export interface Final {
  readonly runs: readonly GradedRun[];
  readonly ours: number;
  readonly rivals: number;
}

/** A run of one unseen schedule, and what this and the best policy of a grid earn on the model, in millionths. */
export interface Unseen {
  readonly seed: number;
  readonly run: GradedRun;
  readonly ours: number;
  readonly best: number;
}

/** A load with so many payments kept. */
export interface Kept extends Rate {
  readonly kept: number;
  readonly summaryMs: number;
}

/** Everything measured so far. */
export interface Results {
  machine?: string;
  /** by its rate */
  steady?: Readonly<Record<string, Steady>>;
  preview?: Preview;
  final?: Final;
  unseen?: readonly Unseen[];
  rates?: readonly Rate[];
  kept?: readonly Kept[];
  stall?: readonly Stall[];
  cold?: readonly Start[];
}
