/** The events that the load generator writes for the process that started it: one JSON object a line. @module */
import type { LatencySummary } from "./latency.ts";

/** What it is to do. */
export interface LoadPlan {
  /** where payments go, such as `http://127.0.0.1:9999` */
  readonly url: string;
  readonly amount: number;
  readonly durationSeconds: number;
  readonly users: { readonly from: number; readonly to: number };
  readonly thinkMs: number;
}

/** The first virtual user begins now. */
export interface LoadStarted {
  readonly type: "started";
  /** the smallest step of the generator's clock that it saw, in microseconds */
  readonly clockUs: number;
}

/** What happened in one second of the run. */
export interface LoadSecond {
  readonly type: "second";
  /** 0 for the first one */
  readonly second: number;
  readonly users: number;
  readonly ok: number;
  readonly failed: number;
  /** of successful answers in this second */
  readonly latency: LatencySummary;
  /** the same, as Latency.encode() writes them */
  readonly histogram: string;
  /** of all successful answers so far, in milliseconds */
  readonly p99SoFarMs: number;
  /** how late the generator's own timer fired at worst, in milliseconds: what it could have added to a latency */
  readonly ownLagMs: number;
}

/** The end: every virtual user has had its last answer. */
export interface LoadDone {
  readonly type: "done";
  readonly ok: number;
  readonly failed: number;
  /** how often each status, or each kind of failure, was seen */
  readonly answers: Readonly<Record<string, number>>;
  /** all successful answers, as Latency.encode() writes them */
  readonly histogram: string;
  /** CPU time of the generator, in milliseconds */
  readonly cpuMs: number;
}

export type LoadEvent = LoadStarted | LoadSecond | LoadDone;
