/**
 * Every test, or those of the files that are named, and then what was left out and why. Arguments are those of
 * `deno test`; the exit code is its own.
 *
 *     deno task test [FILE…] [--filter NAME]
 * @module
 */
import { REASONS_FILE } from "./support/permissions.ts";

/** All tests take about a third of this, so one hangs by then, in minutes. */
const LIMIT_MIN = 60;

/** The names of the tests that did not run, by their file, as the JUnit report of `deno test` has them. */
function leftOut(report: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name, file] of report.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]*>\s*<skipped/g)) {
    const path = new URL(file!, `file://${Deno.cwd()}/`).href;
    found.set(path, [...found.get(path) ?? [], unescaped(name!)]);
  }
  return found;
}

function unescaped(text: string): string {
  const marks: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, mark) => marks[mark]!);
}

/** One paragraph a file: why, and which tests. */
function listed(tests: ReadonlyMap<string, string[]>, reasons: readonly string[]): string[] {
  return [...tests].flatMap(([file, names]) => {
    const whys = reasons.filter((line) => line.startsWith(`${file}\t`)).map((line) => line.split("\t")[1]!);
    const path = file.replace(new URL("../", import.meta.url).href, "");
    return [`  ${path}: ${whys.join("; ") || "marked so in the file"}`, ...names.map((name) => `    - ${name}`)];
  });
}

const HELP = `Runs every test, or those of the files that are named, and then says what was left out and why.

Usage: deno task test [FILE…] [OPTIONS]

  --filter NAME  only tests whose names contain this
  --help

All other options of \`deno test\` work too; the exit code is its own.`;

if (Deno.args.some((arg) => arg === "--help" || arg === "-h")) {
  console.log(HELP);
  Deno.exit();
}
const folder = await Deno.makeTempDir({ prefix: "galo-tests-" });
try {
  const [report, reasons] = [`${folder}/report.xml`, `${folder}/reasons`];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", `--junit-path=${report}`, ...Deno.args],
    env: { [REASONS_FILE]: reasons },
  }).spawn();
  // Ctrl-C reaches both; a signal to this process alone is meant for the tests
  Deno.addSignalListener("SIGINT", () => {});
  Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
  const limit = setTimeout(() => {
    console.error(`\nFAILED: the tests did not end within ${LIMIT_MIN} minutes: the one that is named last hangs`);
    child.kill("SIGKILL");
  }, LIMIT_MIN * 60_000);
  const { code } = await child.status;
  clearTimeout(limit);
  const read = (path: string) => Deno.readTextFile(path).catch(() => "");
  // in the report, tests that a filter leaves out look like the others
  const tests = Deno.args.some((arg) => arg.startsWith("--filter")) ? new Map() : leftOut(await read(report));
  const count = [...tests.values()].flat().length;
  if (count > 0) {
    console.log(`\nLeft out, ${count} test${count === 1 ? "" : "s"}:`);
    for (const line of listed(tests, (await read(reasons)).split("\n"))) console.log(line);
  }
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
// the listeners would keep it alive
Deno.exit();
