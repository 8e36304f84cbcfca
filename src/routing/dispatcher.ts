/**
 * Brings payments to the processors: each is bound to one before it is sent, and stays bound while it may be booked
 * there (DESIGN.md, promise 1).
 * @module
 */
import { backoffMs, type Clock, type Random } from "../clock.ts";
import type { Ledger, LedgerObserver, Receipt } from "../ledger/ledger.ts";
import {
  dispatched,
  type Fact,
  type Processor,
  PROCESSORS,
  type Reason,
  released,
  type ReplicaId,
  settled,
} from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import {
  begin,
  type BindingEnd,
  type Bound,
  conclude,
  concludeLookups,
  foundIn,
  type Kept,
  type Next,
  type Queued,
  rejectersOf,
  UNKNOWNS_MAX,
  withAmount,
  type Work,
} from "./work.ts";
import type { Health, Lookup, Lookups, Outcome, ProcessorClient } from "./processor_client.ts";
import { Queue } from "./queue.ts";
import { type ProcessorView, route, type RouteLimits } from "./route.ts";
import { Turns } from "./turns.ts";
import { type Call, CircuitBreaker } from "./circuit_breaker.ts";

/** The first backoff of a payment whose call brought no useful answer, in milliseconds; it doubles each time. */
export const RETRY_MS_MIN = 100, RETRY_MS_MAX = 5_000;
/** The longest backoff of a payment that only a person can help, in milliseconds. */
export const RARELY_MS = 30_000;
/** After this many pauses the backoff is at its longest. */
const PAUSES_RARELY = Math.ceil(Math.log2(RETRY_MS_MAX / RETRY_MS_MIN));
/** How many payments are looked up at one time. */
export const ASKING_MAX = 64;
/** After waiting longer for its binding to be recorded, a payment is looked up before it is sent; in milliseconds. */
const LATE_MS = 2_000;

const RECORDING: Work = { state: "recording" };

/** The verdict on a lookup's 404, if the processor's 422 had called the payment booked. */
const DENIED: Lookup = { kind: "unclear", error: "status 404 for a payment that it answered with status 422" };

/** The state of one processor, for people. */
export interface ProcessorStatus {
  /** whether it takes payments, or only has no room for a moment */
  readonly state: "up" | "down";
  /** typical time of an answer, in milliseconds */
  readonly latencyMs: number;
  /** calls of this replica without an answer */
  readonly inFlight: number;
  /** why it is down; left out if it is not, or if `rejectsWith` says it */
  readonly error?: string | undefined;
  /** the status with which it refuses one payment after the other; left out if it does not */
  readonly rejectsWith?: number | undefined;
  /** until when it gets no calls, as it asked (Retry-After), ISO 8601; left out if it did not */
  readonly retryAt?: string | undefined;
  /** what is not understood of its answer about a payment; left out if all is */
  readonly unclear?: string | undefined;
}

/** Where the parts of a dispatcher come from. */
interface DispatcherParts {
  readonly self: ReplicaId;
  /** whether this replica acts on a payment: its own ones, and perhaps those of a replica that is silent */
  isOwn(payment: Payment): boolean;
  /** how long another process may still call for a payment that is taken on, in milliseconds; left out if that one is dead */
  readonly strayMs?: number;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly client: ProcessorClient;
  readonly limits: RouteLimits & { readonly dispatchPerSecond: number; readonly horizonMs: number };
}

/** A processor as a payment sees it that it has rejected: it may be tried again, but is not the first choice. */
function asRejecter(view: ProcessorView): ProcessorView {
  return { ...view, available: false, probeDue: view.available ? !view.stalled : view.probeDue };
}

/** The dispatcher of one replica: it acts on the payments that this replica owns. */
export class Dispatcher implements LedgerObserver {
  readonly #parts: DispatcherParts;
  readonly #turns: Turns;
  readonly #breakers: Record<Processor, CircuitBreaker>;
  readonly #work = new Map<string, Work>();
  /** ids of queued and of bound payments; those that are neither any more are skipped */
  readonly #queue = new Queue<string>();
  readonly #bound: Record<Processor, Queue<string>> = { default: new Queue(), fallback: new Queue() };
  #held: Reason | undefined;
  /** by processor: a payment whose lookup was not understood, and why */
  readonly #unclear: Partial<Record<Processor, { readonly id: string; readonly error: string }>> = {};
  #asking = 0;
  #calls = 0;
  /** facts whose receipt is awaited */
  #recording = 0;
  /** those of them that bind a payment to a processor */
  readonly #binding: Record<Processor, number> = { default: 0, fallback: 0 };
  #pauses = 0;
  #running = false;
  #stopped: (() => void) | undefined;

