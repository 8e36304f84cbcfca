/** `deno task bench:graded`: what the grader would see, on this machine. `--help` says how it measures. @module */
import { runTask } from "../../tests/support/command_line.ts";
import type { Addresses } from "./api.ts";
import { ApiError } from "./api.ts";
import { measureFloor } from "./floor.ts";
import type { LatencySummary } from "./latency.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import { loadLine, progressLine, ProgressView } from "./progress.ts";
import { report } from "./report.ts";
import { run, type RunRecord } from "./run.ts";
import { loadScenario, type Scenario, ScenarioError } from "./scenario.ts";
import { type Caddy, findCaddy, startSystem, type System, SystemError } from "./system.ts";
import { medians, rows, text } from "./table.ts";

const OUT = new URL("../out/", import.meta.url).pathname;
/** A booking under way when a run ends lands within its delay: the next one begins after that, in milliseconds. */
const MARGIN_MS = 2_000;

/** What is running at this moment, to be stopped with this process. */
let running: System | undefined;

async function grade(options: Options): Promise<void> {
  const scenario = await loadScenario(options.scenario);
  const out = options.out ?? `${OUT}${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}`;
  const caddy = await findCaddy();
  const floor = options.floor ? await floorOf(scenario, caddy) : undefined;
  const records: RunRecord[] = [];
  for (let number = 1; number <= options.runs; number++) {
    if (options.addresses && number > 1) await untilBooked(scenario);
    const system = running = options.addresses ? asIs(options.addresses) : await startSystem(scenario, caddy);
    try {
      const label = options.runs > 1 ? `${scenario.name} ${number}/${options.runs}` : scenario.name;
      console.log(`${label}: ${system.description}, on ${system.addresses.router}`);
      const view = new ProgressView(label);
      const record = await run(scenario, system.addresses, options.participant, (progress) => {
        view.show(progress.second.second, progressLine(progress, scenario));
      });
      view.end();
      records.push(record);
      const folder = options.runs > 1 ? `${out}/run-${number}` : out;
      await write(folder, record, system.description, floor);
      for (const warning of record.warnings) console.log(`  note: ${warning}`);
      console.log(`${text(rows(record, floor))}\n  ${folder}/report.html\n`);
    } finally {
      await system.stop();
      running = undefined;
    }
  }
  if (records.length > 1) console.log(`medians of ${records.length} runs\n${text(medians(records, floor))}`);
}

/** Writes results.json (the official fields), run.json (everything) and report.html. */
async function write(folder: string, record: RunRecord, system: string, floor?: LatencySummary): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/results.json`, `${JSON.stringify(record.official, null, 2)}\n`);
  await Deno.writeTextFile(`${folder}/run.json`, `${JSON.stringify({ system, floor, ...record }, null, 1)}\n`);
  await Deno.writeTextFile(`${folder}/report.html`, report(record, system, floor));
}

async function floorOf(scenario: Scenario, caddy: Caddy | undefined): Promise<LatencySummary> {
  if (!caddy) {
    throw new SystemError("--floor: there is no Caddy to measure it with (set GALO_CADDY to the path of one)");
  }
  const view = new ProgressView("floor");
  const floor = await measureFloor(scenario, caddy, (second) => {
    view.show(second.second, loadLine(second, scenario.durationSeconds));
  });
  view.end();
  console.log(
    `floor: a static 202 of Caddy ${caddy.version}: p99 ${floor.p99Ms.toFixed(2)} ms, ${floor.count} answers`,
  );
  return floor;
}

function asIs(addresses: Addresses): System {
  return { addresses, description: "what runs already", stop: () => Promise.resolve() };
}

async function untilBooked({ outages }: Scenario): Promise<void> {
  const longest = Math.max(0, ...outages.flatMap((outage) => [outage.default.delayMs, outage.fallback.delayMs]));
  await new Promise((resolve) => setTimeout(resolve, longest + MARGIN_MS));
}

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, async () => {
      await running?.stop();
      Deno.exit(1);
    });
  }
  const expected = [ScenarioError, SystemError, ApiError, Deno.errors.PermissionDenied];
  await runTask({ name: "bench:graded", help: HELP, parse: parseOptions, run: grade, expected });
}
