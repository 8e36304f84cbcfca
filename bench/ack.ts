/**
 * What an acknowledgement level costs: the p99 of POST at ACK=log and at ACK=store, each a whole cluster of its own,
 * loaded in turn in one run so that noise of the machine hits all of them alike.
 *
 *     deno task bench:ack [--rounds 7] [--seconds 5] [--users 300]
 * @module
 */
import { parseArgs } from "node:util";
import type { LatencySummary } from "./graded/latency.ts";
import { findCaddy, startSystem, type System } from "./graded/system.ts";
import { median } from "./graded/table.ts";
import { loadFor } from "./rounds.ts";

const LEVELS = ["log", "store"] as const;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "5" },
    users: { type: "string", default: "300" },
  },
});
const users = Number(values.users);
const caddy = await findCaddy();
const systems = new Map<string, System>();
const rounds: Record<string, LatencySummary[]> = { log: [], store: [] };
try {
  for (const level of LEVELS) {
    systems.set(level, await startSystem({ fees: { default: 0.05, fallback: 0.15 } }, caddy, { ACK: level }));
  }
  console.log(
    `${values.rounds} rounds of ${values.seconds} s at ${users} requests/s, ${
      caddy ? "behind Caddy" : "without Caddy"
    }`,
  );
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const level of LEVELS) {
      const { p99Ms, ...summary } = await loadFor(systems.get(level)!.addresses.router, users, Number(values.seconds));
      // the first round warms up
      if (round > 0) rounds[level]!.push({ ...summary, p99Ms });
      console.log(`round ${round || "warm-up"}  ${level.padEnd(6)}  p99 ${p99Ms.toFixed(2)} ms`);
    }
  }
} finally {
  for (const system of systems.values()) await system.stop();
}
const p99 = (level: string) => median(rounds[level]!.map(({ p99Ms }) => p99Ms));
console.table(Object.fromEntries(LEVELS.map((level) => [level, {
  "median ms": median(rounds[level]!.map(({ medianMs }) => medianMs)),
  "p99 ms": p99(level),
  "p99 to log": Number(
    median(rounds[level]!.map(({ p99Ms }, round) => p99Ms / rounds.log![round]!.p99Ms)).toFixed(2),
  ),
}])));
