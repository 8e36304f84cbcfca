/** The clocks of the machine on virtual time. @module */
import type { Cancel, Clock } from "../../src/clock.ts";
import type { Life } from "./life.ts";
import type { Timeline } from "./timeline.ts";

/** The machine that both replicas run on: its wall clock can be set, and it can die. */
export class Machine {
  /** what was added to the wall clock, in milliseconds */
  shiftMs = 0;
  /** tells this boot from others */
  boot = 1;
  /** when it was booted, in milliseconds of virtual time; in the future while it is down */
  bootedMs = -60_000;

  constructor(private readonly timeline: Timeline) {}

  get up(): boolean {
    return this.timeline.ms >= this.bootedMs;
  }

  now(): number {
    return START_MS + Math.floor(this.timeline.ms) + this.shiftMs;
  }

  uptime(): number {
    return this.timeline.ms - this.bootedMs;
  }

  /** It dies, and is there again after `downMs` milliseconds. */
  die(downMs: number): void {
    this.boot++;
    this.bootedMs = this.timeline.ms + downMs;
  }
}

const START_MS = Date.UTC(2025, 6, 5);

/** A {@link Clock} whose timers fire late by up to what `lagMs` draws. */
export class VirtualClock implements Clock {
  readonly #bornMs: number;

  constructor(
    private readonly timeline: Timeline,
    private readonly machine: Machine,
    private readonly life: Life,
    private readonly lagMs: () => number,
  ) {
    this.#bornMs = timeline.ms;
  }

  now(): number {
    return this.machine.now();
  }

  monotonic(): number {
    return this.timeline.ms - this.#bornMs;
  }

  uptime(): number {
    return this.machine.uptime();
  }

  after(ms: number, action: () => void): Cancel {
    if (!this.life.alive) return () => {};
    let cancelled = false;
    const happening = this.timeline.in(ms + this.lagMs(), () =>
      this.life.hear(() => {
        // called off while the process was paused
        if (!cancelled) action();
      }));
    return () => {
      cancelled = true;
      happening.run = undefined;
    };
  }

  soon(action: () => void): void {
    if (!this.life.alive) return;
    this.life.later(action);
    this.timeline.in(0, () => void this.life.next());
  }
}
