/**
 * Brings payments to the processors: each is bound to one before it is sent, and stays bound while it may be booked
 * there (DESIGN.md, promise 1).
 * @module
 */
import { bit, dispatched, type Fact, type Processor, PROCESSORS, released, settled, SUSPECT } from "../payment/fact.ts";
import type { Reason } from "../payment/fact.ts";
import type { ProcessorStatus } from "../api/service.ts";
import type { Health, Lookup, Outcome } from "./processor_client.ts";
import { Pace } from "./pace.ts";
import type { DispatcherParts } from "./parts.ts";
import { Queue } from "./queue.ts";
import { type ProcessorView, route } from "./route.ts";
import { TURN_MS, Turns } from "./turns.ts";
import { type Call, ProcessorHealth } from "./view.ts";

/** Pause until a payment that nobody takes now is looked at again, in milliseconds. */
export const HOLD_MS = 10;
/** Pause before a payment whose call said nothing useful is tried again, in milliseconds; it doubles each time. */
export const RETRY_MS_MIN = 100;
export const RETRY_MS_MAX = 5_000;
/** Payments about which a processor is being asked at one time. */
export const ASKING_MAX = 64;

/** A payment in the dispatcher's hands. */
interface Ticket {
  readonly id: string;
  /** processors that were asked and do not hold the payment, by {@link bit}, since the last attempt */
  absent: number;
  /** a call of the current attempt may still be booked: no answer but "booked" ends the attempt */
  unsure: boolean;
  tries: number;
}

