/** Grades one of the test routers with the real command, against processors of its own. @module */
import { TextLineStream } from "../../../bench/graded/lines.ts";
import type { OfficialResult } from "../../../bench/graded/result.ts";
import { loadScenario } from "../../../bench/graded/scenario.ts";
import type { Fault } from "./router.ts";

const path = (relative: string) => new URL(relative, import.meta.url).pathname;
const MAIN = path("../../../main.ts");
const GRADED = path("../../../bench/graded/main.ts");

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
  const start = async (...args: string[]) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", ...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    children.push(child);
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) return line.match(/https?:\S+/)![0];
    throw new Error(`${args.join(" ")} said nothing`);
  };
  const processor = (fee: number) =>
    start(MAIN, "processor", "--port", "0", "--host", "127.0.0.1", "--fee", `${fee}`, "--parent");
  try {
    const byDefault = await processor(fees.default);
    const byFallback = await processor(fees.fallback);
    const router = await start(path("./router.ts"), fault, byDefault, byFallback);
    const addresses = ["--url", router, "--default-url", byDefault, "--fallback-url", byFallback];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        GRADED,
        "--scenario",
        scenarioPath,
        ...addresses,
        "--out",
        out,
      ],
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
