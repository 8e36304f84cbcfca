/** The bottleneck report names a handicap first: real processes, real Postgres. @module */
import assert from "node:assert/strict";
import { findCaddy } from "../../bench/graded/system.ts";
import type { Figures } from "../../bench/report/figures.ts";
import { measure } from "../../bench/report/measure.ts";
import { type Finding, findings } from "../../bench/report/rules.ts";
import { needs, needsOf, NO_CADDY } from "../support/permissions.ts";

const PERMISSIONS = needs("run", "net", "read", "write", "env", "sys");
const BUSY_REPLICA = new URL("./report_busy_replica.ts", import.meta.url).pathname;
const caddy = PERMISSIONS.ignore ? undefined : await findCaddy();
const OPTIONS = needsOf(PERMISSIONS, () => caddy !== undefined, NO_CADDY);

async function measured(settings: Record<string, string>, entry?: string): Promise<Figures> {
  return await measure({
    ...{ seconds: 6, users: 150, processorMs: 20, targetMs: 11, caddy: caddy!, settings, entry },
  }, () => {});
}

/** Asserts the first finding's rule and where it points; the message of a failure lists all findings. */
function assertFirst(found: readonly Finding[], rule: string, look: string): void {
  const all = found.map(({ rule, ms, figure }) => `${ms.toFixed(2)} ms ${rule}: ${figure}`).join("\n");
  assert.deepEqual([found[0]?.rule, found[0]?.look], [rule, look], all);
}

const HANDICAPS = [
  ["MAX_IN_FLIGHT=1", { MAX_IN_FLIGHT: "1" }, undefined, "calls in flight", "MAX_IN_FLIGHT"],
  ["5 ms of busy work a POST", {}, BUSY_REPLICA, "work in POST", "accept() in src/replica.ts, src/api/payments.ts"],
] as const;

for (const [handicap, settings, entry, rule, look] of HANDICAPS) {
  Deno.test(`the report names ${handicap} first`, OPTIONS, async () => {
    const figures = await measured(settings, entry);
    assert.equal(figures.failed, 0);
    assert.equal(figures.inconsistencies, 0);
    assertFirst(findings(figures), rule, look);
  });
}

Deno.test("the report has a figure for everything it shows, and Postgres agrees on the totals", OPTIONS, async () => {
  const figures = await measured({ ACK: "store" });
  for (const [name, { count }] of Object.entries(figures.timings)) assert.notEqual(count, 0, name);
  assert.equal(figures.timings.post.count, figures.accepted);
  assert.equal(figures.timings["route-wait"].count, figures.accepted);
  assert.equal(figures.summary.same, true);
  assert.equal(figures.summary.sql.books.default.count + figures.summary.sql.books.fallback.count, figures.accepted);
  assert.notEqual(figures.database.catchUp, undefined);
  assert.deepEqual(figures.processes.map(({ name }) => name).sort(), [
    ...["Caddy", "Postgres", "load generator", "replica a", "replica b", "stand-in processors"],
  ]);
});
