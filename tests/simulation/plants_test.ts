import assert from "node:assert/strict";
import { PLANTS } from "./plants.ts";
import { run } from "./run.ts";

/** Every planted bug has to be found within this many seeds. */
const SEEDS_MAX = 1_000;

for (const [name, plant] of Object.entries(PLANTS)) {
  Deno.test(`the simulation finds: ${name}`, async (test) => {
    const digOut = plant();
    let found: string | undefined;
    let seed = 0;
    try {
      while (!found && ++seed <= SEEDS_MAX) {
        found = (await run(seed)).violation?.message;
      }
    } finally {
      digOut();
    }
    assert.ok(found, `not found in ${SEEDS_MAX} seeds`);
    await test.step(`at seed ${seed}: ${found.slice(0, 100)}`, () => {});
  });
}
