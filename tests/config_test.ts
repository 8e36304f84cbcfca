import assert from "node:assert/strict";
import { ConfigError, readConfig, SETTINGS, settingsHelp } from "../src/config.ts";

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
  assert.equal(config.ACK, "peer");
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