/** The dispatcher of one replica. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #pace: Pace;
  readonly #turns: Turns;
  readonly #health: Record<Processor, ProcessorHealth>;
  readonly #tickets = new Map<string, Ticket>();
  readonly #queue = new Queue<Ticket>();
  readonly #bound: Record<Processor, Queue<Ticket>> = { default: new Queue(), fallback: new Queue() };
  #held: Reason | undefined;
  #asking = 0;
  #calls = 0;
  #stopped: (() => void) | undefined;
  #stopping = false;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#pace = new Pace(parts.limits.dispatchPerSecond);
    this.#turns = new Turns(parts.clock, (lagMs) => this.#turn(lagMs));
    const health = () => new ProcessorHealth(parts.clock, parts.random);
    this.#health = { default: health(), fallback: health() };
  }

  /** Payments in this dispatcher's hands that wait for a call. */
  get waiting(): number {
    return this.#tickets.size - this.#calls;
  }

  /** Why the payments that are to be routed wait, where any do. */
  get held(): Reason | undefined {
    return this.#queue.length > 0 ? this.#held : undefined;
  }

  /** What a processor looks like from here. */
  status(processor: Processor): ProcessorStatus {
    const { up, latencyMs, inFlight } = this.#health[processor].view();
    return { state: up ? "up" : "down", latencyMs: Math.round(latencyMs), inFlight };
  }

  /** What `service-health` said of a processor. */
  hear(processor: Processor, health: Health): void {
    this.#health[processor].heard(health);
    this.#turns.plan(0);
  }

  /** Takes a payment on, if it is this replica's and not taken already. */
  offer(fact: Fact): void {
    if (fact.stage === "settled" || !this.#parts.tenure.owns(fact.owner)) return;
    // the clock may have been set back: after a request's time it is certain in any case
    const waitMs = Math.min(fact.doubtUntil - this.#parts.clock.now(), this.#parts.limits.requestTimeoutMs);
    const waits = fact.doubt !== 0 && waitMs > 0;
    // doubt that comes up later is waited for as well, by a new ticket: the old one is void
    if (this.#tickets.has(fact.id) && !waits) return;
    const ticket: Ticket = { id: fact.id, absent: 0, unsure: fact.stage === "dispatched", tries: 0 };
    this.#tickets.set(fact.id, ticket);
    if (waits) this.#parts.clock.after(waitMs, () => this.#place(ticket));
    else this.#place(ticket);
  }

  /** Something changed: tenure, health, or payments that were another's before. */
  wake(): void {
    for (const fact of this.#parts.book.pending.values()) this.offer(fact);
    this.#turns.plan(0);
  }

  /** A new epoch: nothing of the old one is to be done. */
  clear(): void {
    this.#tickets.clear();
    this.#queue.clear();
    for (const processor of PROCESSORS) this.#bound[processor].clear();
  }

  /** Sends nothing new; resolved when no call is in flight any more. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.#turns.stop();
    if (this.#calls === 0) return Promise.resolve();
    return new Promise((resolve) => this.#stopped = resolve);
  }

  get #waits(): boolean {
    return this.#queue.length + this.#bound.default.length + this.#bound.fallback.length > 0;
  }

  #turn(lagMs: number): void {
    if (!this.#parts.tenure.mayAct || this.#stopping) return;
    let budget = this.#pace.turn(lagMs);
    while (budget > 0 && this.#next()) budget--;
    if (budget === 0) this.#turns.plan(TURN_MS, 0);
    else if (this.#waits) this.#turns.plan(HOLD_MS);
  }

  /** Moves one payment on; false when none can be now. */
  #next(): boolean {
    const views = { default: this.#health.default.view(), fallback: this.#health.fallback.view() };
    return PROCESSORS.some((processor) => this.#resend(processor, views[processor])) || this.#sendFirst(views);
  }

  /** A bound payment goes to its processor again, before any new one. */
  #resend(processor: Processor, view: ProcessorView): boolean {
    const takes = view.inFlight < this.#parts.limits.maxInFlight && (view.up ? !view.stalled : view.probeDue);
    const bound = this.#bound[processor];
    for (let ticket = bound.first; ticket && takes; ticket = bound.first) {
      bound.shift();
      const fact = this.#current(ticket);
      if (!fact) continue;
      if (fact.stage !== "dispatched" || fact.processor !== processor) {
        this.#place(ticket);
        continue;
      }
      if (fact.doubt === SUSPECT && ticket.absent !== SUSPECT) this.#ask(ticket, SUSPECT);
      else this.#call(ticket, fact, this.#health[processor].begin());
      return true;
    }
    return false;
  }

  /** The payment that waits longest is routed. */
  #sendFirst(views: Record<Processor, ProcessorView>): boolean {
    const { clock, limits, self } = this.#parts;
    for (let ticket = this.#queue.first; ticket; ticket = this.#queue.first) {
      const fact = this.#current(ticket);
      if (fact && fact.stage !== "dispatched") {
        const decision = route(clock.now() - fact.acceptedAt, views, limits, this.#queue.length);
        this.#held = "hold" in decision ? decision.hold : undefined;
        if ("hold" in decision || this.#asking >= ASKING_MAX) return false;
        this.#queue.shift();
        const inDoubt = fact.doubt === SUSPECT ? SUSPECT : fact.doubt & ~bit(decision.send);
        if (inDoubt & ~ticket.absent) this.#ask(ticket, inDoubt & ~ticket.absent);
        else this.#bind(ticket, dispatched(fact, self, decision.send, clock.now(), decision.reason));
        return true;
      }
      this.#queue.shift();
      this.#place(ticket);
    }
    return false;
  }

  /** The fact to act on, or undefined where the payment is no longer this ticket's. */
  #current(ticket: Ticket): Fact | undefined {
    if (this.#tickets.get(ticket.id) !== ticket) return undefined;
    const fact = this.#parts.book.pending.get(ticket.id);
    if (fact && this.#parts.tenure.owns(fact.owner)) return fact;
    this.#tickets.delete(ticket.id);
    return undefined;
  }

  /** Nothing is sent before the binding is safe: otherwise who takes over would not know of it. */
  #bind(ticket: Ticket, fact: Fact): void {
    ticket.absent = 0;
    ticket.unsure = false;
    const call = this.#health[fact.processor!].begin();
    this.#parts.record(fact).then((safe) => {
      // answers that waited for the same acknowledgement go first
      if (safe) {
        this.#parts.clock.soon(() =>
          this.#stopping ? this.#unbind(ticket, fact, call) : this.#call(ticket, fact, call)
        );
      } else this.#unbind(ticket, fact, call);
    });
  }

  /** Not sent: the binding is not safe. */
  #unbind(ticket: Ticket, fact: Fact, call: Call): void {
    this.#health[fact.processor!].end(call);
    if (this.#current(ticket) !== fact) return this.#place(ticket);
    this.#parts.record(released(fact, "peer-lost", false));
    // at once it would be no safer, and every attempt makes work for the store that it waits for
    this.#later(ticket);
  }

  #call(ticket: Ticket, fact: Fact, call: Call): void {
    if (this.#current(ticket) !== fact) {
      this.#health[fact.processor!].end(call);
      return this.#place(ticket);
    }
    this.#calls++;
    this.#parts.client.pay(fact.processor!, fact).then((outcome) => {
      this.#health[fact.processor!].end(call, outcome);
      this.#ended();
      if (this.#current(ticket) === fact) this.#conclude(ticket, fact, outcome);
      else this.#place(ticket);
      this.#turns.plan(0);
    });
  }

  /** What the end of an attempt means: the table of DESIGN.md, promise 1. */
  #conclude(ticket: Ticket, fact: Fact, outcome: Outcome): void {
    if (outcome.kind === "booked") {
      return this.#finish(settled(fact, fact.processor!, fact.requestedAt, fact.cents, fact.reason));
    }
    if (outcome.kind === "already-booked") {
      ticket.unsure = true;
      return ticket.tries++ === 0 ? this.#ask(ticket, bit(fact.processor!)) : this.#later(ticket);
    }
    if (outcome.kind === "unknown") ticket.unsure = true;
    // refused now says nothing of an earlier call of the same attempt
    if (ticket.unsure || outcome.kind === "unknown") return this.#later(ticket);
    if (outcome.kind === "failed") return this.#put(ticket, released(fact, "refused", true));
    if (outcome.why !== "refused") return this.#put(ticket, released(fact, outcome.why, false));
    this.#parts.record(released(fact, "refused", false));
    this.#later(ticket);
  }

  /** Asks the processors of `mask` whether they hold the payment. */
  #ask(ticket: Ticket, mask: number): void {
    const { book, client } = this.#parts;
    const before = book.pending.get(ticket.id);
    this.#asking++;
    const asked = PROCESSORS.filter((processor) => mask & bit(processor));
    Promise.all(asked.map((processor) => client.lookup(processor, ticket.id))).then((lookups) => {
      this.#asking--;
      const fact = this.#current(ticket);
      if (!fact || fact !== before) return this.#place(ticket);
      const at = lookups.findIndex((lookup) => lookup.kind === "found");
      const found = lookups[at] as Lookup & { kind: "found" } | undefined;
      if (found) return this.#finish(settled(fact, asked[at]!, found.requestedAt, found.cents, "found-booked"));
      if (lookups.some((lookup) => lookup.kind === "unanswered")) return this.#later(ticket);
      // bound and not found: a booking may still be under way, so the attempt goes on
      ticket.absent |= mask;
      this.#place(ticket);
    });
  }

  #finish(fact: Fact): void {
    this.#tickets.delete(fact.id);
    this.#parts.record(fact);
  }

  /** Records where the payment stands and puts it back to the front. */
  #put(ticket: Ticket, fact: Fact): void {
    this.#parts.record(fact);
    this.#place(ticket);
  }

  #later(ticket: Ticket): void {
    const { clock, random } = this.#parts;
    const pauseMs = Math.min(RETRY_MS_MIN * 2 ** ticket.tries++, RETRY_MS_MAX) * (0.5 + random() / 2);
    clock.after(pauseMs, () => {
      const fact = this.#current(ticket);
      // a lookup costs a processor less than a call, and a slow one answers it at once
      const cleared = fact?.doubt !== SUSPECT || ticket.absent === SUSPECT;
      if (fact?.stage === "dispatched" && cleared && this.#asking < ASKING_MAX) this.#ask(ticket, bit(fact.processor!));
      else this.#place(ticket);
    });
  }

  /** Where a payment waits: bound ones for their processor, others for a route. Those that come again go first. */
  #place(ticket: Ticket): void {
    const fact = this.#current(ticket);
    if (!fact) return;
    // another replica may have bound it meanwhile
    if (fact.stage === "dispatched") ticket.unsure = true;
    const queue = fact.stage === "dispatched" ? this.#bound[fact.processor!] : this.#queue;
    if (fact.stage === "accepted" && !ticket.absent) queue.push(ticket);
    else queue.unshift(ticket);
    this.#turns.plan(0);
  }

  #ended(): void {
    this.#calls--;
    if (this.#calls === 0) this.#stopped?.();
  }
}
