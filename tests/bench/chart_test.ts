import assert from "node:assert/strict";
import { chart, decades, escapeHtml, ticks } from "../../bench/graded/chart.ts";
import { median } from "../../bench/graded/table.ts";

Deno.test("ticks() are 1, 2 or 5 times a power of ten apart and reach the maximum", () => {
  assert.deepEqual(ticks(550, 4), [0, 200, 400, 600]);
  assert.deepEqual(ticks(60, 12), [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]);
  assert.deepEqual(ticks(0.3, 4), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(ticks(4, 4), [0, 1, 2, 3, 4]);
  assert.deepEqual(ticks(0, 4), [0, 1]);
});

Deno.test("decades() hold both ends", () => {
  assert.deepEqual(decades(0.3, 41), [0.1, 1, 10, 100]);
  assert.deepEqual(decades(1, 1), [1, 10]);
  assert.deepEqual(decades(1, 10), [1, 10]);
});

Deno.test("chart() leaves a gap where a value is not known, and escapes what it is given", () => {
  const html = chart({
    title: "<b>",
    unit: "ms",
    scale: "linear",
    seconds: 4,
    series: [{ label: "a & b", tone: "one", dash: "solid", points: [[0, 0], [1, 1], [2, undefined], [3, 1], [4, 0]] }],
    bands: [],
    marks: [],
  });
  assert.ok(html.includes('d="M0 200L250 0M750 0L1000 200"'));
  assert.ok(html.includes("a &amp; b"));
  assert.ok(!html.includes("<b>"));
  assert.equal(escapeHtml(`<&>"'`), "&lt;&amp;&gt;&quot;&#39;");
});

Deno.test("median() is the middle value, or the mean of both", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.throws(() => median([]), /the median of nothing/);
});
