/** The clock of a process on virtual time. @module */
import type { Cancel, Clock } from "../../src/clock.ts";
import type { Life } from "./life.ts";
import type { Timeline } from "./timeline.ts";

/** The wall clock of the machine both replicas run on: it can be set. */
export class Wall {
  /** what was added to it, in milliseconds */
  shiftMs = 0;
  constructor(private readonly timeline: Timeline) {}

  now(): number {
    return START_MS + Math.floor(this.timeline.ms) + this.shiftMs;
  }
}

const START_MS = Date.UTC(2025, 6, 5);

/** A {@link Clock} whose timers fire late by up to what `lagMs` draws. */
export class VirtualClock implements Clock {
  constructor(
    private readonly timeline: Timeline,
    private readonly wall: Wall,
    private readonly life: Life,
    private readonly lagMs: () => number,
  ) {}

  now(): number {
    return this.wall.now();
  }

  monotonic(): number {
    return this.timeline.ms;
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
    if (this.life.alive) this.timeline.in(0, () => this.life.hear(action));
  }
}
