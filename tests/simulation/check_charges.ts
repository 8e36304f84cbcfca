/** Checks that nobody pays twice, and that nothing is sent to one processor while the other may book it. @module */
import { other, type Processor } from "../../src/payment/fact.ts";
import type { Attempt, Outcome } from "../../src/routing/processor_client.ts";
import type { Life } from "./life.ts";
import type { Payment } from "./ledger.ts";
import type { World } from "./world.ts";

/** A call of `pay`. */
export interface PayCall {
  readonly ordinal: number;
  readonly life: Life;
  readonly processor: Processor;
  readonly id: string;
}

/** What a processor may still do with an id. */
interface Exposure {
  /** copies of a request under way or in the processor */
  copies: number;
  /** calls without an answer yet */
  readonly open: Set<PayCall>;
  /** an answer is missing: until then the caller cannot know that it is not booked */
  untilMs: number;
}

/** Follows every request to both processors. */
export class ChargeChecker {
  #exposures = { default: new Map<string, Exposure>(), fallback: new Map<string, Exposure>() };
  #inFlight = new Map<Life, Record<Processor, number>>();
  calls = 0;

  constructor(private readonly world: World) {}

  begin(life: Life, processor: Processor, attempt: Attempt): PayCall {
    const { world } = this;
    const { id } = attempt;
    const call: PayCall = { ordinal: this.calls++, life, processor, id };
    const payment = world.ledger.payments.get(id);
    world.note("pay", life, payment?.ordinal ?? -1, attempt.cents, () => `${processor} ${id} ${attempt.cents}`);
    if (!payment) world.violate("charges", `${id} was sent to ${processor} and never asked for`);
    else if (!payment.amounts.has(attempt.cents)) {
      world.violate("amounts", `${id} was sent to ${processor} with ${attempt.cents} cents, nobody asked for that`);
    }
    const second = other(processor);
    if (world.processors[second].bookings.has(id) && !purged(payment)) {
      world.violate("charges", `${id} was sent to ${processor} although it is booked at ${second}`);
    }
    const there = this.#exposures[second].get(id);
    if (there && !purged(payment) && (there.copies > 0 || there.open.size > 0 || there.untilMs > world.timeline.ms)) {
      world.violate("charges", `${id} was sent to ${processor} while ${second} may still book it`);
    }
    let here = this.#exposures[processor].get(id);
    if (!here) this.#exposures[processor].set(id, here = { copies: 0, open: new Set(), untilMs: 0 });
    here.copies++;
    here.open.add(call);
    this.#count(life, processor, 1);
    return call;
  }

  /** The request got lost on its way, which its caller cannot know. */
  never(call: PayCall): void {
    this.#exposures[call.processor].get(call.id)!.copies--;
  }

  /** The processor has booked or refused a copy. */
  dealtWith(call: PayCall): void {
    this.#exposures[call.processor].get(call.id)!.copies--;
  }

  again(call: PayCall): void {
    this.#exposures[call.processor].get(call.id)!.copies++;
  }

  /** The caller has heard how it ended. */
  end(call: PayCall, outcome: Outcome): void {
    this.#count(call.life, call.processor, -1);
    const exposure = this.#exposures[call.processor].get(call.id)!;
    exposure.open.delete(call);
    // an answer to a later call says nothing of this one
    if (outcome.kind === "unknown") this.#expose(exposure);
  }

  /** A process has died: what it sent can be booked for a while. */
  died(life: Life): void {
    for (const exposures of Object.values(this.#exposures)) {
      for (const exposure of exposures.values()) {
        for (const call of exposure.open) {
          if (call.life !== life) continue;
          exposure.open.delete(call);
          this.#expose(exposure);
        }
      }
    }
    this.#inFlight.delete(life);
  }

  /** A processor has booked an id. */
  booked(processor: Processor, id: string): void {
    if (this.world.processors[other(processor)].bookings.has(id) && !purged(this.world.ledger.payments.get(id))) {
      this.world.violate("charges", `${id} is booked at both processors`);
    }
  }

  #expose(exposure: Exposure): void {
    exposure.untilMs = this.world.timeline.ms + this.world.settings.requestTimeoutMs;
  }

  #count(life: Life, processor: Processor, by: number): void {
    let counts = this.#inFlight.get(life);
    if (!counts) this.#inFlight.set(life, counts = { default: 0, fallback: 0 });
    counts[processor] += by;
    const { maxInFlight } = this.world.settings;
    if (counts[processor] > maxInFlight) {
      this.world.violate("limits", `${counts[processor]} calls to ${processor} in flight, ${maxInFlight} are allowed`);
    }
  }
}

/** It was sent in one epoch and again in the next, to replicas that did not hear each other: nobody promises anything. */
export function purged(payment: Payment | undefined): boolean {
  return payment !== undefined && payment.epochMin < payment.epochMax;
}