  /** Dispatches nothing yet: see {@link start}. */
  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.clock, parts.limits.dispatchPerSecond, (budget) => this.#turn(budget));
    const breaker = () => new CircuitBreaker(parts.clock, parts.random);
    this.#breakers = { default: breaker(), fallback: breaker() };
  }

  /** Payments in this dispatcher's hands that wait for a call. */
  get waiting(): number {
    return this.#work.size - this.#calls;
  }

  /** Why payments without a route wait, if any do. */
  get held(): Reason | undefined {
    return this.#queue.length > 0 ? this.#held : undefined;
  }

  /** The state of a processor now. */
  status(processor: Processor): ProcessorStatus {
    const { ledger, clock } = this.#parts;
    const breaker = this.#breakers[processor];
    const { available, full, latencyMs, inFlight } = breaker.view();
    const { rejectsWith, retryInMs, trouble } = breaker;
    const { id = "", error } = this.#unclear[processor] ?? {};
    return {
      ...{ state: available || full ? "up" : "down", latencyMs: Math.round(latencyMs), inFlight },
      error: rejectsWith === undefined ? trouble || undefined : undefined,
      rejectsWith,
      retryAt: retryInMs > 0 ? new Date(clock.now() + retryInMs).toISOString() : undefined,
      unclear: ledger.book.pending.has(id) ? error : undefined,
    };
  }

  /** Payments of all replicas that both processors refused last. */
  get rejected(): number {
    let count = 0;
    for (const payment of this.#parts.ledger.book.pending.values()) if (rejectersOf(payment).length > 1) count++;
    return count;
  }

  /** What is wrong, one line each. */
  get notes(): string[] {
    const { rejected } = this;
    const notes = PROCESSORS.flatMap((processor) => {
      const { error, rejectsWith, retryAt, unclear } = this.status(processor);
      return [
        rejectsWith !== undefined
          ? `the ${processor} processor refuses payments with status ${rejectsWith}`
          : error && `the ${processor} processor takes no payments: ${error}` || "",
        retryAt === undefined ? "" : `the ${processor} processor gets no calls until ${retryAt} (Retry-After)`,
        unclear && `the ${processor} processor's answer to a lookup is not understood: ${unclear}` || "",
      ];
    });
    if (rejected > 0) notes.push(`payments that both processors rejected, which are tried rarely: ${rejected}`);
    return notes;
  }

  /** What `service-health` said of a processor. */
  hearHealth(processor: Processor, health: Health): void {
    this.#breakers[processor].heardHealth(health);
    this.#turns.plan();
  }

  /** Takes on everything that this replica owns. */
  start(): void {
    this.#running = true;
    this.#offerAll();
  }

  /** Binds and sends nothing more; a call that ends may still be looked up. Resolves when no call is in flight, and all is recorded. */
  stop(): Promise<void> {
    this.#running = false;
    this.#turns.stop();
    return new Promise((resolve) => {
      this.#stopped = resolve;
      this.#checkStopped();
    });
  }

  #checkStopped(): void {
    if (this.#calls + this.#recording === 0) this.#stopped?.();
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    if (!holds || !this.#running) return;
    if (fact.kind === "accepted") this.#offer(payment!);
    else if (fact.kind === "moved") this.ownersChanged();
    else if (fact.kind === "purged") {
      for (const [id, { state }] of this.#work) {
        // a call counts until it ends
        if (state !== "in-flight" && !this.#parts.ledger.book.pending.has(id)) this.#work.delete(id);
      }
    } else if ("id" in fact) {
      // another replica recorded it, or an earlier process of this one; calls and lookups notice at their end
      const state = this.#work.get(fact.id)?.state;
      if (state === "queued" || state === "bound") this.#beginAnew(fact.id);
      // bound by a replica that counts as silent already
      else if (state === undefined && payment!.stage !== "settled") this.#offer(payment!);
    }
  }

  /** This replica acts on other payments than before: what waits for another one is dropped; calls and lookups notice at their end. */
  ownersChanged(): void {
    if (!this.#running) return;
    const { ledger: { book }, isOwn } = this.#parts;
    for (const [id, { state }] of this.#work) {
      const payment = state === "queued" || state === "bound" ? book.pending.get(id) : undefined;
      if (payment && !isOwn(payment)) this.#work.delete(id);
    }
    this.#offerAll();
  }

  #offerAll(): void {
    for (const payment of this.#parts.ledger.book.pending.values()) this.#offer(payment);
  }

  /** Takes a payment on, if it is this replica's and not taken on already. */
  #offer(payment: Payment): void {
    if (!this.#parts.isOwn(payment) || this.#work.has(payment.id)) return;
    if (payment.stage === "dispatched" && this.#parts.ledger.isDelayed) this.#adopt(payment);
    else this.#take(payment);
  }

  #take(payment: Payment): void {
    const { clock, strayMs = 0 } = this.#parts;
    const work = begin(payment, clock.monotonic() + strayMs);
    // it may be booked by now
    if (work.state === "bound" && payment.doubtedUptimeMs === null) {
      this.#askIfFree(payment, work, [payment.processor!]);
    } else this.#place(payment, work, false);
  }

  /**
   * Binds a payment as it is bound, before anything is done about it. What another process, of a silent replica or an
   * earlier one of this, has recorded of the binding may still be on its way: from here on that is void.
   */
  #adopt(payment: Payment): void {
    const { ledger, self, clock } = this.#parts;
    const { id, processor, requestedAt, reason } = payment;
    const receipt = ledger.append(dispatched(payment, self, processor!, requestedAt, reason));
    this.#await(id, Promise.resolve(receipt), (receipt, isHere) => {
      if (!isHere) return;
      this.#work.delete(id);
      const now = () => this.#running ? ledger.book.pending.get(id) : undefined;
      const again = () => {
        const payment = now();
        if (payment) this.#offer(payment);
      };
      const adopted = receipt.kind === "holds" && now()?.position === receipt.payment?.position ? now() : undefined;
      if (adopted) this.#take(adopted);
      else if (receipt.kind === "not-taken") clock.after(RETRY_MS_MAX, again);
      else again();
    });
  }

  /** The payment has changed: starts over with the book's state. */
  #beginAnew(id: string): void {
    this.#work.delete(id);
    const payment = this.#parts.ledger.book.pending.get(id);
    if (payment) this.#offer(payment);
  }

  get #waits(): boolean {
    return this.#queue.length + this.#bound.default.length + this.#bound.fallback.length > 0;
  }

  #turn(budget: number): void {
    if (!this.#running) return;
    while (budget > 0 && this.#parts.ledger.isCurrent && this.#next()) budget--;
    if (budget === 0 || this.#waits) this.#turns.plan();
  }

  /** Moves one payment on; false if none can be moved now. */
  #next(): boolean {
    const views = { default: this.#view("default"), fallback: this.#view("fallback") };
    return PROCESSORS.some((processor) => this.#resendBound(processor, views[processor])) || this.#routeQueued(views);
  }

  /** A payment whose binding is being recorded takes its place already. */
  #view(processor: Processor): ProcessorView {
    const view = this.#breakers[processor].view();
    const binding = this.#binding[processor];
    return binding === 0 ? view : { ...view, inFlight: view.inFlight + binding, probeDue: false };
  }

  /**
   * A bound payment goes to its processor again, before any new one. While that takes none, it is looked up now and then:
   * it may be booked by now, or free for the other processor.
   */
  #resendBound(processor: Processor, view: ProcessorView): boolean {
    const { limits, clock, ledger } = this.#parts;
    const takes = view.inFlight < limits.maxInFlight && (view.available ? !view.stalled : view.probeDue);
    const bound = this.#bound[processor];
    for (let id = bound.first; id !== undefined; id = bound.first) {
      const work = this.#work.get(id);
      const payment = ledger.book.pending.get(id);
      const waits = work?.state === "bound" && payment?.processor === processor;
      if (waits && !takes && !(clock.monotonic() >= work.lookUpMs! && this.#mayAsk([processor]))) return false;
      bound.shift();
      if (!waits) continue;
      if (payment.doubtedUptimeMs !== null) {
        if (this.#askBothIfDue(payment, work)) return true;
      } else if (takes) {
        this.#call(payment, work);
        return true;
      } else this.#askIfFree(payment, work, [processor]);
    }
    return false;
  }

  /** The first of the payments that come again is routed, else the first of the new ones. */
  #routeQueued(views: Record<Processor, ProcessorView>): boolean {
    const { clock, limits, ledger } = this.#parts;
    for (let id = this.#queue.first; id !== undefined; id = this.#queue.first) {
      const work = this.#work.get(id);
      const payment = ledger.book.pending.get(id);
      if (work?.state !== "queued" || !payment) {
        this.#queue.shift();
        continue;
      }
      const cleared = work.clearedPosition === payment.position;
      if (payment.doubtedUptimeMs !== null && !cleared) {
        this.#queue.shift();
        if (this.#askBothIfDue(payment, work)) return true;
        continue;
      }
      const rejecter = rejectersOf(payment).at(-1);
      const seen = rejecter ? { ...views, [rejecter]: asRejecter(views[rejecter]) } : views;
      const decision = route(clock.now() - payment.acceptedAt, seen, limits, this.#queue.length);
      if (rejecter && "hold" in decision) {
        // a payment that is rejected for itself must not hold up others
        this.#queue.shift();
        this.#backOff(payment, work);
        continue;
      }
      this.#held = "hold" in decision ? decision.hold : undefined;
      if ("hold" in decision) return false;
      const { askFirst } = payment;
      if (askFirst === null || askFirst === decision.send || cleared) {
        return this.#bind(payment, work, decision.send, decision.reason);
      }
      this.#queue.shift();
      if (this.#askIfFree(payment, work, [askFirst])) return true;
    }
    return false;
  }

  /** A call is made only after the fact that binds the payment holds. @returns false if the log does not take it */
  #bind(payment: Payment, work: Queued, processor: Processor, reason: Reason): boolean {
    const { ledger, self, clock } = this.#parts;
    const { id } = payment;
    this.#queue.shift();
    this.#work.set(id, RECORDING);
    const receipt = ledger.append(dispatched(payment, self, processor, clock.now(), reason));
    if (receipt instanceof Promise) {
      const sinceMs = clock.monotonic();
      this.#binding[processor]++;
      this.#await(id, receipt, (receipt, isHere) => {
        this.#binding[processor]--;
        if (!isHere || !this.#running) return;
        if (receipt.kind === "not-taken") this.#backOff(payment, work);
        else if (clock.monotonic() > sinceMs + LATE_MS) this.#beginAnew(id);
        else this.#callBound(payment, receipt);
      });
      return true;
    }
    if (receipt.kind === "not-taken") {
      // reading the log may have shown that it is another replica's now, or purged
      if (ledger.book.pending.get(id)?.position === payment.position) {
        this.#work.set(id, work);
        this.#queue.pushAgain(id);
      } else this.#beginAnew(id);
      return false;
    }
    this.#callBound(payment, receipt);
    return true;
  }

  /** @param before the payment as it was when it was bound */
  #callBound(before: Payment, receipt: Receipt): void {
    const { id } = before;
    const now = this.#parts.ledger.book.pending.get(id);
    if (receipt.kind !== "holds" || !now || now.position !== receipt.payment?.position) return this.#beginAnew(id);
    this.#call(now, { state: "bound", pauses: 0, unsureMs: null, unknowns: 0, rejectedBy: rejectersOf(before) });
  }

  /**
   * Waits for a receipt; nothing else happens to its payment until then.
   *
   * @param then gets the receipt, and whether the payment is still in the hands of this work
   */
  #await(id: string, receipt: Promise<Receipt>, then: (receipt: Receipt, isHere: boolean) => void): void {
    const work: Work = { state: "recording" };
    this.#work.set(id, work);
    this.#recording++;
    receipt.then((receipt) => {
      this.#recording--;
      then(receipt, this.#work.get(id) === work);
      this.#checkStopped();
    });
  }

  #call(payment: Payment, bound: Bound): void {
    const { id, processor, cents, requestedAt, position: over } = payment;
    const breaker = this.#breakers[processor!];
    const call: Call = breaker.begin(id);
    this.#work.set(id, { state: "in-flight", over, bound });
    this.#calls++;
    this.#parts.client.pay(processor!, { id, cents, requestedAt }).then((outcome) => {
      breaker.end(call, outcome);
      this.#answered(id, over, outcome);
    });
  }

  #answered(id: string, over: number, outcome: Outcome): void {
    this.#calls--;
    const work = this.#work.get(id);
    const payment = this.#parts.ledger.book.pending.get(id);
    if (work?.state === "in-flight" && work.over === over) {
      if (payment?.position !== over) this.#beginAnew(id);
      else this.#proceed(payment, conclude(payment, work.bound, outcome, this.#parts.clock.monotonic()));
    }
    this.#checkStopped();
  }

  #proceed(payment: Payment, next: Next): void {
    if (next.kind !== "keep") this.#end(payment, next);
    else if (isUnrecorded(payment, next.bound)) this.#recordBooked(payment, next);
    else this.#keep(payment, next);
  }

  /** Its processor called it booked, which must outlive this process: it becomes the reason of the binding. */
  #recordBooked(payment: Payment, next: Kept): void {
    const { ledger, self } = this.#parts;
    const { id, processor, requestedAt } = payment;
    const recorded = (receipt: Receipt) => {
      const now = ledger.book.pending.get(id);
      // it is recorded after the next call or lookup
      if (receipt.kind === "not-taken" && now?.position === payment.position) this.#keep(payment, next);
      else if (receipt.kind === "holds" && now && now.position === receipt.payment?.position) this.#keep(now, next);
      else this.#beginAnew(id);
    };
    const receipt = ledger.append(dispatched(payment, self, processor!, requestedAt, "already-booked"));
    if (receipt instanceof Promise) this.#await(id, receipt, (receipt, isHere) => isHere && recorded(receipt));
    else recorded(receipt);
  }

  #keep(payment: Payment, { bound, askNow }: Kept): void {
    if (askNow) this.#askIfFree(payment, { ...bound, pauses: bound.pauses + 1 }, [payment.processor!]);
    else this.#backOff(payment, bound);
  }

  /** Records how the binding ended. If the log does not take it, it is kept until the log does. */
  #end(payment: Payment, end: BindingEnd): void {
    const { ledger, self, clock } = this.#parts;
    const { id } = payment;
    const at = clock.now();
    const receipt = ledger.append(
      end.kind === "settle"
        ? settled(payment, self, at, end.booking, end.reason)
        : released(payment, self, at, end.reason, end.askFirst),
    );
    if (receipt instanceof Promise) {
      this.#await(id, receipt, (receipt, isHere) => isHere && this.#ended(payment, end, receipt));
    } else this.#ended(payment, end, receipt);
  }

  #ended(before: Payment, end: BindingEnd, receipt: Receipt): void {
    const { ledger, clock, random } = this.#parts;
    const { id } = before;
    const now = ledger.book.pending.get(id);
    if (receipt.kind === "not-taken") {
      this.#work.set(id, { state: "unrecorded", end });
      clock.after(RETRY_MS_MIN, () => {
        const now = ledger.book.pending.get(id);
        if (now?.position === before.position) this.#end(now, end);
        else this.#beginAnew(id);
      });
    } else if (!now) this.#work.delete(id);
    // others may have recorded more since
    else if (receipt.kind === "void" || end.kind === "settle" || now.position !== receipt.payment?.position) {
      this.#beginAnew(id);
    } else {
      const queued: Queued = { state: "queued", pauses: 0, clearedPosition: 0 };
      // a rejection is repeated rarely
      if (end.reason === "rejected") this.#backOff(now, { ...queued, pauses: PAUSES_RARELY });
      else if (end.reason === "rejected-by-both") {
        this.#pause(now, queued, backoffMs(RARELY_MS, RARELY_MS, 0, random));
      } else this.#place(now, queued);
    }
  }

  /** Looks a payment in doubt up at both processors, once no earlier call can be booked; puts it off until then. @returns whether it asks */
  #askBothIfDue(payment: Payment, work: Queued | Bound): boolean {
    const { clock, limits, strayMs = 0 } = this.#parts;
    const doubtWaitMs = payment.doubtedUptimeMs! + strayMs + limits.horizonMs - clock.uptime();
    const unsureWaitMs = work.state === "bound" ? work.unsureMs! + limits.horizonMs - clock.monotonic() : 0;
    if (Math.max(doubtWaitMs, unsureWaitMs) <= 0) return this.#askIfFree(payment, work, PROCESSORS);
    this.#pause(payment, work, Math.max(doubtWaitMs, unsureWaitMs));
    return false;
  }

  #mayAsk(whom: readonly Processor[]): boolean {
    return this.#asking < ASKING_MAX && whom.every((processor) => this.#breakers[processor].retryInMs === 0);
  }

  /** Looks the payment up if few enough lookups run and `whom` may be asked; otherwise puts it off. @returns whether it asks */
  #askIfFree(payment: Payment, before: Queued | Bound, whom: readonly Processor[]): boolean {
    if (!this.#mayAsk(whom)) {
      this.#backOff(payment, before);
      return false;
    }
    const { ledger, client, clock } = this.#parts;
    const { id, position: over } = payment;
    const askedMs = clock.monotonic();
    this.#asking++;
    this.#work.set(id, { state: "asking", over, before });
    Promise.all(whom.map((processor) => client.lookup(processor, id))).then((answers) => {
      this.#asking--;
      if (!this.#running) return;
      const work = this.#work.get(id);
      if (work?.state !== "asking" || work.over !== over) return;
      if (ledger.book.pending.get(id)?.position !== over) return this.#beginAnew(id);
      this.#asked(
        payment,
        before,
        answers.map((answer, i) => [whom[i]!, withAmount(payment, answer)] as const),
        askedMs,
      );
    });
    return true;
  }

  #asked(payment: Payment, before: Queued | Bound, lookups: Lookups, askedMs: number): void {
    const saidBooked = before.state === "bound" && before.saidBooked;
    for (const [processor, lookup] of lookups) {
      const denied = saidBooked && processor === payment.processor && lookup.kind === "absent";
      this.#noteLookup(processor, payment.id, denied ? DENIED : lookup);
    }
    if (before.state === "bound") {
      const next = concludeLookups(before, lookups, askedMs, this.#parts.limits.horizonMs);
      if (next.kind !== "keep" || isUnrecorded(payment, next.bound)) return this.#proceed(payment, next);
      // absent, as far as the processor knows: sent again, unless that was done often enough
      const absent = lookups.every(([, { kind }]) => kind === "absent");
      const oftenEnough = before.unknowns >= UNKNOWNS_MAX || saidBooked && before.pauses <= PAUSES_RARELY;
      if (absent && payment.doubtedUptimeMs === null && !oftenEnough) return this.#place(payment, before);
      return this.#backOff(payment, before);
    }
    const booking = foundIn(lookups);
    if (booking) return this.#end(payment, { kind: "settle", booking, reason: "found-booked" });
    if (lookups.some(([, { kind }]) => kind !== "absent")) return this.#backOff(payment, before);
    this.#place(payment, { ...before, clearedPosition: payment.position });
  }

  /** Notes what a lookup shows of its processor: the first that is not understood, until it is, or its payment is settled. */
  #noteLookup(processor: Processor, id: string, { retryAfterMs, ...lookup }: Lookup): void {
    this.#breakers[processor].retryAfter(retryAfterMs);
    const shown = this.#unclear[processor];
    if (shown && shown.id !== id && this.#parts.ledger.book.pending.has(shown.id)) return;
    if (lookup.kind === "unclear") this.#unclear[processor] = { id, error: lookup.error };
    else if (lookup.kind !== "unanswered") delete this.#unclear[processor];
  }

  /** Puts a payment off with backoff. A bound one is looked up after it, which costs its processor less than a call. */
  #backOff(payment: Payment, before: Queued | Bound): void {
    const mostMs = before.state === "bound" && before.saidBooked ? RARELY_MS : RETRY_MS_MAX;
    const pauseMs = backoffMs(RETRY_MS_MIN, mostMs, before.pauses, this.#parts.random);
    this.#pause(payment, { ...before, pauses: before.pauses + 1 }, pauseMs);
  }

  #pause({ id, position: over }: Payment, before: Queued | Bound, pauseMs: number): void {
    const pause = ++this.#pauses;
    this.#work.set(id, { state: "backing-off", pause, before });
    this.#parts.clock.after(pauseMs, () => {
      const work = this.#work.get(id);
      if (!this.#running || work?.state !== "backing-off" || work.pause !== pause) return;
      const payment = this.#parts.ledger.book.pending.get(id);
      if (payment?.position !== over || !this.#parts.isOwn(payment)) return this.#beginAnew(id);
      if (before.state === "queued" || payment.doubtedUptimeMs !== null) this.#place(payment, before);
      else this.#askIfFree(payment, before, [payment.processor!]);
    });
  }

  /** The queue of a payment: bound ones wait for their processor, others for a route. Repeated ones go first. */
  #place(payment: Payment, work: Queued | Bound, again = true): void {
    const { id, processor } = payment;
    if (!this.#parts.isOwn(payment)) return void this.#work.delete(id);
    const isBound = work.state === "bound";
    this.#work.set(id, isBound ? { ...work, lookUpMs: this.#parts.clock.monotonic() + RETRY_MS_MAX } : work);
    const queue = isBound ? this.#bound[processor!] : this.#queue;
    if (again) queue.pushAgain(id);
    else queue.push(id);
    this.#turns.plan();
  }
}

/** Whether its processor called a payment booked, and no fact says so. */
function isUnrecorded({ reason }: Payment, { saidBooked }: Bound): boolean {
  return saidBooked === true && reason !== "already-booked";
}
