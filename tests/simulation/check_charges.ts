/**
 * Checks that no payment is charged twice, and that none is sent to one processor while the other may book it.
 * @module
 */
import { other, type Processor } from "../../src/payment/fact.ts";
import type { Order, Outcome } from "../../src/routing/processor_client.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

/** A call of `pay`. */
export interface PayCall {
  readonly ordinal: number;
  readonly life: Life;
  readonly processor: Processor;
  readonly id: string;
  /** on several hosts: the latest time that it can be booked, if its caller stands still */
  readonly latestMs: number;
  /** until when it may be booked, in milliseconds; infinite while its caller waits */
  untilMs: number;
}

/** What a processor may still do with an id. */
interface Exposure {
  /** calls without an answer yet */
  readonly open: Set<PayCall>;
  /** when the last call that was given up can no longer be booked, in milliseconds */
  untilMs: number;
}

/** Follows every request to both processors. */
export class ChargeChecker {
  #exposures = { default: new Map<string, Exposure>(), fallback: new Map<string, Exposure>() };
  #open = new Map<Life, Set<PayCall>>();
  calls = 0;

  constructor(private readonly world: World) {}

  begin(life: Life, processor: Processor, order: Order): PayCall {
    const { world } = this;
    const { id, cents } = order;
    const { requestTimeoutMs, horizonMs } = world.settings;
    const latestMs = world.engine ? world.clock.monotonic() + requestTimeoutMs + horizonMs : Infinity;
    const call: PayCall = { ordinal: this.calls++, life, processor, id, latestMs, untilMs: Infinity };
    const payment = world.asked.get(id);
    world.note("pay", life, payment?.ordinal ?? -1, cents, () => `${processor} ${id} ${cents} ${order.requestedAt}`);
    // no promise holds while the engine has lost acknowledged messages and some replicas do not know it
    if (payment && world.isShortened) Object.assign(payment, { excused: true, lostMs: world.clock.monotonic() });
    if (!payment) world.violate("charges", `${id} was sent to ${processor} and never asked for`);
    else if (!payment.amounts.has(cents)) {
      world.violate("amounts", `${id} was sent to ${processor} with ${cents} cents, no caller asked for that`);
    }
    const second = other(processor);
    if (world.processors[second].bookings.has(id) && !payment?.excused) {
      world.violate("charges", `${id} was sent to ${processor} although it is booked at ${second}`);
    }
    const there = this.#exposures[second].get(id);
    const mayBeBooked = there && ([...there.open].some((call) => this.mayBeBooked(call)) ||
      there.untilMs > world.clock.monotonic());
    if (mayBeBooked && !payment?.excused) {
      world.violate("charges", `${id} was sent to ${processor} while ${second} may still book it`);
    }
    let here = this.#exposures[processor].get(id);
    if (!here) this.#exposures[processor].set(id, here = { open: new Set(), untilMs: 0 });
    here.open.add(call);
    this.#count(call);
    return call;
  }

  /** Whether a copy of the call that is under way may still be booked. */
  mayBeBooked(call: PayCall): boolean {
    return this.world.clock.monotonic() < Math.min(call.untilMs, call.latestMs);
  }

  /** Whether its caller still waits for it. */
  open(call: PayCall): boolean {
    return call.untilMs === Infinity;
  }

  /** The caller has heard how it ended. */
  end(call: PayCall, outcome: Outcome): void {
    this.#open.get(call.life)?.delete(call);
    this.#close(call, outcome.kind === "unknown");
  }

  /** A process has died: what it sent can be booked for a while. */
  died(life: Life): void {
    for (const call of this.#open.get(life) ?? []) this.#close(call, true);
    this.#open.delete(life);
  }

  /** A processor has booked an id. */
  booked(processor: Processor, id: string): void {
    const { processors, asked } = this.world;
    if (processors[other(processor)].bookings.has(id) && !asked.get(id)?.excused) {
      this.world.violate("charges", `${id} is booked at both processors`);
    }
  }

  #close(call: PayCall, unknown: boolean): void {
    const { clock, settings } = this.world;
    const exposure = this.#exposures[call.processor].get(call.id)!;
    exposure.open.delete(call);
    // a call with a verdict is done with; the answer to a later call says nothing about it
    call.untilMs = clock.monotonic() + (unknown ? settings.horizonMs : 0);
    if (unknown) exposure.untilMs = Math.max(exposure.untilMs, call.untilMs);
  }

  #count(call: PayCall): void {
    let open = this.#open.get(call.life);
    if (!open) this.#open.set(call.life, open = new Set());
    open.add(call);
    let count = 0;
    for (const { processor } of open) if (processor === call.processor) count++;
    const { maxInFlight } = this.world.settings;
    if (count > maxInFlight) {
      this.world.violate("limits", `${count} calls to ${call.processor} in flight, ${maxInFlight} are allowed`);
    }
  }
}
