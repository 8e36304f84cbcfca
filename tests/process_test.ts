/**
 * One replica as a process: where something breaks that no code awaits, and where it is stopped while it starts.
 * @module
 */
import assert from "node:assert/strict";
import { EXIT_INVARIANT } from "../src/errors.ts";
import { needs } from "./support/permissions.ts";
import { TempFolder } from "./support/temp_folder.ts";

const real = needs("net", "run", "read", "write", "env");

/**
 * Runs a script that may start a replica: `config` is its settings, in `folder`.
 *
 * @param flags of Deno
 * @returns how it ended, and what it logged
 */
async function run(
  script: string,
  flags: readonly string[] = [],
): Promise<{ code: number; lines: Record<string, unknown>[] }> {
  using temp = new TempFolder();
  const folder = temp.path;
  const url = (path: string) => JSON.stringify(import.meta.resolve(path));
  const whole = `
    import { readConfig } from ${url("../src/config.ts")};
    import { configureLogs } from ${url("../src/logging.ts")};
    import { FileLocks } from ${url("../src/membership/file_lock.ts")};
    import { startReplica } from ${url("../src/process.ts")};
    configureLogs("info", true);
    const folder = ${JSON.stringify(folder)};
    const processors = { PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" };
    const config = readConfig({ ...processors, DATA_DIR: folder, LISTEN: folder + "/a.sock", REPLICAS: "a" });
    ${script}`;
  const args = ["eval", "--quiet", "--unstable-net", ...flags, whole];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  return { code, lines: new TextDecoder().decode(stderr).trim().split("\n").map((line) => JSON.parse(line)) };
}

for (
  const [where, breaks] of [
    ["in a promise", `Promise.reject(new Error("invariant: planned"));`],
    ["in a timer", `setTimeout(() => { throw new Error("invariant: planned"); });`],
  ]
) {
  Deno.test(`a broken invariant that comes to light ${where} ends the process, and says so`, real, async () => {
    const { code, lines } = await run(`await (await startReplica(config)).serving; ${breaks}`);
    assert.equal(code, EXIT_INVARIANT);
    const { level, message, properties } = lines.at(-1) as { [key: string]: { error: { message: string } } };
    assert.deepEqual([level, message], ["FATAL", "stopping at once: an invariant is broken"]);
    assert.equal(properties!.error.message, "invariant: planned");
  });
}

Deno.test("a replica whose heap has no room for payments takes no further one, and says why", real, async () => {
  const script = `
    const url = await (await startReplica({ ...config, LISTEN: { hostname: "127.0.0.1", port: 0 } })).serving;
    const headers = { "content-type": "application/json" };
    const pay = async (correlationId) => {
      const body = JSON.stringify({ correlationId, amount: 19.9 });
      return (await fetch(url + "/payments", { method: "POST", headers, body })).status;
    };
    const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
    const statuses = [await pay(first), await pay(second), await pay(first)];
    const { notes } = await (await fetch(url + "/readyz")).json();
    console.error(JSON.stringify({ statuses, notes }));
    Deno.exit();`;
  const { lines } = await run(script, ["--v8-flags=--max-old-space-size=20,--max-semi-space-size=1"]);
  const { statuses, notes } = lines.at(-1) as { statuses: number[]; notes: string[] };
  assert.deepEqual(statuses, [202, 503, 202]);
  assert.equal(notes.includes("memory has no room for more payments"), true, notes.join());
});

Deno.test("a replica whose Postgres is not there says so in one line, and waits for it", real, async () => {
  using temp = new TempFolder();
  const folder = temp.path;
  const main = new URL("../main.ts", import.meta.url).pathname;
  const address = "http://127.0.0.1:1";
  const env = {
    ...{
      DATA_DIR: folder,
      LISTEN: `${folder}/a.sock`,
      REPLICAS: "a",
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
});

Deno.test(
  "a replica that is stopped while it waits for its lock takes no payments, and leaves nothing that runs on",
  real,
  async () => {
    // ends by itself when nothing is left to do
    const { code, lines } = await run(`
    const held = new FileLocks(folder).tryAcquire("a");
    const host = await startReplica(config);
    await host.stop();
    const where = await host.serving;
    Deno.exitCode = where === undefined && held.valid ? 7 : 1;`);
    const said = ["starting", "stopping", "stopped; the next start finds everything"];
    assert.deepEqual([code, lines.map(({ message }) => message)], [7, said]);
  },
);
