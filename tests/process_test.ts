/** One replica as a process, where something breaks that nobody waits for. @module */
import assert from "node:assert/strict";
import { EXIT_INVARIANT } from "../src/start_error.ts";
import { needs } from "./support/permissions.ts";

const real = needs("net", "run", "read", "write", "env");

for (
  const [where, code] of [
    ["in a promise", `Promise.reject(new Error("invariant: planned"));`],
    ["in a timer", `setTimeout(() => { throw new Error("invariant: planned"); });`],
  ]
) {
  Deno.test(`a broken invariant that comes to light ${where} ends the process, and says so`, real, async () => {
    const folder = await Deno.makeTempDir({ prefix: "galo-" });
    const url = (path: string) => JSON.stringify(import.meta.resolve(path));
    const script = `
      import { readConfig } from ${url("../src/config.ts")};
      import { configureLogs } from ${url("../src/log.ts")};
      import { startReplica } from ${url("../src/process.ts")};
      configureLogs({ level: "info", json: true });
      const processors = { PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" };
      const place = { DATA_DIR: ${JSON.stringify(folder)}, LISTEN: ${JSON.stringify(`${folder}/a.sock`)} };
      await startReplica(readConfig({ ...processors, ...place, REPLICAS: "1" })).serving;
      ${code}`;
    const args = ["eval", "--quiet", "--unstable-net", script];
    const { code: ended, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert.equal(ended, EXIT_INVARIANT);
    const lines = new TextDecoder().decode(stderr).trim().split("\n").map((line) => JSON.parse(line));
    const { level, message, properties } = lines.at(-1)!;
    assert.deepEqual([level, message], ["FATAL", "stopping at once: an invariant is broken"]);
    assert.equal(properties.error.message, "invariant: planned");
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("a replica whose Postgres is not there says so in one line, and waits for it", real, async () => {
  const folder = await Deno.makeTempDir({ prefix: "galo-" });
  const main = new URL("../main.ts", import.meta.url).pathname;
  const address = "http://127.0.0.1:1";
  const env = {
    ...{
      DATA_DIR: folder,
      LISTEN: `${folder}/a.sock`,
      REPLICAS: "1",
      DATABASE_URL: "postgres://galo:secret@127.0.0.1:1/books",
    },
    ...{ PROCESSOR_DEFAULT_URL: address, PROCESSOR_FALLBACK_URL: address },
  };
  const args = ["run", "-A", "--quiet", main, "replica"];
  const process = new Deno.Command(Deno.execPath(), { args, env, stdout: "null", stderr: "piped" }).spawn();
  let said = "";
  for await (const text of process.stderr.pipeThrough(new TextDecoderStream()).values({ preventCancel: true })) {
    said += text;
    if (said.split("\n").length > 2) break;
  }
  process.kill("SIGTERM");
  const [starting, waits] = said.split("\n").map((line) => line && JSON.parse(line));
  assert.equal(starting.message, "starting");
  assert.deepEqual([waits.level, waits.message, waits.properties.why], [
    ...["WARN", "the start waits"],
    "the store does not answer, and the log does not reach back to its beginning: " +
    "Postgres at 127.0.0.1:1, database books: nothing listens there",
  ]);
  assert.equal((await process.status).code, 0);
  await Deno.remove(folder, { recursive: true });
});
