/** Calls to the simulated processors as one process makes them, over HTTP that breaks. @module */
import type { Processor } from "../../src/payment/fact.ts";
import { outcomeOf } from "../../src/processor/outcome.ts";
import type { Health, Lookup, Order, Outcome, ProcessorClient } from "../../src/routing/processor_client.ts";
import type { PayCall } from "./check_charges.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

/** How unkind HTTP is: shares of calls, and the way there or back in milliseconds. */
export interface HttpFaults {
  wayMs: number;
  unreachable: number;
  requestLost: number;
  /** it is booked, or refused, and then the connection breaks */
  reset: number;
  /** it is booked, and the answer is 500 */
  booked500: number;
  never: number;
  /** the HTTP client sends it again by itself, once the first copy has been dealt with */
  resent: number;
  /** something in between answers 502, 503, 504 or 408 while the processor is still at it, or before it has begun */
  gateway: number;
  /** something in between refuses with 403 or 302: the processor never sees it */
  rejected: number;
  /** it arrives so late that its caller has given it up, within the horizon */
  late: number;
  lookupFails: number;
  /** share of payments that both processors refuse, whichever replica sends them, until the faults are over */
  poison: number;
  /** share of the answers 429, 503 and so on that say when to come again */
  retryAfter: number;
  healthLies: number;
  healthStaleMs: number;
}

type Finish = (outcome: Outcome) => void;

/** The {@link ProcessorClient} of one process. */
export class SimulatedClient implements ProcessorClient {
  constructor(readonly world: World, readonly life: Life, private readonly timeoutMs: number) {}

  pay(processor: Processor, order: Order): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const { world, life } = this;
    if (!life.acts()) return promise;
    const { http, prng, clock } = world;
    const call = world.charges.begin(life, processor, order);
    let over = false;
    const finish: Finish = (outcome) =>
      life.hear(() => {
        if (over) return;
        over = true;
        cancel();
        world.charges.end(call, outcome);
        world.note(
          "outcome",
          life,
          outcome.kind.length,
          call.ordinal,
          () => `${processor} ${outcome.kind} ${order.id}`,
        );
        resolve(outcome);
      });
    const cancel = clock.after(this.timeoutMs, () => finish({ kind: "unknown", error: "timeout" }));
    const ends = (outcome: Outcome) => clock.after(this.#wayMs(), () => finish(outcome));
    if (prng.chance(http.unreachable)) {
      world.fault("processor-unreachable", 0);
      ends({ kind: "refused", why: "unreachable" });
    } else if (prng.chance(http.requestLost)) {
      world.fault("request-lost", 0);
      ends({ kind: "unknown", error: "reset" });
    } else if (prng.chance(http.rejected)) {
      ends(this.#outcome(world.fault("rejected", prng.pick([403, 302, 402]))));
    } else {
      if (prng.chance(http.gateway)) ends(this.#outcome(world.fault("gateway", prng.pick(GATEWAY))));
      const lateMs = prng.chance(http.late) ? prng.float() * (this.timeoutMs + world.settings.horizonMs) : 0;
      if (lateMs > 0) world.fault("late", lateMs);
      this.#send(call, order, lateMs, prng.chance(http.resent) ? "first" : "only", finish);
    }
    return promise;
  }

  lookup(processor: Processor, id: string): Promise<Lookup> {
    const { promise, resolve } = Promise.withResolvers<Lookup>();
    const { world, life } = this;
    if (!life.acts()) return promise;
    const { http, prng, clock } = world;
    clock.after(this.#wayMs(), () => {
      const booking = world.processors[processor].lookup(id);
      const { rejecting } = world.processors[processor];
      const fails = prng.chance(http.lookupFails);
      if (fails) world.fault("lookup-unanswered", 0);
      const answer: Lookup = fails
        ? { kind: prng.pick(["unanswered", "unclear"]), error: "reset" }
        : rejecting !== undefined && rejecting !== 404
        ? { kind: "unclear", error: `status ${rejecting}` }
        : booking
        ? { kind: "found", cents: booking.cents, requestedAt: booking.requestedAt }
        : { kind: "absent" };
      clock.after(this.#wayMs(), () =>
        life.hear(() => {
          world.note("lookup", life, answer.kind.length, 0, () => `${processor} ${id} ${answer.kind}`);
          resolve(answer);
        }));
    });
    return promise;
  }

  health(processor: Processor): Promise<Health | undefined> {
    const { promise, resolve } = Promise.withResolvers<Health | undefined>();
    const { world, life } = this;
    if (!life.acts()) return promise;
    const { http, prng, clock } = world;
    clock.after(this.#wayMs(), () => {
      const { delayMs, failing } = world.processors[processor];
      let health: Health | undefined;
      if (world.processors[processor].asksHealth()) health = { failing, minResponseMs: delayMs };
      else world.asksHealthTooOften(processor);
      if (health && prng.chance(http.healthLies)) {
        world.fault("health-lies", 0);
        health = { failing: prng.chance(0.5), minResponseMs: prng.whole(0, 3_000) };
      }
      const staleMs = http.healthStaleMs;
      if (staleMs > 0) world.fault("health-stale", 0);
      clock.after(this.#wayMs() + staleMs, () => life.hear(() => resolve(health)));
    });
    return promise;
  }

  #send(call: PayCall, order: Order, lateMs: number, copy: "only" | "first" | "second", finish: Finish): void {
    const { world, life } = this;
    const { http, prng, clock } = world;
    const ends = (outcome: Outcome) => clock.after(this.#wayMs(), () => finish(outcome));
    const answer = (status: number) => {
      if (copy === "first") {
        // a dead process resends nothing
        if (!life.alive || life.paused || !world.charges.open(call)) return;
        world.fault("resent", 0);
        return this.#send(call, order, 0, "second", finish);
      }
      if (status === 200 && prng.chance(http.booked500)) {
        world.fault("booked-then-500", 0);
        status = 500;
      }
      if (prng.chance(http.never)) return void world.fault("never-answered", 0);
      // a client that resends by itself must not pass on a refusal of the second copy: the first may be booked
      const vague = copy === "second" && status >= 300 && status < 500 && status !== 422;
      const reset = vague || prng.chance(http.reset);
      if (reset) world.fault(status === 200 ? "booked-then-reset" : "reset", 0);
      ends(reset ? { kind: "unknown", error: "reset" } : this.#outcome(status));
    };
    clock.after(this.#wayMs() + lateMs, () => {
      const current = () => world.charges.mayBeBooked(call);
      if (!current()) return;
      world.processors[call.processor].receive({ order, current, answer });
      // the connection breaks while the processor is at it: it books, later
      if (!prng.chance(http.reset)) return;
      world.fault("reset", 0);
      ends({ kind: "unknown", error: "reset" });
    });
  }

  #outcome(status: number): Outcome {
    const { world } = this;
    const outcome = outcomeOf({ status, text: "{}" });
    if (status < 400 || status === 422 || !world.prng.chance(world.http.retryAfter)) return outcome;
    return { ...outcome, retryAfterMs: world.fault("retry-after", world.prng.float() * RETRY_AFTER_MS) };
  }

  #wayMs(): number {
    return this.world.http.wayMs * this.world.prng.float();
  }
}

const GATEWAY = [501, 502, 503, 504, 520, 408];
/** The longest time for which a processor asks for no calls (Retry-After), in milliseconds. */
const RETRY_AFTER_MS = 3_000;
