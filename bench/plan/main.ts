/** `deno task plan`: what a routing policy would earn, in seconds instead of minutes. @module */
import asciichart from "asciichart";
import { readConfig } from "../../src/config.ts";
import { dispatchPerSecond } from "../../src/routing/turns.ts";
import { parseOptions, runTask } from "../../tests/support/command_line.ts";
import { loadScenario, type Scenario, ScenarioError } from "../graded/scenario.ts";
import { type Score, score } from "../graded/score.ts";
import { money, whole } from "../graded/table.ts";
import { ANSWER_MS, END_MS, type Outturn, type Policy, RETURN_MS, run, SERVICE_MS } from "./model.ts";
import { parseValues } from "./values.ts";

const HELP = `Runs a scenario on virtual time, with the production code and a small model of everything around it.

Usage: deno task plan [--scenario preview|final|FILE.json] [--patience V] [--slow V] [--max-in-flight V]
                      [--dispatch-per-second V] [--p99 MS] [--seed N] [--json]

V is a number, a list (0,10s,60s) or a range (0..90s/15s), times in ms unless they say s; every combination is run. What
is left out has its default of production. --p99 is what the score is computed at (2 ms).

The model: a call takes the scenario's delay and ${SERVICE_MS} to ${
  2 * SERVICE_MS
} ms, evenly spread; the router hears of it ${RETURN_MS} ms
later; 800 calls run and 500 wait at a processor, more are refused with 429; a caller has its answer after ${ANSWER_MS} ms; CPU
costs nothing; books are read ${END_MS / 1000} s after the last caller. Two replicas, each with half of the payments.`;

const QUEUE_HEIGHT = 8;
const CHART_WIDTH = 100;

interface Result {
  readonly policy: Policy;
  readonly outturn: Outturn;
  readonly score: Score;
}

const parse = (args: string[]) =>
  parseOptions(args, {
    scenario: { type: "string", default: "final" },
    patience: { type: "string" },
    slow: { type: "string" },
    "max-in-flight": { type: "string" },
    "dispatch-per-second": { type: "string" },
    p99: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  });

async function main(values: ReturnType<typeof parse>): Promise<void> {
  const scenario = await loadScenario(values.scenario);
  const config = readConfig({});
  const list = (option: string, text: string | undefined, fallback: number) =>
    text === undefined ? [fallback] : parseValues(option, text);
  const [p99Ms] = parseValues("--p99", values.p99);
  const [seed] = parseValues("--seed", values.seed);
  const results: Result[] = [];
  for (const patienceMs of list("--patience", values.patience, config.PATIENCE_MS)) {
    for (const slowMs of list("--slow", values.slow, config.SLOW_MS)) {
      for (const maxInFlight of list("--max-in-flight", values["max-in-flight"], config.MAX_IN_FLIGHT)) {
        const rates = list("--dispatch-per-second", values["dispatch-per-second"], dispatchPerSecond(maxInFlight!));
        for (const dispatchPerSecond of rates) {
          const policy = { patienceMs, slowMs, maxInFlight, dispatchPerSecond };
          const outturn = await run(scenario, policy, seed!);
          results.push({ policy, outturn, score: score(measured(scenario, outturn, p99Ms!)) });
          if (!values.json && Deno.stderr.isTerminal()) console.error(`${results.length} done`);
        }
      }
    }
  }
  if (values.json) return console.log(JSON.stringify(results.map(shown), null, 2));
  console.table(results.map(shown).map(({ queue: _, ...row }) => row));
  const best = results.reduce((best, result) => result.score.total > best.score.total ? result : best);
  const { queue } = best.outturn;
  const step = Math.ceil(queue.length / CHART_WIDTH);
  const thinned = Array.from(
    { length: Math.ceil(queue.length / step) },
    (_, i) => Math.max(...queue.slice(i * step, (i + 1) * step)),
  );
  console.log(`Payments not settled, a column ${step} s, at patience ${best.policy.patienceMs} ms:`);
  const format = (value: number) => whole(Math.round(value)).padStart(8);
  // its types know no options
  console.log(
    (asciichart.plot as (series: number[], options: unknown) => string)(thinned, { height: QUEUE_HEIGHT, format }),
  );
}

function measured(scenario: Scenario, { booked, accepted, inconsistencies }: Outturn, p99Ms: number) {
  const feeBp = {
    default: Math.round(scenario.fees.default * 10_000),
    fallback: Math.round(scenario.fees.fallback * 10_000),
  };
  return { books: booked, feeBp, accepted, p99Ms, inconsistencies };
}

function shown({ policy, outturn, score }: Result) {
  const { booked, accepted, audits, inconsistencies, queue } = outturn;
  return {
    "patience ms": policy.patienceMs,
    "slow ms": policy.slowMs,
    "in flight": policy.maxInFlight,
    "dispatch/s": policy.dispatchPerSecond,
    default: booked.default.count,
    fallback: booked.fallback.count,
    lag: accepted - booked.default.count - booked.fallback.count,
    audits: `${audits}, off by ${inconsistencies}`,
    fees: money(score.fees.total),
    profit: money(score.profit),
    score: money(score.total),
    queue,
  };
}

await runTask({ name: "plan", help: HELP, parse, run: main, expected: [ScenarioError] });
