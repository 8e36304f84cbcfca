/** Outage schedules that nobody tuned for: made from a seed. @module */
import { Prng } from "../../tests/simulation/prng.ts";
import { parseScenario, type Scenario } from "../graded/scenario.ts";

const SECONDS = 120;
const DELAYS_MS = [0, 0, 5, 20, 60, 150, 400, 1_000, 2_000, 5_000];
const FAILS = 0.25;

/** Two minutes of the final's load, with changes every 8 to 20 s; the default takes payments in the last of them. */
export function unseen(seed: number): Scenario {
  const prng = new Prng(seed);
  const state = () => ({
    delayMs: DELAYS_MS[Math.floor(prng.float() * DELAYS_MS.length)]!,
    failing: prng.float() < FAILS,
  });
  const outages = [];
  for (let at = 1; at < SECONDS - 10; at += 8 + Math.floor(prng.float() * 12)) {
    outages.push({ atSeconds: at, default: state(), fallback: state() });
  }
  outages.at(-1)!.default = { delayMs: 20, failing: false };
  return parseScenario({
    name: `unseen-${seed}`,
    durationSeconds: SECONDS,
    users: { from: 1, to: 603 },
    amount: 20.05,
    fees: { default: 0.07, fallback: 0.1 },
    audit: { everySeconds: 10, fromSecondsAgo: 15, toSecondsAgo: 2, compare: "each" },
    books: "processors",
    outages,
  }, `seed ${seed}`);
}
