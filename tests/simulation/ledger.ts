/** What the callers did and were told, payment by payment: what the checkers compare everything with. @module */
import type { AckLevel } from "../../src/api/service.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import type { Cents } from "../../src/payment/money.ts";
import type { World } from "./world.ts";

/** An acknowledgement that a process sent. */
export interface Ack {
  readonly ms: number;
  readonly calledMs: number;
  readonly replica: ReplicaId;
  /** which life of the replica */
  readonly life: number;
  readonly cents: Cents;
  /** what it promised */
  readonly level: AckLevel;
  /** the epoch of the replica when it was called */
  readonly epoch: number;
  /** see {@link file://./world.ts}: epochs of different eras are not the same */
  readonly era: number;
  /** whether both replicas heard each other */
  readonly linked: boolean;
}

/** One id. */
export interface Payment {
  readonly id: string;
  readonly ordinal: number;
  /** when a replica was first asked to take it, in milliseconds */
  readonly sentMs: number;
  /** every amount it was sent with */
  readonly amounts: Set<Cents>;
  readonly acks: Ack[];
  /** the epochs of the replicas that were asked to take it */
  epochMin: number;
  epochMax: number;
  /** the era in which it was sent first */
  readonly era: number;
  /** how many purges there were before that */
  readonly purges: number;
  /** nobody held any fact of it at some moment, and the acknowledgements allowed that */
  lost: boolean;
}

/** Every id of a run. */
export class Ledger {
  readonly payments = new Map<string, Payment>();

  /** A caller sends an id to a replica in `epoch`; undefined where the replica does not know yet. */
  sent(id: string, cents: Cents, epoch: number | undefined, world: World): Payment {
    let payment = this.payments.get(id);
    if (!payment) {
      const ordinal = this.payments.size;
      const { era, faults, timeline: { ms: sentMs } } = world;
      const purges = faults.get("purge") ?? 0;
      const [epochMin, epochMax] = [Infinity, -1];
      payment = { id, ordinal, sentMs, amounts: new Set(), acks: [], epochMin, epochMax, era, purges, lost: false };
      this.payments.set(id, payment);
    }
    payment.amounts.add(cents);
    payment.epochMin = Math.min(payment.epochMin, epoch ?? Infinity);
    payment.epochMax = Math.max(payment.epochMax, epoch ?? -1);
    return payment;
  }
}
