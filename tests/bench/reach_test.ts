import assert from "node:assert/strict";
import { parseMachineTimes } from "../../bench/reach/steal.ts";
import { outcomes, steadyRows, steadySections } from "../../bench/reach/steady_table.ts";
import { counts, type Round, type Slice, STEAL_MAX } from "../../bench/reach/steady.ts";
import { table } from "../../bench/reach/table.ts";
import { backAfter, medianBack } from "../../bench/reach/stall.ts";
import { Latency } from "../../bench/graded/latency.ts";

function slice(p99Ms: number, more: Partial<Slice> = {}): Slice {
  return {
    ...{ medianMs: p99Ms / 4, p90Ms: p99Ms / 2, p99Ms, ok: 1_500, failed: 0, steal: 0 },
    ...{ cpuUs: { caddy: 500, a: 100, b: 140 }, throttled: {} },
    ...more,
  };
}

function round(trivialMs: number, galoMs: number, steal = 0): Round {
  const cpuUs = { caddy: 600, a: 400, b: 300, db: 150 };
  return { slices: { galo: slice(galoMs, { cpuUs }), trivial: slice(trivialMs, { steal }) } };
}

Deno.test("a round does not count when others took more than the limit in one of its slices", () => {
  assert.equal(counts(round(4, 8, STEAL_MAX)), true);
  assert.equal(counts(round(4, 8, STEAL_MAX + 0.001)), false);
});

Deno.test("outcomes() are medians over the rounds that count", () => {
  const all = outcomes({ rounds: [round(4, 8), round(2, 8), round(8, 12), round(1, 100, 0.5)] })!;
  assert.deepEqual(all.galo, {
    medianMs: 2,
    p90Ms: 4,
    p99Ms: 8,
    ratio: 2,
    ratioOfMedians: 2,
    cpuUs: 1_450,
    caddyUs: 600,
    replicasUs: 700,
    databaseUs: 150,
    failed: 0,
  });
  assert.equal(all.trivial!.p99Ms, 4);
  assert.equal(all.trivial!.replicasUs, 240);
  assert.deepEqual(Object.keys(all), ["trivial", "galo"]);
});

Deno.test("the median of the rounds' ratios is not the ratio of the medians", () => {
  const { galo } = outcomes({ rounds: [round(1, 9), round(2, 8), round(8, 12)] })!;
  assert.equal(galo!.ratio, 4);
  assert.equal(galo!.ratioOfMedians, 4.5);
});

Deno.test("the page says what was reached and what was not, and how many rounds count", () => {
  const steady = { rate: 300, rounds: [round(4, 6), round(4, 40, 0.5)] };
  assert.deepEqual(steadyRows(steady).map(([, , measured, reached]) => [measured, reached]), [
    ["1.50 (of the medians 1.50)", true],
    ["700 µs", true],
    ["1.96", false],
  ]);
  const page = table({ machine: "a machine", steady: { 300: steady } });
  assert.match(page, /\| ≤ 1\.5 \| 1\.50 \(of the medians 1\.50\) \| reached \|/);
  assert.match(page, /\| ≤ 1\.4 \| 1\.96 \| \*\*not reached\*\* \|/);
  assert.match(page, /Medians over the 1 of 2 rounds that count/);
  assert.match(page, /\| Galo \| 1\.50 \| 3\.00 \| 6\.00 \| 1\.50, 1\.50 \| 1450 \| 600 \| 700 \| 150 \| 0 \|/);
  assert.match(page, /\| 2 \| 4\.00 \(50\.0\) \| 40\.00 \(0\.0\) \| no \|/);
  assert.doesNotMatch(page, /Graded runs/);
});

Deno.test("the router without promises stands beside Galo where it was measured", () => {
  const { slices } = round(4, 8);
  const steady = {
    rate: 300,
    rounds: [{ slices: { ...slices, least: slice(5, { cpuUs: { caddy: 600, a: 200, b: 162 } }) } }],
  };
  assert.deepEqual(steadyRows(steady).map(([, , measured]) => measured), [
    "2.00 (of the medians 2.00); 1.25 for the router without promises",
    "700 µs",
    "1.96; 1.30 for the router without promises",
  ]);
  assert.match(
    steadySections(steady),
    /\| a router with a log and none of Galo's promises \| 1\.25 \| 2\.50 \| 5\.00 \| 1\.25, 1\.25 \| 962 \|/,
  );
});

Deno.test("where no round counts there is nothing to compare, and the rounds are shown", () => {
  const steady = { rate: 300, rounds: [round(4, 8, 0.5)] };
  assert.equal(outcomes(steady), undefined);
  assert.deepEqual(steadyRows(steady), []);
  assert.match(steadySections(steady), /\| 1 \| 4\.00 \(50\.0\) \| 8\.00 \(0\.0\) \| no \|/);
});

Deno.test("parseMachineTimes() adds the processors' times without those of guests, which are in user already", () => {
  assert.deepEqual(parseMachineTimes("cpu  100 0 50 800 10 0 10 30 70 5\ncpu0 1 2 3\n"), { all: 1_000, stolen: 30 });
});

Deno.test("a stall is over in the second from which on nothing fails and p99 is at most 1.5 times what it was", () => {
  const second = (ms: number, failed = 0) => {
    const latency = new Latency();
    for (let n = 0; n < 100; n++) latency.record(ms);
    return { histogram: latency.encode(), failed };
  };
  assert.equal(backAfter([second(900), second(14.9), second(10)], () => 10), 1);
  assert.equal(backAfter([second(10), second(10, 1), second(10)], () => 10), 2);
  assert.equal(backAfter([second(10), second(10), second(15.1)], () => 10), null);
  assert.equal(backAfter([second(10), second(10), second(15.1)], (from) => 10 + from), 1);
});

Deno.test("the median of when a stall was over is never if most runs say so", () => {
  assert.equal(medianBack([1, null, 0, 2, null]), 2);
  assert.equal(medianBack([1, null, 0, null, null]), null);
  assert.equal(medianBack([1, null]), null);
});
