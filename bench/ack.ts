/**
 * What an acknowledgement level costs: the p99 of POST at ACK=log and at ACK=store, each a whole cluster of its own,
 * loaded in turn in one run so that noise of the machine affects all of them alike.
 *
 *     deno task bench:ack [--rounds 7] [--seconds 5] [--users 300]
 * @module
 */
import { parseOptions, runTask, whole } from "../tests/support/command_line.ts";
import type { LatencySummary } from "./graded/latency.ts";
import { findCaddy, startSystem, type System, SystemError } from "./graded/system.ts";
import { median } from "./graded/table.ts";
import { loadFor, ROUNDS_MAX, SECONDS_MAX, USERS_MAX } from "./rounds.ts";

const HELP = `The p99 of POST at ACK=log and at ACK=store, side by side.

Usage: deno task bench:ack [--rounds N] [--seconds N] [--users N]

  --rounds N   how many rounds count; one more warms up [7]
  --seconds N  how long each level is loaded in a round [5]
  --users N    virtual users, each of which sends about one payment a second [300]
  --help`;

const LEVELS = ["log", "store"] as const;

const parse = (args: string[]) => {
  const values = parseOptions(args, {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "5" },
    users: { type: "string", default: "300" },
  });
  return {
    help: values.help,
    rounds: whole("--rounds", values.rounds, 1, ROUNDS_MAX),
    seconds: whole("--seconds", values.seconds, 1, SECONDS_MAX),
    users: whole("--users", values.users, 1, USERS_MAX),
  };
};

async function main({ rounds, seconds, users }: ReturnType<typeof parse>): Promise<void> {
  const caddy = await findCaddy();
  const systems = new Map<string, System>();
  const found: Record<typeof LEVELS[number], LatencySummary[]> = { log: [], store: [] };
  try {
    for (const level of LEVELS) {
      systems.set(level, await startSystem({ fees: { default: 0.05, fallback: 0.15 } }, caddy, { ACK: level }));
    }
    const front = caddy ? "behind Caddy" : "without Caddy";
    console.log(`${rounds} rounds of ${seconds} s at ${users} requests/s, ${front}`);
    for (let round = 0; round <= rounds; round++) {
      for (const level of LEVELS) {
        const latency = await loadFor(systems.get(level)!.addresses.router, users, seconds);
        // the first round warms up
        if (round > 0) found[level].push(latency);
        console.log(`round ${round || "warm-up"}  ${level.padEnd(6)}  p99 ${latency.p99Ms.toFixed(2)} ms`);
      }
    }
  } finally {
    for (const system of systems.values()) await system.stop();
  }
  console.table(Object.fromEntries(LEVELS.map((level) => [level, {
    "median ms": median(found[level].map(({ medianMs }) => medianMs)),
    "p99 ms": median(found[level].map(({ p99Ms }) => p99Ms)),
    "p99 to log": Number(median(found[level].map(({ p99Ms }, round) => p99Ms / found.log[round]!.p99Ms)).toFixed(2)),
  }])));
}

await runTask({ name: "bench:ack", help: HELP, parse, run: main, expected: [SystemError] });
