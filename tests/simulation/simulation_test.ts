import assert from "node:assert/strict";
import { drawPlan, FAULT_KINDS } from "./plan.ts";
import { run } from "./run.ts";
import { drawSeed } from "./seed.ts";
import { command } from "./shrink.ts";

/** A short form of `deno task simulate`. */
const SEEDS = 300;

for (const [where, options] of Object.entries({ "one machine": {}, "several hosts": { hosts: true } })) {
  Deno.test(`${SEEDS} hostile schedules on ${where} break no promise`, async (test) => {
    const first = drawSeed();
    await test.step(`again: ${command(first, options, SEEDS)}`, async () => {
      for (let seed = first; seed < first + SEEDS; seed++) {
        const { violation } = await run(seed, options);
        assert.equal(violation, undefined, `${command(seed, options)}: ${violation?.check}: ${violation?.message}`);
      }
    });
  });

  Deno.test(`the same seed gives the same trace on ${where}`, async () => {
    for (const seed of [7, 11, 13, 17, 19]) {
      const first = await run(seed, { ...options, record: true });
      // a machine that is busy in between does not matter
      const second = await run(seed, options);
      assert.equal(second.hash, first.hash);
      assert.equal((await run(seed, { ...options, record: true })).lines.join("\n"), first.lines.join("\n"));
    }
  });
}

Deno.test("another seed gives another trace", async () => {
  assert.notEqual((await run(3)).hash, (await run(4)).hash);
});

Deno.test("a kind of fault that is left out does not happen, and shifts no other", () => {
  for (const hosts of [false, true]) {
    const all = drawPlan(5, { hosts });
    for (const kind of FAULT_KINDS) {
      const less = drawPlan(5, { hosts, without: [kind] });
      assert.deepEqual(less.settings, all.settings);
      for (const [other, times] of Object.entries(less.incidents)) {
        assert.equal(times, other === kind ? 0 : all.incidents[other as keyof typeof all.incidents]);
      }
    }
  }
});
