/** Where a payment goes now, and why. Pure. @module */
import { other, type Processor, type Reason } from "../payment/fact.ts";

/** What is known of one processor at this moment. */
export interface ProcessorView {
  /** it takes payments: nothing says that it is down, it is not full, and it asked for no pause (Retry-After) */
  readonly available: boolean;
  /** it is not available for a moment: it answered 429 */
  readonly full: boolean;
  /** how long an answer takes, in milliseconds: by the last ones, by `service-health`, or by the oldest call in flight */
  readonly latencyMs: number;
  /** calls wait far longer than the last answers took: how slow it has become is not known yet */
  readonly stalled: boolean;
  /** calls of this replica without an answer */
  readonly inFlight: number;
  /** it is down, and it is time to try it with one payment */
  readonly probeDue: boolean;
}

/** The routing policy: what to trade for fees. Times in milliseconds. */
export interface RouteLimits {
  /** how long a payment waits for the default before the fallback's fee is paid */
  readonly patienceMs: number;
  /** if the default's answers are slower than this, a faster fallback is worth its fee */
  readonly slowMs: number;
  /** calls in flight, per processor and replica */
  readonly maxInFlight: number;
}

/** Why a payment may be held. */
export const HOLDS = ["default-refusing", "both-refusing", "default-slow", "default-full", "no-place"] as const;

type Decision =
  | { readonly send: Processor; readonly reason: Reason }
  | { readonly hold: typeof HOLDS[number] };

/**
 * Pays the least that the payment's patience allows.
 *
 * @param ageMs how long the payment waits already
 * @param backlog how many payments wait for a route: with more, the default is expected to be full for longer
 */
export function route(
  ageMs: number,
  views: Readonly<Record<Processor, ProcessorView>>,
  limits: RouteLimits,
  backlog = 0,
): Decision {
  const { default: first, fallback: second } = views;
  const impatient = ageMs >= limits.patienceMs;
  const takes = (view: ProcessorView) => view.available && !view.stalled && view.inFlight < limits.maxInFlight;
  const probes = (view: ProcessorView) => view.probeDue && view.inFlight < limits.maxInFlight;

  if (!first.available) {
    if (impatient && takes(second) && second.latencyMs <= limits.slowMs) {
      return { send: "fallback", reason: "patience-over" };
    }
    if (probes(first)) return { send: "default", reason: "probe" };
    if (impatient && takes(second)) return { send: "fallback", reason: "patience-over" };
    if (impatient && probes(second)) return { send: "fallback", reason: "probe" };
    if (first.full) return { hold: "default-full" };
    return { hold: second.available || second.full ? "default-refusing" : "both-refusing" };
  }
  if (first.latencyMs > limits.slowMs) {
    if (second.available && second.latencyMs < first.latencyMs && second.latencyMs <= limits.slowMs) {
      return takes(second) ? { send: "fallback", reason: "default-slow" } : { hold: "no-place" };
    }
    // it would be chosen if it were up: perhaps it is again
    if (!second.available && probes(second)) return { send: "fallback", reason: "probe" };
    // both slow: a late booking can fall into a period that was audited already, so it waits for better times
    if (!impatient) return { hold: "default-slow" };
    const quicker = second.available && second.latencyMs < first.latencyMs ? "fallback" : "default";
    if (takes(views[quicker])) return { send: quicker, reason: "patience-over" };
    return takes(views[other(quicker)]) ? { send: other(quicker), reason: "patience-over" } : { hold: "no-place" };
  }
  if (takes(first)) return { send: "default", reason: "default-up" };
  const waitMs = first.latencyMs * (backlog + 1) / limits.maxInFlight;
  if (ageMs + waitMs > limits.patienceMs && takes(second)) return { send: "fallback", reason: "default-full" };
  return { hold: "default-full" };
}
