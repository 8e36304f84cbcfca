/**
 * What a replica knows of one processor: a circuit breaker, and the latency beside it. Closed, the processor takes
 * payments; open, it does not; half-open, a probe is due. Every answer and `service-health` move it.
 * @module
 */
import { backoffMs, type Clock, type Random } from "../clock.ts";
import type { Health, Outcome } from "./processor_client.ts";
import type { ProcessorView } from "./route.ts";

/** The longest pause before the first probe of a processor that went down, and before any later one: {@link backoffMs}. */
export const PROBE_MS_MIN = 50, PROBE_MS_MAX = 1_000;
/** How much longer than the last answers took calls must wait to show that the processor has changed, in milliseconds. */
export const STALL_MS = 250;
/** The backoff after a 429, in milliseconds; it doubles up to {@link PROBE_MS_MAX} until a call is booked. */
export const FULL_MS = 100;
/** The longest pause that a processor can ask for (Retry-After), in milliseconds. */
export const RETRY_AFTER_MS_MAX = 60_000;
/** How many different payments in a row must be rejected to open the circuit breaker. */
export const REJECTED_MIN = 3;
/** How long a slow last answer counts, without any newer sign: then a payment tries the processor again. */
const SLOW_STALE_MS = 12_000;
/** Weight of the newest answer in the running latency. */
const WEIGHT = 0.3;

/** A call in flight, as {@link CircuitBreaker.begin} gave it. */
export interface Call {
  /** on the monotonic clock, in milliseconds */
  readonly startedMs: number;
  /** whether it tests a processor that was down */
  readonly probe: boolean;
  /** of the payment */
  readonly id: string;
}

/** One processor, seen by one replica. */
export class CircuitBreaker {
  #up = true;
  /** it is down by `service-health` only: no call has failed */
  #hearsay = false;
  #trouble = "";
  #latencyMs = 0;
  /** when it last took a payment, or answered `service-health` */
  #heardMs = -Infinity;
  #fullUntilMs = -Infinity;
  #fullPauseMs = FULL_MS / 2;
  #retryAtMs = -Infinity;
  /** the payments that were rejected since any other answer, and the status of the last one */
  readonly #rejected = new Set<string>();
  #rejectStatus = 0;
  #calls = new Set<Call>();
  /** the latest start of a call that was answered: an older call without an answer says nothing about now */
  #newestAnsweredStartMs = -Infinity;
  #newestStartMs = -Infinity;
  #probes = 0;
  /** the last probe was booked, but only after a long time */
  #slowProbe = false;
  #probeAtMs = 0;
  /** probes that failed one after the other */
  #failedProbes = 0;

  /** Closed, until something says otherwise. */
  constructor(private readonly clock: Clock, private readonly random: Random) {}

