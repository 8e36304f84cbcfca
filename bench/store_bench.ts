/** Payments into a real PostgreSQL, by how many there are in a step. Each run writes {@link ROWS} new ones. @module */
import { startEmbeddedPostgres } from "../src/local/embedded.ts";
import type { Payment } from "../src/payment/payment.ts";
import { PostgresStore } from "../src/store/postgres.ts";
import type { Stored } from "../src/store/store.ts";
import { PAIR } from "../tests/support/pair.ts";

const ROWS = 1_000;
const LOG = crypto.randomUUID();

let number = 0;

function settled(count: number): Payment[] {
  return Array.from({ length: count }, () => {
    const acceptedAt = 1_751_328_000_000 + number++;
    return {
      ...{ id: crypto.randomUUID(), cents: 1990, acceptedAt, owner: "a", stage: "settled", attempt: 1 },
      ...{
        processor: "default",
        requestedAt: acceptedAt,
        reason: "booked",
        position: 0,
        askFirst: null,
        doubtedUptimeMs: null,
      },
    };
  });
}

const folder = await Deno.makeTempDir({ prefix: "galo-bench-" });
const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
const store = new PostgresStore({ url: postgres.url, roster: PAIR });
addEventListener("unload", () => {
  Deno.kill(postgres.pid, "SIGKILL");
  Deno.removeSync(folder, { recursive: true });
});
let stored: Stored = await store.stored();

async function step(payments: readonly Payment[]): Promise<void> {
  const to = { logId: LOG, position: stored.position + payments.length, hash: 0, doubtedUptimeMs: null };
  stored = await store.write({ from: stored, to, replacesAll: false, payments });
}

for (const batch of [1, 16, 256, 1000]) {
  Deno.bench(`${ROWS} payments, ${batch} a step`, {
    group: "write",
    baseline: batch === 1,
    // every row of steps of one is a commit of its own: half a second each time
    ...batch === 1 ? { n: 3, warmup: 1 } : {},
  }, async (b) => {
    const payments = settled(ROWS);
    b.start();
    for (let from = 0; from < ROWS; from += batch) await step(payments.slice(from, from + batch));
    b.end();
  });
}

const one = settled(1);
Deno.bench("the same payment again", { group: "again" }, async () => {
  await step(one);
});
