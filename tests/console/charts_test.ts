import assert from "node:assert/strict";
import { Charts, POINTS_MAX } from "../../src/console/charts.ts";
import type { Point } from "../../src/console/watching.ts";

/** The point of the second that ends then; the seconds are counted from 1. */
const second = (n: number, more: Partial<Point> = {}): Point => (
  { at: 1_000 * n, posts: 0, medianMs: null, p99Ms: null, pending: 0, ...more }
);

Deno.test("the charts have a point a second of the last three minutes, then one of 5 s and of 20 s, and go back an hour", () => {
  const charts = new Charts();
  for (let n = 1; n <= 4_000; n++) charts.add(second(n));
  const seconds = charts.points.map(({ at }) => at / 1_000);
  const steps = seconds.slice(1).map((at, i) => at - seconds[i]!);
  assert.deepEqual(steps, [...Array(134).fill(20), ...Array(144).fill(5), ...Array(180).fill(1)]);
  // the first stands for the 20 s before it
  assert.deepEqual([seconds[0]! - 20, seconds.at(-1)], [400, 4_000]);
});

Deno.test("several seconds become one point with their mean rate and the worst of their other values", () => {
  const charts = new Charts();
  charts.add(second(1, { posts: 10, medianMs: 2, p99Ms: 30, pending: 4 }));
  charts.add(second(2, { posts: 5, medianMs: 7, p99Ms: 8, pending: 6 }));
  for (let n = 3; n <= 185; n++) charts.add(second(n));
  assert.deepEqual(charts.points[0], { at: 5_000, posts: 3, medianMs: 7, p99Ms: 30, pending: 6 });
  assert.deepEqual(charts.points[1], second(6));
  for (let n = 186; n <= 1_000; n++) charts.add(second(n));
  assert.deepEqual(charts.points[0], { at: 20_000, posts: 0.75, medianMs: 7, p99Ms: 30, pending: 6 });
});

Deno.test("a point without an answer has no times, whether it stands for one second or several", () => {
  const charts = new Charts();
  for (let n = 1; n <= 185; n++) charts.add(second(n));
  assert.deepEqual(charts.points[0], second(5));
});

Deno.test("however long a replica runs, there are never more points than POINTS_MAX", () => {
  const charts = new Charts();
  let most = 0;
  for (let n = 1; n <= 10_000; n++) {
    charts.add(second(n));
    most = Math.max(most, charts.points.length);
  }
  assert.equal(most, POINTS_MAX);
});
