/** The system's time. @module */
import { setImmediate } from "node:timers";
import type { Clock } from "./clock.ts";

/** The offset from the time of this process to the machine's. */
let uptimeMs: number | undefined;

/** The machine's uptime in milliseconds, to a hundredth of a second if the system has it. */
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

/** A number that only this boot of the machine has. */
export function bootNumber(): number {
  try {
    const id = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").replaceAll("-", "");
    return Number.parseInt(id.slice(0, 12), 16);
  } catch {
    // the time of the boot, to the minute: if the clock is set, that is another boot, which costs doubt and is safe
    return Math.round((Date.now() / 1_000 - Deno.osUptime()) / 60);
  }
}
