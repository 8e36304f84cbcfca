/**
 * A fact says how far one payment has come. It is a whole snapshot, so a fact needs no other fact to be understood,
 * and of two facts about a payment the greater one is the truth: folding is taking the maximum (DESIGN.md, facts).
 * @module
 */
import type { Cents } from "./money.ts";

/** The two payment processors; the default is the cheaper one. */
export type Processor = "default" | "fallback";

/** Both processors, cheapest first; the position is the processor's code on the wire and in the store. */
export const PROCESSORS: readonly Processor[] = ["default", "fallback"];

/** The two replicas of a cluster. */
export type ReplicaId = "a" | "b";

/** Both replicas; the position is the replica's code on the wire and in the store. */
export const REPLICAS: readonly ReplicaId[] = ["a", "b"];

/** How far an attempt has come; the position is the rank within one attempt, and the code on the wire. */
export const STAGES = ["accepted", "dispatched", "released", "settled"] as const;
export type Stage = typeof STAGES[number];

/** Why a payment is where it is; the position is the code on the wire and in the store, so new ones go to the end. */
export const REASONS = [
  "accepted",
  "default-up",
  "default-slow",
  "default-full",
  "default-refusing",
  "both-refusing",
  "patience-over",
  "probe",
  "in-doubt",
  "refused",
  "processor-full",
  "unreachable",
  "booked",
  "already-booked",
  "found-booked",
  "full",
  "peer-lost",
] as const;
export type Reason = typeof REASONS[number];

/** What one fact says of a payment. Times are milliseconds since 1970, UTC. */
export interface Fact {
  /** the canonical correlation id */
  readonly id: string;
  readonly cents: Cents;
  /** when the payment was acknowledged */
  readonly acceptedAt: number;
  /** the replica that may act on the payment; its peer may do so only while holding its lock */
  readonly owner: ReplicaId;
  readonly stage: Stage;
  /** how many attempts were bound to a processor so far; 0 while only accepted */
  readonly attempt: number;
  /** where the attempt is, or was, bound; null while only accepted */
  readonly processor: Processor | null;
  /** what the processor is told of the attempt; 0 while only accepted */
  readonly requestedAt: number;
  /** processors that may hold the payment although we do not know it, by {@link bit}: they are asked before the other is used */
  readonly doubt: number;
  /** until then an answer "not found" of a processor in doubt proves nothing, since a booking may be under way */
  readonly doubtUntil: number;
  readonly reason: Reason;
}

/**
 * What the attempts of a settled payment are counted up to: the book keeps 20 bits of them. More are possible, where a
 * processor refuses for hours, and all of them count until it settles.
 */
export const SETTLED_ATTEMPT_MAX = (1 << 20) - 1;

/** Both processors are in doubt: the last facts of this payment may have been lost in a crash. */
export const SUSPECT = 0b11;

/** The bit of a processor in {@link Fact.doubt}. */
export function bit(processor: Processor): number {
  return processor === "default" ? 0b01 : 0b10;
}

/** The processor that is not this one. */
export function other(processor: Processor): Processor {
  return processor === "default" ? "fallback" : "default";
}

/** The replica that is not this one. */
export function peerOf(replica: ReplicaId): ReplicaId {
  return replica === "a" ? "b" : "a";
}

/**
 * The replica that dispatches a payment, wherever it was accepted. Both replicas compute the same one, so that an id
 * which reaches both at once is dispatched by one of them, even while they cannot hear each other.
 */
export function homeOf(id: string, replicas: readonly ReplicaId[]): ReplicaId {
  // the last hex digit: random in every UUID version in use
  return replicas[id.charCodeAt(35) % replicas.length]!;
}

/**
 * The total order of facts about one payment: `settled` above everything, otherwise (attempt, released > dispatched >
 * accepted), then doubt above none; the rest only makes two replicas choose alike.
 *
 * @returns negative, zero or positive as `a` is less than, the same as or greater than `b`
 */
export function compareFacts(a: Fact, b: Fact): number {
  return Number(a.stage === "settled") - Number(b.stage === "settled") ||
    a.attempt - b.attempt ||
    STAGES.indexOf(a.stage) - STAGES.indexOf(b.stage) ||
    a.doubt - b.doubt ||
    a.doubtUntil - b.doubtUntil ||
    order(a.owner, b.owner) ||
    order(a.processor ?? "", b.processor ?? "") ||
    a.requestedAt - b.requestedAt ||
    a.cents - b.cents ||
    a.acceptedAt - b.acceptedAt ||
    REASONS.indexOf(a.reason) - REASONS.indexOf(b.reason);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The first fact of a payment: this replica took it, `owner` will dispatch it. */
export function accepted(id: string, cents: Cents, acceptedAt: number, owner: ReplicaId): Fact {
  const nowhere = { stage: "accepted", attempt: 0, processor: null, requestedAt: 0, reason: "accepted" } as const;
  return { id, cents, acceptedAt, owner, doubt: 0, doubtUntil: 0, ...nowhere };
}

/** The next attempt, bound to `processor` under `requestedAt`; only doubt about that same processor is left. */
export function dispatched(
  fact: Fact,
  owner: ReplicaId,
  processor: Processor,
  requestedAt: number,
  reason: Reason,
): Fact {
  if (fact.stage === "dispatched" || fact.stage === "settled") {
    throw new Error(`invariant: payment ${fact.id} is ${fact.stage} and was about to be dispatched again`);
  }
  const doubt = fact.doubt & bit(processor);
  return { ...fact, stage: "dispatched", attempt: fact.attempt + 1, owner, processor, requestedAt, doubt, reason };
}

/** The attempt is certainly not booked, as far as the processor knows; `inDoubt` where its word is not enough for the other. */
export function released(fact: Fact, reason: Reason, inDoubt: boolean): Fact {
  const doubt = inDoubt && fact.processor ? fact.doubt | bit(fact.processor) : fact.doubt;
  return { ...fact, stage: "released", doubt, reason };
}

/** The payment is booked at `processor` under `requestedAt`: the end. */
export function settled(fact: Fact, processor: Processor, requestedAt: number, cents: Cents, reason: Reason): Fact {
  const attempt = Math.min(fact.attempt, SETTLED_ATTEMPT_MAX);
  return { ...fact, stage: "settled", attempt, processor, requestedAt, cents, doubt: 0, doubtUntil: 0, reason };
}

/** The last facts of this payment may be lost: nothing is sent before `doubtUntil` and both processors' word. */
export function suspect(fact: Fact, doubtUntil: number): Fact {
  return { ...fact, doubt: SUSPECT, doubtUntil };
}
