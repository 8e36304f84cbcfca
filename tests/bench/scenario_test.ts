import assert from "node:assert/strict";
import { loadScenario, parseScenario, ScenarioError, type ScenarioInput } from "../../bench/graded/scenario.ts";
import { needs } from "../support/permissions.ts";

const WELL = { delayMs: 0, failing: false };
const VALID: ScenarioInput = {
  name: "tiny",
  durationSeconds: 8,
  users: { from: 1, to: 10 },
  amount: 19.9,
  fees: { default: 0.05, fallback: 0.15 },
  audit: { everySeconds: 2, fromSecondsAgo: 15, toSecondsAgo: 1.5, compare: "sum" },
  books: "router",
  outages: [{ atSeconds: 1, default: WELL, fallback: WELL }],
};

function refusal(change: Record<string, unknown>): string {
  try {
    parseScenario({ ...VALID, ...change }, "tiny.json");
  } catch (error) {
    assert.ok(error instanceof ScenarioError);
    return error.message;
  }
  throw new Error("not refused");
}

Deno.test("loadScenario() has the contract's preview", async () => {
  const preview = await loadScenario("preview");
  assert.deepEqual([preview.durationSeconds, preview.users, preview.amount], [60, { from: 1, to: 550 }, 1_990]);
  assert.deepEqual(preview.fees, { default: 0.05, fallback: 0.15 });
  assert.deepEqual(preview.audit, { everySeconds: 10, fromSecondsAgo: 15, toSecondsAgo: 1.5, compare: "sum" });
  assert.equal(preview.books, "router");
  assert.equal(preview.thinkMs, 1_000);
  assert.deepEqual(
    preview.outages.map((row) => [row.atSeconds, row.default.delayMs, row.default.failing, row.fallback.delayMs]),
    [[1, 0, false, 0], [10, 100, false, 0], [20, 100, true, 0], [30, 2000, true, 1000], [40, 20, false, 20], [
      50,
      0,
      false,
      5000,
    ]],
  );
  assert.deepEqual(preview.outages.map(({ fallback }) => fallback.failing), [false, false, false, true, false, false]);
});

Deno.test("loadScenario() has the contract's final", async () => {
  const final = await loadScenario("final");
  assert.deepEqual([final.durationSeconds, final.users, final.amount], [300, { from: 1, to: 603 }, 2_005]);
  assert.deepEqual(final.fees, { default: 0.07, fallback: 0.1 });
  assert.deepEqual(final.audit, { everySeconds: 10, fromSecondsAgo: 15, toSecondsAgo: 2, compare: "each" });
  assert.equal(final.books, "processors");
  assert.equal(final.outages.length, 10);
  assert.deepEqual(final.outages[4], {
    atSeconds: 120,
    default: { delayMs: 5_000, failing: true },
    fallback: { delayMs: 5, failing: false },
  });
});

Deno.test("loadScenario() reads the files in bench/scenarios", needs("read"), async () => {
  for (const name of ["short", "short-preview"]) {
    const file = new URL(`../../bench/scenarios/${name}.json`, import.meta.url).pathname;
    assert.equal((await loadScenario(file)).name, name);
  }
});

Deno.test("parseScenario() names the field and its value", () => {
  assert.match(refusal({ amount: 19.999 }), /^tiny\.json: amount: 19\.999 is no positive amount/);
  assert.match(refusal({ users: { from: 5, to: 2 } }), /^tiny\.json: users: must not ramp down$/);
  assert.match(refusal({ users: { from: 1, to: 5_000 } }), /^tiny\.json: users\.to: .*, not 5000$/);
  assert.match(refusal({ books: "mine" }), /^tiny\.json: books: .*, not "mine"$/);
  assert.match(refusal({ fees: { default: 1.5, fallback: 0 } }), /^tiny\.json: fees\.default: .*, not 1\.5$/);
  assert.match(refusal({ fees: { default: 0.05001, fallback: 0 } }), /fees\.default: must be a whole number of basis/);
  assert.match(refusal({ speed: 2 }), /^tiny\.json: .*speed/);
  const late = { atSeconds: 9, default: WELL, fallback: WELL };
  assert.match(refusal({ outages: [late] }), /^tiny\.json: outages\.0\.atSeconds: is after the end, not 9$/);
  const twice = [1, 1].map((atSeconds) => ({ atSeconds, default: WELL, fallback: WELL }));
  assert.match(refusal({ outages: twice }), /^tiny\.json: outages\.1\.atSeconds: must be later/);
});

Deno.test("loadScenario() says what is wrong with a name or a file in one line", needs("read"), async () => {
  const message = (name: string) => loadScenario(name).then(() => "", (error: Error) => error.message);
  assert.match(await message("finale"), /^--scenario: "finale" is neither preview nor final nor a \.json file$/);
  assert.match(await message("toString"), /neither preview nor final/);
  assert.match(await message("/nowhere/x.json"), /^--scenario: cannot read \/nowhere\/x\.json: /);
});
