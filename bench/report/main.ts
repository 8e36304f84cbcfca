/** `deno task bench:report`: where the milliseconds of a graded run go. `--help` says how it measures. @module */
import { ConfigError, readConfig, SETTINGS } from "../../src/config.ts";
import { StoreError } from "../../src/store/store.ts";
import { StartError } from "../../src/errors.ts";
import { runTask } from "../../tests/support/command_line.ts";
import { ApiError } from "../graded/api.ts";
import { loadLine, ProgressView } from "../graded/progress.ts";
import { findCaddy, SystemError } from "../graded/system.ts";
import { ms, verdict } from "./content.ts";
import { html } from "./html.ts";
import { markdown } from "./markdown.ts";
import { measure } from "./measure.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import { findings } from "./rules.ts";

const OUT = new URL("../out/", import.meta.url).pathname;
/** What is running at this moment, to be stopped with this process. */
let running: { stop(): Promise<void> } | undefined;
/** What the report sets itself. */
const OWN = new Set(["DATABASE_URL", "DATA_DIR", "LISTEN", "REPLICA", "REPLICAS"]);

async function report({ seconds, rate, processorMs, targetMs, out }: Options): Promise<void> {
  const caddy = await findCaddy();
  if (!caddy) throw new SystemError("there is no Caddy of 2.11 or later: set GALO_CADDY to the path of one");
  readConfig();
  const settings = Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => Object.hasOwn(SETTINGS, name) && !OWN.has(name)),
  );
  const view = new ProgressView("report");
  const plan = { seconds, users: rate, processorMs, targetMs, caddy, settings };
  const figures = await measure(
    plan,
    (second) => view.show(second.second, loadLine(second, seconds)),
    (system) => running = system,
  );
  running = undefined;
  view.end();
  const folder = out ?? `${OUT}report-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/report.md`, markdown(figures));
  await Deno.writeTextFile(`${folder}/report.html`, html(figures));
  await Deno.writeTextFile(`${folder}/figures.json`, `${JSON.stringify(figures, null, 1)}\n`);
  console.log(verdict(figures));
  const found = findings(figures);
  if (found.length === 0) console.log("no rule reached its threshold");
  for (const { rule, ms: back, figure, look } of found) console.log(`  ${ms(back)}  ${rule}: ${figure}; see ${look}`);
  console.log(`  ${folder}/report.md\n  ${folder}/report.html`);
}

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, async () => {
      await running?.stop();
      Deno.exit(1);
    });
  }
  const expected = [ConfigError, SystemError, StartError, StoreError, ApiError, Deno.errors.PermissionDenied];
  await runTask({ name: "bench:report", help: HELP, parse: parseOptions, run: report, expected });
}
