import assert from "node:assert/strict";
import { parseOptions } from "../../bench/graded/options.ts";
import { OptionsError } from "../support/command_line.ts";

const ADDRESSES = ["--url", "http://localhost:9999", "--default-url", "http://127.0.0.1:8001"];

function refusal(...args: string[]): string {
  try {
    parseOptions(args);
  } catch (error) {
    assert.ok(error instanceof OptionsError);
    return error.message;
  }
  throw new Error("not refused");
}

Deno.test("parseOptions() runs the preview once where nothing is said", () => {
  assert.deepEqual(parseOptions([]), {
    help: false,
    scenario: "preview",
    runs: 1,
    floor: false,
    participant: "galo",
    out: undefined,
    addresses: undefined,
  });
});

Deno.test("parseOptions() takes all three addresses", () => {
  const { addresses } = parseOptions([...ADDRESSES, "--fallback-url", "http://[::1]:8002/"]);
  assert.deepEqual(addresses, {
    router: "http://localhost:9999",
    processors: { default: "http://127.0.0.1:8001", fallback: "http://[::1]:8002" },
  });
});

Deno.test("parseOptions() refuses with one line that names the option", () => {
  assert.equal(refusal(...ADDRESSES), "--url, --default-url and --fallback-url: say all three or none");
  assert.match(
    refusal(...ADDRESSES, "--fallback-url", "http://10.0.0.7:8002"),
    /^--fallback-url: 10\.0\.0\.7 is not this/,
  );
  assert.match(refusal(...ADDRESSES, "--fallback-url", "https://localhost"), /^--fallback-url: .* is no http URL$/);
  assert.match(refusal("--runs", "0"), /^--runs: "0" is no whole number from 1 to 20$/);
  assert.match(refusal("--speed", "2"), /--speed.*: see --help$/);
});
