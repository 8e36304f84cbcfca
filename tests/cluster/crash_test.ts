import { needs } from "../support/permissions.ts";
import { CrashTest, KINDS } from "./crash.ts";
import { seeded } from "../../src/local/seeded.ts";

Deno.test(
  "no crash charges twice or loses what the acknowledgement level promises",
  needs("net", "run", "read", "write", "env", "sys"),
  async (t) => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    console.log(`seed ${seed}: deno task test:crash --seed ${seed} kills much more often`);
    const random = seeded(seed);
    await using test = await CrashTest.start();
    for (const kind of KINDS) {
      await t.step(kind, async () => {
        for (let round = 0; round < 3; round++) await test.round(kind, random);
      });
    }
    console.table(Object.fromEntries(test.tallies));
  },
);
