/** Makes the scenario's trouble at the processors, on its schedule. @module */
import { type Api, PROCESSORS } from "./api.ts";
import type { Scenario } from "./scenario.ts";
import type { Schedule } from "./schedule.ts";

const NO_TROUBLE = { delayMs: 0, failing: false };

/** Both processors as they are before the first outage. */
export async function endOutages(api: Api): Promise<void> {
  for (const name of PROCESSORS) await api.configure(name, NO_TROUBLE);
}

/** Runs the whole table; ends with its last row or with the run. */
export async function makeOutages(api: Api, outages: Scenario["outages"], schedule: Schedule): Promise<void> {
  for (const outage of outages) {
    if (!await schedule.until(outage.atSeconds * 1_000)) return;
    await Promise.all(PROCESSORS.map((name) => api.configure(name, outage[name])));
  }
}
