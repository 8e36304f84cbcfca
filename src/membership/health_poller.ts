/**
 * Polls `service-health` for the whole cluster: a processor answers one call in five seconds, so one replica
 * asks at a time, and informs the others.
 * @module
 */
import { type Processor, PROCESSORS } from "../payment/fact.ts";
import type { Cancel, Clock } from "../clock.ts";
import { acquireIfPossible, type HeldLock, type Locks } from "./lock.ts";
import type { Health, ProcessorClient } from "../routing/processor_client.ts";

/** The window of `service-health` with a little to spare, in milliseconds (CONTRACT.md: one call in 5 s). */
export const POLL_MS = 5_050;
/** How often a replica that does not poll tries for the lock, in milliseconds. */
export const POLL_LOCK_MS = 2_000;
/** How often a replica tries to claim the next poll, in milliseconds. */
const CLAIM_MS = 500;

/** Polls each processor whenever this replica has claimed that poll. */
export class ClaimedPoller {
  #next: Cancel | undefined;
  #stopped = false;

  /**
   * Polls nothing yet: see {@link start}.
   *
   * @param claim whether this replica may ask a processor now; never rejected
   * @param heard called with each answer
   */
  constructor(
    private readonly clock: Clock,
    private readonly claim: (processor: Processor) => Promise<boolean>,
    private readonly client: Pick<ProcessorClient, "health">,
    private readonly heard: (processor: Processor, health: Health) => void,
  ) {}

  /** Asks for its turn again and again, until {@link stop}. */
  start(): void {
    if (this.#stopped) return;
    for (const processor of PROCESSORS) void this.#poll(processor);
    this.#next = this.clock.after(CLAIM_MS, () => this.start());
  }

  async #poll(processor: Processor): Promise<void> {
    if (!await this.claim(processor) || this.#stopped) return;
    const health = await this.client.health(processor);
    if (health && !this.#stopped) this.heard(processor, health);
  }

  /** Stops polling. */
  stop(): void {
    this.#stopped = true;
    this.#next?.();
  }
}

/** Polls both processors for as long as it holds the lock `poll`. */
export class HealthPoller {
  #held: HeldLock | undefined;
  #next: Cancel | undefined;
  #stopped = false;

  /** Polls nothing yet: see {@link start}. */
  constructor(
    private readonly clock: Clock,
    private readonly locks: Locks,
    private readonly client: Pick<ProcessorClient, "health">,
    private readonly heard: (processor: Processor, health: Health) => void,
  ) {}

  /** Tries for the lock, and polls while it holds the lock, until {@link stop}. */
  start(): void {
    if (this.#stopped) return;
    const hadLock = this.#held !== undefined;
    this.#held ??= acquireIfPossible(this.locks, "poll");
    // the holder before may have asked a moment ago
    for (const processor of hadLock ? PROCESSORS : []) {
      this.client.health(processor).then((health) => health && !this.#stopped && this.heard(processor, health));
    }
    this.#next = this.clock.after(this.#held ? POLL_MS : POLL_LOCK_MS, () => this.start());
  }

  /** Stops polling. */
  stop(): void {
    this.#stopped = true;
    this.#next?.();
    this.#held?.release();
    this.#held = undefined;
  }
}
