/** The system's time. @module */
import { setImmediate } from "node:timers";
import type { Clock } from "./clock.ts";

/** The longest that a timer of the system waits, in milliseconds: asked for more, it would run at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The production {@link Clock}. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, action) {
    if (ms > TIMER_MS_MAX) {
      let cancel = systemClock.after(TIMER_MS_MAX, () => cancel = systemClock.after(ms - TIMER_MS_MAX, action));
      return () => cancel();
    }
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  soon: (action) => void setImmediate(action),
};
