/** The system's time. @module */
import { setImmediate } from "node:timers";
import type { Clock } from "./clock.ts";

/** What is added to the time of this process to have the machine's. */
let uptimeMs: number | undefined;

/** The machine's uptime in milliseconds, to a hundredth of a second where the system tells it so. */
function machineUptimeMs(): number {
  try {
    return 1_000 * Number(Deno.readTextFileSync("/proc/uptime").split(" ", 1)[0]);
  } catch {
    return 1_000 * Deno.osUptime();
  }
}

/** The production {@link Clock}. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  uptime: () => (uptimeMs ??= machineUptimeMs() - performance.now()) + performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  soon: (action) => void setImmediate(action),
};

/** A number that tells this boot of the machine from any other. */
export function bootNumber(): number {
  try {
    const id = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").replaceAll("-", "");
    return Number.parseInt(id.slice(0, 12), 16);
  } catch {
    // when it was started, to the minute: a clock that is set makes another boot of it, which costs doubt and is safe
    return Math.round((Date.now() / 1_000 - Deno.osUptime()) / 60);
  }
}
