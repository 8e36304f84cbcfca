import assert from "node:assert/strict";
import { ConfigError, operationsOf, parseListen, readConfig, SETTINGS, settingsHelp } from "../src/config.ts";

function refused(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  throw new Error(`${JSON.stringify(environment)} was taken`);
}

Deno.test("nothing set is every default", () => {
  const config = readConfig({});
  assert.equal(config.PORT, 9999);
  assert.equal(config.PATIENCE_MS, 75_000);
  assert.equal(config.ALLOW_PURGE, false);
  assert.equal(config.ACK, "log");
  assert.deepEqual([config.HORIZON_MS, config.LOG_MAX_MB, config.STOP_MS], [30_000, 1_024, 3_000]);
  assert.equal(config.REPLICAS, 2);
  assert.equal(config.DATABASE_URL, "");
});

Deno.test("an empty value is as good as none", () => {
  assert.equal(readConfig({ PORT: " " }).PORT, 9999);
});

Deno.test("a value that will not do is named, shown and explained in one line", () => {
  for (
    const [name, value] of [
      ["PORT", "99999"],
      ["PATIENCE_MS", "soon"],
      ["PATIENCE_MS", "-1"],
      ["MAX_IN_FLIGHT", "0"],
      ["MAX_IN_FLIGHT", "1.5"],
      ["ALLOW_PURGE", "yes"],
      ["ACK", "disk"],
      ["ACK", "Peer"],
      ["LOG_MAX_MB", "7"],
      ["STOP_MS", "0"],
      ["REPLICA", "c"],
      ["LOG_LEVEL", "loud"],
      ["FEE_DEFAULT", "5"],
      ["PROCESSOR_DEFAULT_URL", "localhost"],
    ] as const
  ) {
    const message = refused({ [name]: value });
    assert.ok(message.startsWith(`${name}: ${JSON.stringify(value)} will not do`), message);
    assert.equal(message.includes("\n"), false);
  }
});

Deno.test("what an earlier version knew is refused with what to write instead", () => {
  const said: readonly (readonly [Record<string, string>, string])[] = [
    [{ ACK: "peer" }, 'ACK: "peer" is no more: write log, which loses nothing when both replicas die'],
    [{ ACK: " memory" }, 'ACK: "memory" is no more: write log, which is as fast and loses nothing when a replica dies'],
    [{ DRAIN_MS: "1500" }, "DRAIN_MS is no more: write STOP_MS, how long stopping may take in all"],
    [{ STORE_BATCH: "500" }, "STORE_BATCH is no more: take it out: batches need no limit any more"],
    [
      { STORE_BACKLOG_MAX: "100" },
      "STORE_BACKLOG_MAX is no more: take it out, or write LOG_MAX_MB: what waits for Postgres is in the log",
    ],
    [{ TIMINGS: "true" }, "TIMINGS is no more: take it out: GET /metrics has it"],
  ];
  for (const [environment, message] of said) assert.equal(refused(environment), message);
  assert.equal(readConfig({ DRAIN_MS: "", STORE_BATCH: " " }).STOP_MS, 3_000);
});

Deno.test("one processor without the other will not do", () => {
  assert.equal(
    refused({ PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1" }),
    "PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: set both or none",
  );
});

Deno.test("the help has every setting with its default and unit", () => {
  const help = settingsHelp();
  for (const [name, { fallback, unit }] of Object.entries(SETTINGS)) {
    assert.ok(help.includes(`  ${name.padEnd(23)} `), name);
    assert.ok(help.includes(`[${fallback || "not set"}, ${unit}]`), name);
  }
});

Deno.test("where to listen is a port, an address with a port, or a path", () => {
  const at = (hostname: string, port: number) => ({ hostname, port });
  for (
    const [text, listen] of [
      ["9100", at("127.0.0.1", 9100)],
      ["0", at("127.0.0.1", 0)],
      ["0.0.0.0:9100", at("0.0.0.0", 9100)],
      ["localhost:65535", at("localhost", 65_535)],
      ["[::1]:9100", at("::1", 9100)],
      ["./ops.sock", { path: "./ops.sock" }],
      ...["", "::1", "::1:9100", ":9100", "[::1]", "localhost", "9100 ", "65536", "-1", "a b:1"].map((text) =>
        [text, undefined] as const
      ),
    ] as const
  ) {
    assert.deepEqual(parseListen(text), listen, text);
  }
});

Deno.test("of two replicas each has a path of its own for operators, and none is where payments are taken", () => {
  const at = (environment: Record<string, string>) => operationsOf(readConfig(environment));
  assert.equal(at({}), undefined);
  assert.deepEqual(at({ OPS_LISTEN: "/run/ops", REPLICA: "b" }), { path: "/run/ops.b" });
  assert.deepEqual(at({ OPS_LISTEN: "/run/ops", REPLICAS: "1" }), { path: "/run/ops" });
  assert.deepEqual(at({ OPS_LISTEN: "0", PORT: "0" }), { hostname: "127.0.0.1", port: 0 });
  assert.deepEqual(at({ OPS_LISTEN: "9999", LISTEN: "/run/a" }), { hostname: "127.0.0.1", port: 9999 });
  for (
    const environment of [
      { OPS_LISTEN: "9999" },
      { OPS_LISTEN: "[::1]:80", PORT: "80" },
      { OPS_LISTEN: "/run/x", REPLICAS: "1", LISTEN: "/run/x" },
      { OPS_LISTEN: "/run/x", LISTEN: "/run/x.a" },
    ] as Record<string, string>[]
  ) {
    assert.equal(refused(environment), "OPS_LISTEN: that is where payments are taken");
  }
});

Deno.test("--help says what HORIZON_MS must exceed", () => {
  const line = settingsHelp().split("\n").find((line) => line.startsWith("  HORIZON_MS"))!;
  assert.match(line, /must exceed the longest that gateways hold a request plus the longest that a processor takes/);
  assert.match(line, /\[30000, ms\]$/);
});
