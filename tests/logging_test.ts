/** What a process writes to its stderr. @module */
import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { needs } from "./support/permissions.ts";

const processes = needs("run", "read");
const SCRIPT = new URL("log_lines.ts", import.meta.url).pathname;
const ARGS = ["run", "--quiet", "--no-lock", "--allow-env", "--allow-read", SCRIPT];
const decoder = new TextDecoder();

async function linesOf(level: string, format: string): Promise<string[]> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: [...ARGS, level, format] }).output();
  assert.equal(decoder.decode(stdout), "done\n");
  return decoder.decode(stderr).split("\n").slice(0, -1);
}

Deno.test("a log line is one JSON object, with time, level, logger, message and values", processes, async () => {
  const [line, ...rest] = (await linesOf("error", "json")).map((text) => JSON.parse(text));
  assert.deepEqual(rest, []);
  const { "@timestamp": time, ...others } = line;
  assert.equal(new Date(time).toISOString(), time);
  assert.deepEqual(others, { level: "ERROR", message: "four 4", logger: "galo.test", properties: { n: 4 } });
});

for (
  const [level, levels] of [
    ["debug", ["DEBUG", "INFO", "WARN", "ERROR"]],
    ["info", ["INFO", "WARN", "ERROR"]],
    ["warning", ["WARN", "ERROR"]],
    ["error", ["ERROR"]],
    ["off", []],
  ] as const
) {
  Deno.test(`level ${level} logs ${levels.join(", ") || "nothing"}`, processes, async () => {
    assert.deepEqual((await linesOf(level, "json")).map((text) => JSON.parse(text).level), levels);
  });
}

Deno.test("for people a line has its message, and none is JSON", processes, async () => {
  const lines = await linesOf("warning", "text");
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /three .*3/);
  assert.throws(() => JSON.parse(lines[0]!));
});

/** What a process that has a logger `log` writes for people, without colours and times. */
async function readable(code: string): Promise<string[]> {
  const script = `
    import { getLogger } from "@logtape/logtape";
    import { configureLogs } from ${JSON.stringify(import.meta.resolve("../src/logging.ts"))};
    configureLogs("info", false);
    const log = getLogger(["galo", "test"]);
    ${code}`;
  const { stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--quiet", "--no-lock", script] })
    .output();
  const lines = stripVTControlCharacters(decoder.decode(stderr)).split("\n").slice(0, -1);
  return lines.map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, ""));
}

Deno.test("a line for people has its values after the message", processes, async () => {
  const lines = await readable(`
    log.warn("the peer is lost", { why: "reset", left: { a: [1, "x"] } });
    log.info("a replica stops", { replica: 3, by: "a" });`);
  assert.deepEqual(lines, [
    'WRN galo·test: the peer is lost why="reset" left={ a: [ 1, "x" ] }',
    'INF galo·test: a replica stops replica=3 by="a"',
  ]);
});

Deno.test("for people an event is one line, whatever is in it", processes, async () => {
  const [message, value, error, ...more] = await readable(`
    log.info("a line\\n00:00:00.000 ERR galo: forged \\u001b[2J");
    log.info("lost", { why: "two\\nlines" });
    log.error("stopping", { error: new Error("no way", { cause: new Error("no disk") }) });`);
  assert.deepEqual(more, []);
  assert.equal(message, "INF galo·test: a line\\n00:00:00.000 ERR galo: forged \\x1b[2J");
  assert.equal(value, 'INF galo·test: lost why="two\\nlines"');
  assert.match(error!, /^ERR galo·test: stopping error=\{ Error: no way \| at .*\[cause\]: Error: no disk/);
});

Deno.test("a stderr that nothing reads stops nothing", processes, async () => {
  const child = new Deno.Command("sh", {
    // closed before it starts
    args: ["-c", 'exec "$@" 2>&-', "sh", Deno.execPath(), ...ARGS, "debug", "json"],
    stdout: "piped",
  });
  const { stdout, code } = await child.output();
  assert.deepEqual([decoder.decode(stdout), code], ["done\n", 0]);
});

Deno.test("a reader of stderr that has left stops nothing", processes, async () => {
  const process = new Deno.Command(Deno.execPath(), {
    args: [...ARGS, "debug", "json"],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await process.stderr.cancel();
  const [text, { code }] = await Promise.all([new Response(process.stdout).text(), process.status]);
  assert.deepEqual([text, code], ["done\n", 0]);
});
