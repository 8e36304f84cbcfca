import assert from "node:assert/strict";
import { sections, verdict } from "../../bench/report/content.ts";
import { html } from "../../bench/report/html.ts";
import { markdown } from "../../bench/report/markdown.ts";
import { findings, RULES } from "../../bench/report/rules.ts";
import { TURN_MS } from "../../src/routing/turns.ts";
import { QUIET, spread, withTimings } from "./report_figures.ts";

Deno.test("findings() says nothing of a quiet run", () => {
  assert.deepEqual(findings(QUIET), []);
});

Deno.test("a rule finds something from its threshold on", () => {
  const calls = (medianMs: number) => withTimings({ processor: spread(medianMs) });
  assert.deepEqual(findings(calls(29.99)), []);
  assert.deepEqual(findings(calls(30)).map(({ rule, ms }) => [rule, ms]), [["calls", 10]]);
});

Deno.test("findings() lists first what would save most", () => {
  const figures = withTimings({ processor: spread(32), "route-wait": spread(TURN_MS + 50) }, {
    edge: { through: spread(1, 20), direct: spread(1, 2) },
  });
  assert.deepEqual(findings(figures).map(({ rule, ms, delays }) => [rule, ms, delays]), [
    ["dispatch pace", 50, "settling"],
    ["Caddy", 17.5, "answer"],
    ["calls", 12, "settling"],
  ]);
});

Deno.test("the event loop's lag is blamed on the work in POST", () => {
  const busy = withTimings({ post: spread(5.25, 60), "loop-lag": spread(1, 30) });
  assert.deepEqual(findings(busy), [{
    rule: "work in POST",
    delays: "answer",
    ms: 35.25,
    figure: "5.25 ms of work a POST; event loop lag p99 30.00 ms",
    look: "accept() in src/replica.ts, src/api/payments.ts",
  }]);
});

Deno.test("without work in POST the event loop's lag is a finding of its own", () => {
  const slow = withTimings({ post: spread(0.99, 50), "loop-lag": spread(1, 20) });
  assert.deepEqual(findings(slow).map(({ rule, ms }) => [rule, ms]), [["event loop", 19.5]]);
});

Deno.test("at ACK=store the wait for the commit does not count as a POST's own work", () => {
  const settings = { ...QUIET.settings, ACK: "store" };
  const slow = withTimings({ post: spread(25, 50), "loop-lag": spread(1, 5) }, { settings });
  assert.deepEqual(findings(slow).map(({ rule, ms }) => [rule, ms]), [["acknowledgement", 40]]);
});

Deno.test("what the machine makes every process wait for is no process's fault", () => {
  const slow = withTimings({ "loop-lag": spread(1, 20) }, {
    machineLag: spread(1, 18),
    edge: { through: spread(1, 22), direct: spread(1, 2) },
  });
  assert.deepEqual(findings(slow), []);
});

Deno.test("a wait for a route is blamed on MAX_IN_FLIGHT where that was reached, else on the dispatch rate", () => {
  const waits = (inFlightMax: number) => withTimings({ "route-wait": spread(TURN_MS + 100) }, { inFlightMax });
  assert.deepEqual(findings(waits(300)).map(({ rule, ms, look }) => [rule, ms, look]), [
    ["calls in flight", 100, "MAX_IN_FLIGHT"],
  ]);
  assert.deepEqual(findings(waits(299)).map(({ rule, ms, look }) => [rule, ms, look]), [
    ["dispatch pace", 100, "src/routing/turns.ts"],
  ]);
});

Deno.test("throttling counts milliseconds a period, of the worst process", () => {
  const process = (name: string, periods: number, ms: number) => ({
    ...QUIET.processes[0]!,
    name,
    throttled: { periods, ms },
  });
  const figures = { ...QUIET, processes: [process("a", 10, 40), process("b", 1, 30), process("c", 0, 0)] };
  assert.deepEqual(findings(figures).map(({ rule, ms, figure }) => [rule, ms, figure]), [
    ["throttling", 30, "b: 1 throttled periods, 30.00 ms each"],
  ]);
});

Deno.test("a query plan that reads all of the table `payment` is found, one that reads another table is not", () => {
  const planned = (line: string) => ({
    ...QUIET,
    summary: { ...QUIET.summary, sql: { ...QUIET.summary.sql, medianMs: 12, plan: [line] } },
  });
  assert.deepEqual(findings(planned("  ->  Seq Scan on payment  (cost=0)")).map(({ rule, ms }) => [rule, ms]), [
    ["index", 12],
  ]);
  assert.deepEqual(findings(planned("  ->  Seq Scan on store_state  (cost=0)")), []);
});

Deno.test("the report says so where POST waits for the commit", () => {
  const shown = (ACK: string) =>
    sections({ ...QUIET, settings: { ...QUIET.settings, ACK } }).flatMap(({ rows }) => rows.map(([label]) => label));
  assert.ok(shown("log").includes("replica: POST, head to head"));
  assert.ok(shown("store").includes("replica: POST, head to head, with the commit"));
});

Deno.test("verdict() gives the gap to the target in milliseconds and percent", () => {
  assert.equal(verdict({ p99: 5.5, targetMs: 11 }), "p99 5.50 ms, 5.50 ms (50 %) below the target of 11 ms");
  assert.equal(verdict({ p99: 13.75, targetMs: 11 }), "p99 13.75 ms, 2.75 ms (25 %) above the target of 11 ms");
});

Deno.test("a report shows every rule with its threshold and what it came to", () => {
  const rules = sections(QUIET).at(-1)!;
  assert.equal(rules.title, "The rules");
  assert.deepEqual(rules.rows.map(([name]) => name), RULES.map(({ name }) => name));
  assert.deepEqual(rules.rows.find(([name]) => name === "Caddy"), [
    "Caddy",
    "p99 of GET /livez under load through Caddy, less directly at a replica's socket and less the machine's own lag",
    "5.00 ms",
    "2.00 ms",
    "-",
  ]);
});

Deno.test("a report without findings says so, one with findings lists them", () => {
  const slow = withTimings({ processor: spread(37) });
  assert.match(markdown(QUIET), /## Findings\n\nNo rule reached its threshold/);
  assert.match(markdown(slow), /\| 1 \| 17\.00 ms \| settling a payment \| calls \|/);
});

Deno.test("the page takes nothing from elsewhere, and escapes what it shows", () => {
  const page = html({ ...QUIET, summary: { ...QUIET.summary, sql: { ...QUIET.summary.sql, plan: ["a < b"] } } });
  assert.doesNotMatch(page, /<script|src=|href=|url\(/);
  assert.match(page, /<pre>a &lt; b<\/pre>/);
});
