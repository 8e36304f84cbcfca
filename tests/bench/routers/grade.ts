/** Grades one of the test routers with the real command, against processors of its own. @module */
import { TextLineStream } from "../../../bench/graded/lines.ts";
import type { OfficialResult } from "../../../bench/graded/result.ts";
import { loadScenario } from "../../../bench/graded/scenario.ts";
import type { Fault } from "./router.ts";

const path = (relative: string) => new URL(relative, import.meta.url).pathname;

/** What the command wrote. */
export interface Graded {
  readonly official: OfficialResult;
  /** the page's text */
  readonly report: string;
}

/**
 * Runs `bench:graded` on a scenario of `bench/scenarios/` against a router with a fault.
 *
 * @throws where the command fails, with what it said
 */
export async function grade(fault: Fault, scenarioFile: string): Promise<Graded> {
  const scenarioPath = path(`../../../bench/scenarios/${scenarioFile}`);
  const { fees } = await loadScenario(scenarioPath);
  const out = await Deno.makeTempDir({ prefix: "galo-honest-" });
  const children: Deno.ChildProcess[] = [];
  const start = async (program: string, ...args: string[]) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", path(program), ...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    children.push(child);
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) return line.match(/https?:\S+/)![0];
    throw new Error(`${program} said nothing`);
  };
  try {
    const byDefault = await start("./stub_processor.ts", `${fees.default}`);
    const byFallback = await start("./stub_processor.ts", `${fees.fallback}`);
    const router = await start("./router.ts", fault, byDefault, byFallback);
    const addresses = ["--url", router, "--default-url", byDefault, "--fallback-url", byFallback];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", path("../../../bench/graded/main.ts"), "--scenario", scenarioPath, ...addresses]
        .concat(
          "--out",
          out,
        ),
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    if (!success) throw new Error(`bench:graded failed on ${fault}: ${said}`);
    return {
      official: JSON.parse(await Deno.readTextFile(`${out}/results.json`)),
      report: await Deno.readTextFile(`${out}/report.html`),
    };
  } finally {
    for (const child of children) {
      await child.stdin.close();
      await child.status;
    }
    await Deno.remove(out, { recursive: true });
  }
}
