/** The command line of every task. @module */
import assert from "node:assert/strict";
import { needs } from "./support/permissions.ts";

const ROOT = new URL("..", import.meta.url);
/** A program of ours that a task runs, and its arguments. */
const PROGRAM = /deno run -A (?:--config \S+ )?((?:\w+\/)*\w+\.ts)(.*)$/;

const { tasks }: { tasks: Record<string, { command: string }> } = JSON.parse(
  await Deno.readTextFile(new URL("deno.json", ROOT)),
);
const programs = Object.entries(tasks).flatMap(([name, { command }]) => {
  const [, program, args] = PROGRAM.exec(command) ?? [];
  return program === undefined ? [] : [{ name, args: [program, ...args!.split(" ").filter(Boolean)] }];
});

async function run(args: string[]) {
  const options = { args: ["run", "-A", "--quiet", ...args], cwd: ROOT, env: { NO_COLOR: "1" } };
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
  const [said, complained] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, said: said!, complained: complained! };
}

for (const { name, args } of programs) {
  Deno.test(`deno task ${name} --help prints its help, and nothing else`, needs("run", "read"), async () => {
    const { code, said, complained } = await run([...args, "--help"]);
    assert.deepEqual([code, complained], [0, ""]);
    assert.match(said, /^Usage: deno task \w/m);
  });

  // the tests' other options are those of `deno test`
  if (args[0] === "tests/main.ts") continue;
  Deno.test(`deno task ${name} refuses an unknown option in one line`, needs("run", "read"), async () => {
    const { code, said, complained } = await run([...args, "--unknown-option"]);
    assert.deepEqual([code, said], [2, ""]);
    assert.match(complained, /^[\w:]+: Unknown option '--unknown-option'[^\n]*: see --help\n$/);
  });
}

Deno.test("the tasks that run a program of ours are found", () => {
  assert.deepEqual(
    programs.map(({ name }) => name).filter((name) => !/^(?:test|bench):/.test(name)),
    ["start", "audit", "test", "screenshots", "simulate", "plan"],
  );
});
