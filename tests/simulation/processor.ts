/**
 * A payment processor as CONTRACT.md describes it: a limiter, then the delay, then the refusal, then the insert, even if
 * the caller has hung up meanwhile. Its book is the truth that everything is measured against.
 * @module
 */
import type { Cents } from "../../src/payment/money.ts";
import type { Processor } from "../../src/payment/fact.ts";
import type { Order } from "../../src/routing/processor_client.ts";
import type { World } from "./world.ts";

/** A row of the processor's table. */
export interface Booking {
  readonly id: string;
  readonly cents: Cents;
  readonly requestedAt: number;
}

/** A request on its way. */
export interface Request {
  readonly order: Order;
  /** whether it may still be booked: not where its caller gave it up longer ago than the horizon */
  current(): boolean;
  /** it was handled, and this is its status; also when no caller waits any more */
  answer(status: number): void;
}

/** `service-health` answers once in this time, in milliseconds. */
const HEALTH_WINDOW_MS = 5_000;

/** One processor. */
export class SimulatedProcessor {
  readonly bookings = new Map<string, Booking>();
  delayMs = 0;
  failing = false;
  /** it answers nothing but this status: somebody has set it up wrongly, or locked us out */
  rejecting: number | undefined;
  /** limits of the limiter: running and waiting */
  runningMax = 800;
  waitingMax = 500;
  #running = 0;
  #waiting: (() => void)[] = [];
  #healthAtMs = -Infinity;

  constructor(readonly name: Processor, private readonly world: World) {}

  /** A request has arrived. */
  receive(request: Request): void {
    if (this.world.isPoison(request.order.id)) request.answer(this.world.fault("poison", 400));
    else if (this.rejecting !== undefined) request.answer(this.world.fault("rejected", this.rejecting));
    else if (this.#running < this.runningMax) this.#run(request);
    else if (this.#waiting.length < this.waitingMax) this.#waiting.push(() => this.#run(request));
    else {
      this.world.fault("processor-429", 0);
      request.answer(429);
    }
  }

  /** Knows neither delay nor failure. */
  lookup(id: string): Booking | undefined {
    return this.bookings.get(id);
  }

  /** Whether `service-health` answers now, and not with 429. */
  asksHealth(): boolean {
    if (this.world.clock.monotonic() - this.#healthAtMs < HEALTH_WINDOW_MS) return false;
    this.#healthAtMs = this.world.clock.monotonic();
    return true;
  }

  #run(request: Request): void {
    this.#running++;
    this.world.clock.after(this.delayMs, () => {
      this.#running--;
      this.#waiting.shift()?.();
      const { id, cents, requestedAt } = request.order;
      if (!request.current()) return;
      if (this.failing) return request.answer(500);
      if (this.bookings.has(id)) return request.answer(422);
      this.bookings.set(id, { id, cents, requestedAt });
      this.world.booked(this.name, id);
      request.answer(200);
    });
  }
}
