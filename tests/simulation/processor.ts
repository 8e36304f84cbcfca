/**
 * A payment processor as CONTRACT.md describes it: a limiter, then the delay, then the refusal, then the insert, even if
 * the caller has hung up meanwhile. Its book is the truth that everything is measured against.
 * @module
 */
import type { Cents } from "../../src/payment/money.ts";
import type { Processor } from "../../src/payment/fact.ts";
import type { Attempt } from "../../src/routing/processor_client.ts";
import type { World } from "./world.ts";

/** A row of the processor's table. */
export interface Booking {
  readonly id: string;
  readonly cents: Cents;
  readonly requestedAt: number;
}

/** `service-health` answers once in so long, in milliseconds. */
const HEALTH_WINDOW_MS = 5_000;

/** One processor. */
export class SimulatedProcessor {
  readonly bookings = new Map<string, Booking>();
  delayMs = 0;
  failing = false;
  /** limits of the limiter: running and waiting */
  runningMax = 800;
  waitingMax = 500;
  #running = 0;
  #waiting: (() => void)[] = [];
  #healthAtMs = -Infinity;

  constructor(readonly name: Processor, private readonly world: World) {}

  /** A request has arrived; `answer` is called with its status, also when nobody listens any more. */
  receive(attempt: Attempt, answer: (status: number) => void): void {
    if (this.#running < this.runningMax) this.#run(attempt, answer);
    else if (this.#waiting.length < this.waitingMax) this.#waiting.push(() => this.#run(attempt, answer));
    else {
      this.world.fault("processor-429", 0);
      answer(429);
    }
  }

  /** Knows neither delay nor failure. */
  lookup(id: string): Booking | undefined {
    return this.bookings.get(id);
  }

  /** Whether `service-health` answers now, and not with 429. */
  asksHealth(): boolean {
    if (this.world.timeline.ms - this.#healthAtMs < HEALTH_WINDOW_MS) return false;
    this.#healthAtMs = this.world.timeline.ms;
    return true;
  }

  #run(attempt: Attempt, answer: (status: number) => void): void {
    this.#running++;
    this.world.timeline.in(this.delayMs, () => {
      this.#running--;
      this.#waiting.shift()?.();
      if (this.failing) return answer(500);
      if (this.bookings.has(attempt.id)) return answer(422);
      const { id, cents, requestedAt } = attempt;
      this.bookings.set(id, { id, cents, requestedAt });
      this.world.booked(this.name, id);
      answer(200);
    });
  }
}
