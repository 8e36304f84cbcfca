/** Rows into a real PostgreSQL, by the size of a batch. Each run writes {@link ROWS} new payments. @module */
import { accepted, dispatched, type Fact, settled } from "../src/payment/fact.ts";
import { startEmbeddedPostgres } from "../src/local/embedded.ts";
import { PostgresStore } from "../src/store/postgres.ts";

const ROWS = 1_000;

let number = 0;

function facts(count: number): Fact[] {
  return Array.from({ length: count }, () => {
    const atMs = 1_751_328_000_000 + number++;
    const bound = dispatched(accepted(crypto.randomUUID(), 1990, atMs, "a"), "a", "default", atMs, "default-up");
    return settled(bound, "default", atMs, 1990, "booked");
  });
}

const folder = await Deno.makeTempDir({ prefix: "galo-bench-" });
const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
const store = new PostgresStore({ url: postgres.url });
addEventListener("unload", () => {
  Deno.kill(postgres.pid, "SIGKILL");
  Deno.removeSync(folder, { recursive: true });
});
await store.open("a");

for (const batch of [1, 16, 256, 1000]) {
  Deno.bench(`${ROWS} payments, ${batch} a statement`, {
    group: "write",
    baseline: batch === 1,
    // every row of batches of one is a commit of its own: half a second each time
    ...batch === 1 && { n: 3, warmup: 1 },
  }, async (b) => {
    const batches = facts(ROWS);
    b.start();
    for (let from = 0; from < ROWS; from += batch) await store.write(0, batches.slice(from, from + batch));
    b.end();
  });
}

const one = facts(1);
Deno.bench("the same payment again", { group: "again" }, async () => {
  await store.write(0, one);
});
