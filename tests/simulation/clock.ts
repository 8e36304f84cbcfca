/** The clock of the simulation as one process has it. @module */
import type { Clock } from "../../src/clock.ts";
import type { VirtualClock } from "../support/virtual_clock.ts";
import type { Life } from "./life.ts";

/** Turns of the microtask queue after every event: fewer would be as deterministic, only less like the real thing. */
export const HOPS = 12;

/** The {@link Clock} of a process that begins now; its timers fire late by up to what `lagMs` draws. */
export function clockOf(clock: VirtualClock, life: Life, lagMs: () => number): Clock {
  const bornMs = clock.monotonic();
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() - bornMs,
    uptime: () => clock.uptime(),
    after(ms, action) {
      if (!life.alive) return () => {};
      let cancelled = false;
      const cancel = clock.after(ms + lagMs(), () =>
        life.hear(() => {
          // called off while the process was paused
          if (!cancelled) action();
        }));
      return () => {
        cancelled = true;
        cancel();
      };
    },
    soon(action) {
      if (!life.alive) return;
      life.later(action);
      clock.after(0, () => void life.next());
    },
  };
}
