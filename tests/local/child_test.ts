import assert from "node:assert/strict";
import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { EXIT_RESTART, StartError } from "../../src/errors.ts";
import { Child, type ChildSpec, freePort } from "../../src/local/child.ts";
import { needs } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { until } from "../support/until.ts";

const real = needs("run", "read", "write", "env");

/** A shell that runs a script; each life of it adds a line to the file. */
async function lives(script: string, more: Partial<ChildSpec> = {}) {
  const folder = await Deno.makeTempDir({ prefix: "galo-child-" });
  const file = `${folder}/lives`;
  const args = ["-c", `echo >> ${file}; n=$(wc -l < ${file}); ${script}`];
  const child = new Child({ name: "child", program: "sh", args, env: {}, restarts: true, ...more });
  return {
    child,
    count: async () => (await Deno.readTextFile(file)).length,
    remove: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("a child that asks for a restart gets it, and is ready when the next one is", real, async () => {
  const { child, count, remove } = await lives(`[ $n = 1 ] && exit ${EXIT_RESTART}; echo ready; exec sleep 60`);
  await child.ready;
  assert.equal(await count(), 2);
  await child.stop();
  await remove();
});

Deno.test("a child that cannot be started again for a while is started once it can be", real, async () => {
  using temp = new TempFolder();
  const program = `${temp.path}/child`;
  const script = `#!/bin/sh\necho >> lives; echo ready; until [ -e end ]; do sleep 0.02; done`;
  await Deno.writeTextFile(program, script, { mode: 0o755 });
  const lines: string[] = [];
  const told = ({ message }: LogRecord) => void lines.push(message.join(""));
  configureSync({ sinks: { told }, loggers: [{ category: ["galo", "cluster"], sinks: ["told"] }] });
  const child = new Child({ name: "child", program, args: [], env: {}, cwd: temp.path, restarts: true });
  try {
    await child.ready;
    await Deno.rename(program, `${temp.path}/aside`);
    await Deno.writeTextFile(`${temp.path}/end`, "");
    await until(() => lines.length === 2);
    assert.deepEqual([lines[0], lines[1]!.startsWith(`cannot start ${program}: `)], [
      "child ended with code 0: starting it again",
      true,
    ]);
    await Deno.remove(`${temp.path}/end`);
    await Deno.rename(`${temp.path}/aside`, program);
    await until(async () => (await Deno.readTextFile(`${temp.path}/lives`)).length === 2);
  } finally {
    await child.stop();
    resetSync();
  }
});

Deno.test("a child that ends before it is ready did not start", real, async () => {
  const { child, remove } = await lives("exit 70", { restarts: false });
  await assert.rejects(child.ready, new StartError("child did not start"));
  await remove();
});

Deno.test("a child that does not stop is killed", real, async () => {
  const { child, remove } = await lives("trap '' TERM; echo ready; while :; do sleep 1; done", { killMs: 50 });
  await child.ready;
  assert.equal(await child.stop(), false);
  await remove();
});

Deno.test("ports that are chosen one after the other differ", needs("net"), () => {
  const ports = Array.from({ length: 1_000 }, () => freePort(0, "127.0.0.1"));
  assert.equal(new Set(ports).size, 1_000);
});