  /** The state for the routing now. */
  view(): ProcessorView {
    const now = this.clock.monotonic();
    const waitingMs = this.#waitingMs(now);
    const stale = now - this.#heardMs > SLOW_STALE_MS && this.#calls.size === 0;
    const up = this.#up && now >= this.#retryAtMs;
    const full = up && now < this.#fullUntilMs;
    return {
      ...{ available: up && !full, full },
      latencyMs: stale ? 0 : Math.max(this.#latencyMs, waitingMs),
      // a call still goes out now and then, so that one lost answer does not stop all calls
      stalled: waitingMs > this.#latencyMs + STALL_MS && now - this.#newestStartMs < STALL_MS,
      inFlight: this.#calls.size,
      probeDue: !this.#up && this.#probes === 0 && now >= this.#probeAtMs && now >= this.#retryAtMs,
    };
  }

  /** The status with which it refuses one payment after the other; undefined if it does not. */
  get rejectsWith(): number | undefined {
    return this.#rejected.size < REJECTED_MIN ? undefined : this.#rejectStatus;
  }

  /** Why it is down, in words; undefined if it is not. */
  get trouble(): string | undefined {
    return this.#up ? undefined : this.#trouble;
  }

  /** How long it still asks for no calls (Retry-After), in milliseconds. */
  get retryInMs(): number {
    return Math.max(0, this.#retryAtMs - this.clock.monotonic());
  }

  /** It sent Retry-After, in milliseconds, or not. */
  retryAfter(ms = 0): void {
    if (ms > 0) this.#retryAtMs = Math.max(this.#retryAtMs, this.clock.monotonic() + Math.min(ms, RETRY_AFTER_MS_MAX));
  }

  /** A call with this payment goes out. */
  begin(id = ""): Call {
    const call = { startedMs: this.clock.monotonic(), probe: !this.#up, id };
    this.#calls.add(call);
    this.#newestStartMs = call.startedMs;
    if (call.probe) this.#probes++;
    return call;
  }

  /** A call has ended. */
  end(call: Call, outcome: Outcome): void {
    if (!this.#calls.delete(call)) return;
    if (call.probe && this.#probes > 0) this.#probes--;
    this.#learn(call, outcome);
  }

  /** What `service-health` said. After a failed call it only allows a probe: answers to payments are better evidence. */
  heardHealth(health: Health): void {
    this.#heardMs = this.clock.monotonic();
    if (health.failing) {
      if (this.#up) {
        this.#goDown();
        this.#hearsay = true;
        this.#trouble = "service-health says that it fails";
      }
      return;
    }
    this.#latencyMs = health.minResponseMs;
    // what only `service-health` took down, it brings up again; so it is if only single payments were rejected
    this.#up ||= this.#hearsay || this.#rejected.size > 0 && this.rejectsWith === undefined;
    this.#hearsay = false;
    if (!this.#up) {
      this.#probes = 0;
      this.#probeAtMs = 0;
      this.#failedProbes = 0;
    }
  }

  #learn(call: Call, outcome: Outcome): void {
    const now = this.clock.monotonic();
    if (outcome.kind === "refused" && outcome.why === "rejected") {
      if (this.#rejected.size < REJECTED_MIN) this.#rejected.add(call.id);
      this.#rejectStatus = outcome.status;
      // it answers: a few rejections say nothing of other payments, so another one is tried at once
      if (this.rejectsWith === undefined) return void (this.#probeAtMs = Math.min(this.#probeAtMs, now));
    } else if (outcome.kind !== "refused" || outcome.why !== "processor-full") this.#rejected.clear();
    this.retryAfter(outcome.retryAfterMs);
    switch (outcome.kind) {
      case "booked":
      case "already-booked": {
        const tookMs = now - call.startedMs;
        // a slow probe shows how slow it was while it was down: one more shows how slow it is now
        if (!this.#up && tookMs > STALL_MS && !this.#slowProbe) {
          this.#slowProbe = true;
          this.#probeAtMs = now;
          return;
        }
        this.#slowProbe = false;
        // a call that began before one that was answered already says nothing about now
        if (call.startedMs >= this.#newestAnsweredStartMs) this.#measure(tookMs);
        this.#heardMs = now;
        this.#newestAnsweredStartMs = Math.max(this.#newestAnsweredStartMs, call.startedMs);
        this.#up = true;
        this.#hearsay = false;
        this.#probes = 0;
        this.#failedProbes = 0;
        this.#fullPauseMs = FULL_MS / 2;
        return;
      }
      case "refused":
        if (outcome.why === "processor-full") {
          // calls that were under way together are one trial
          if (now >= this.#fullUntilMs) this.#fullPauseMs = Math.min(2 * this.#fullPauseMs, PROBE_MS_MAX);
          this.#fullUntilMs = now + this.#fullPauseMs;
          if (!this.#up && call.probe) this.#backOff();
          return;
        }
        break;
    }
    this.#hearsay = false;
    this.#trouble = "error" in outcome && outcome.error || `status ${"status" in outcome ? outcome.status : 500}`;
    if (this.#up) this.#goDown();
    else if (call.probe) this.#backOff();
  }

  #measure(tookMs: number): void {
    const usual = this.#up && Math.abs(tookMs - this.#latencyMs) < STALL_MS;
    this.#latencyMs += (usual ? WEIGHT : 1) * (tookMs - this.#latencyMs);
  }

  #goDown(): void {
    this.#up = false;
    this.#slowProbe = false;
    this.#probes = 0;
    this.#failedProbes = 0;
    this.#backOff();
  }

  #backOff(): void {
    this.#probeAtMs = this.clock.monotonic() + backoffMs(PROBE_MS_MIN, PROBE_MS_MAX, this.#failedProbes++, this.random);
  }

  /** How long the oldest call waits that began after every answered one. */
  #waitingMs(now: number): number {
    for (const call of this.#calls) {
      if (call.startedMs > this.#newestAnsweredStartMs && !call.probe) return now - call.startedMs;
    }
    return 0;
  }
}
