/** `deno task bench:reach`: how close to the floor Galo comes, in containers with the challenge's limits. @module */
import { OptionsError, parseOptions, runTask, whole } from "../../tests/support/command_line.ts";
import { DockerError, PORTS_USED } from "../compose/containers.ts";
import { machine } from "../machine.ts";
import { starts } from "./cold.ts";
import { final, kept, preview, rates, unseenOnes } from "./parts.ts";
import type { Results } from "./results.ts";
import { steady, STEAL_MAX } from "./steady.ts";
import { stalls } from "./stall.ts";
import { table } from "./table.ts";

const HELP = `How close to the floor Galo comes, in containers with 1.5 CPUs and 350 MB, and what it earns.

Usage: deno task bench:reach [--only PART,…] [--rounds N] [--rate N] [--before REF] [--runs N] [--out DIR]

  --only PARTS  of: steady, preview, final, unseen, rates, kept, stall, cold [all]; table only writes reach.md again
  --rounds N    of steady: how many rounds count [10]
  --rate N      of steady: payments a second [300]
  --before REF  of steady: that commit's Galo beside this one
  --runs N      of preview, final, stall and cold: how many runs each [5]
  --out DIR     where reach.json is kept and reach.md is written from it [bench/results]

steady   a static answer of Caddy, two trivial replicas behind Galo's Caddyfile, two that also make a call for each payment,
         the least router that keeps a log, Galo, and Galo at REF, all up at once and warm, each loaded for 5 s in turn, in
         a new random order each round; the results of other rates are kept. Rounds in which others took more than
         ${100 * STEAL_MAX} % of the machine do not count
preview  Galo at ACK=log and at ACK=store, the trivial replicas and the static answer in turn, 60 s each
final    300 s each, and the policy of the challenge's winner on the model of deno task plan
unseen   three schedules from seeds, 120 s each
rates    ever higher rates, up to where p99 is over 11 ms
kept     the same load with nothing and with 900,000 payments kept
stall    replicas, Caddy, Postgres, processors and all of them are paused under 603 users: when p99 is back
cold     the p99 of the first 5 s after a start, and a minute later, at 100/s; then CPU while nothing happens

All parts but steady and cold first drop all file caches of this machine, as if it had just been started: a container with
the right to do so does it.

It needs Docker with Compose, and the ports ${PORTS_USED}. The processors, the load generator and what else this machine does
share its cores.`;

const PARTS = ["steady", "preview", "final", "unseen", "rates", "kept", "stall", "cold"] as const;
/** Measures nothing. */
const TABLE = "table";
/** Each virtual user has a connection of its own, and a process may have 1,024 files open. */
const RATE_MAX = 900;
const COUNT_MAX = 1_000;

const told = (line: string) => {
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode(`\r  ${line}      `));
};
const say = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

const parse = (args: string[]) =>
  parseOptions(args, {
    only: { type: "string", default: PARTS.join(",") },
    rounds: { type: "string", default: "10" },
    rate: { type: "string", default: "300" },
    before: { type: "string" },
    runs: { type: "string", default: "5" },
    out: { type: "string", default: new URL("../results", import.meta.url).pathname },
  });

async function main(values: ReturnType<typeof parse>): Promise<void> {
  const runs = whole("--runs", values.runs, 1, COUNT_MAX);
  const plan = {
    rounds: whole("--rounds", values.rounds, 1, COUNT_MAX),
    rate: whole("--rate", values.rate, 1, RATE_MAX),
    before: values.before,
  };
  const parts = values.only.split(",");
  const unknown = parts.find((part) => part !== TABLE && !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) throw new OptionsError(`--only: no part ${JSON.stringify(unknown)}`);
  await Deno.mkdir(values.out, { recursive: true });
  const file = `${values.out}/reach.json`;
  const results: Results = JSON.parse(await Deno.readTextFile(file).catch(() => "{}"));
  const write = () => Deno.writeTextFile(`${values.out}/reach.md`, table(results));
  if (values.only === TABLE) return await write();
  results.machine = await machine();
  const measure = {
    steady: async () => ({ ...results.steady, [plan.rate]: await steady(plan, say) }),
    preview: () => preview(runs, told, say),
    final: () => final(runs, told, say),
    unseen: () => unseenOnes(told, say),
    rates: () => rates(say),
    kept: () => kept(say),
    stall: () => stalls(runs, say),
    cold: () => starts(runs, say),
  };
  for (const part of PARTS) {
    if (!parts.includes(part)) continue;
    Object.assign(results, { [part]: await measure[part]() });
    await Deno.writeTextFile(file, `${JSON.stringify(results, null, 1)}\n`);
    await write();
  }
  console.log(`\n${table(results)}`);
  say(`kept in ${values.out}`);
}

if (import.meta.main) {
  await runTask({ name: "bench:reach", help: HELP, parse, run: main, expected: [DockerError] });
}
