import assert from "node:assert/strict";
import { drawPlan, FAULT_KINDS } from "./plan.ts";
import { run } from "./run.ts";
import { drawSeed } from "./seed.ts";
import { command } from "./shrink.ts";

/** A short form of `deno task simulate`. */
const SEEDS = 300;

Deno.test(`${SEEDS} hostile schedules break no promise`, async (test) => {
  const first = drawSeed();
  await test.step(`again: deno task simulate --seed ${first} --seeds ${SEEDS}`, async () => {
    for (let seed = first; seed < first + SEEDS; seed++) {
      const { violation } = await run(seed);
      assert.equal(violation, undefined, `${command(seed, {})}: ${violation?.check}: ${violation?.message}`);
    }
  });
});

Deno.test("the same seed gives the same trace", async () => {
  for (const seed of [7, 11, 13, 17, 19]) {
    const first = await run(seed, { record: true });
    // a machine that is busy in between does not matter
    const second = await run(seed);
    assert.equal(second.hash, first.hash);
    assert.equal((await run(seed, { record: true })).lines.join("\n"), first.lines.join("\n"));
  }
});

Deno.test("another seed gives another trace", async () => {
  assert.notEqual((await run(3)).hash, (await run(4)).hash);
});

Deno.test("a kind of fault that is left out does not happen, and shifts no other", () => {
  const all = drawPlan(5);
  for (const kind of FAULT_KINDS) {
    const less = drawPlan(5, { without: [kind] });
    assert.deepEqual(less.settings, all.settings);
    for (const [other, times] of Object.entries(less.incidents)) {
      assert.equal(times, other === kind ? 0 : all.incidents[other as keyof typeof all.incidents]);
    }
  }
});
