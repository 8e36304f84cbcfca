/** The system's time. @module */
import { setImmediate } from "node:timers";
import type { Clock } from "./ports/clock.ts";

/** The production {@link Clock}. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  soon: (action) => void setImmediate(action),
};
