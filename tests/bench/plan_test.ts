import assert from "node:assert/strict";
import { run } from "../../bench/plan/model.ts";
import { parseValues } from "../../bench/plan/values.ts";
import { OptionsError } from "../support/command_line.ts";
import { loadScenario } from "../../bench/graded/scenario.ts";

const POLICY = { patienceMs: 75_000, slowMs: 1_200, maxInFlight: 300, dispatchPerSecond: 800 };

Deno.test("a value, a list and a range are numbers in milliseconds", () => {
  assert.deepEqual(parseValues("--patience", "300"), [300]);
  assert.deepEqual(parseValues("--patience", "250ms,2s,1m"), [250, 2_000, 60_000]);
  assert.deepEqual(parseValues("--patience", "0..90s/45s"), [0, 45_000, 90_000]);
});

Deno.test("what is no value is refused in one line that names the option", () => {
  for (const text of ["soon", "5..1/1", "0..5/0", "", "0..1000/1"]) {
    assert.throws(
      () => parseValues("--slow", text),
      (error) => error instanceof OptionsError && /^--slow: [^\n]+$/.test(error.message),
    );
  }
});

Deno.test("the preview is booked to the last payment, hardly one at the fallback, and every audit agrees", async () => {
  const { booked, accepted, inconsistencies, queue } = await run(await loadScenario("preview"), POLICY, 1);
  assert.equal(booked.default.count + booked.fallback.count, accepted);
  assert.ok(booked.default.count >= 0.999 * accepted);
  assert.equal(inconsistencies, 0);
  assert.equal(queue.length, 60);
  assert.equal(booked.default.cents, 1_990 * booked.default.count);
});

Deno.test("without patience what the default refuses goes to the fallback, and the same run can be repeated", async () => {
  const impatient = { ...POLICY, patienceMs: 0 };
  const scenario = await loadScenario("preview");
  const first = await run(scenario, impatient, 7);
  assert.ok(first.booked.fallback.count > 1_000);
  assert.deepEqual(await run(scenario, impatient, 7), first);
});
