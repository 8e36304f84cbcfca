import assert from "node:assert/strict";
import { ConcurrencyLimiter, HealthWindow, QUEUED_MAX, RUNNING_MAX } from "../../src/local/standin_limits.ts";

Deno.test("the limiter runs 800 at once, lets 500 wait and turns the next one away", async () => {
  const limiter = new ConcurrencyLimiter();
  const entered: number[] = [];
  for (let n = 0; n < RUNNING_MAX + QUEUED_MAX; n++) {
    const place = limiter.enter();
    assert.ok(place, `number ${n}`);
    place.then(() => entered.push(n));
  }
  assert.equal(limiter.enter(), undefined);
  await Promise.resolve();
  assert.deepEqual([RUNNING_MAX, QUEUED_MAX, entered.length], [800, 500, 800]);
});

Deno.test("the limiter gives a free place to the call that waits longest, and that call's place in the queue to a new one", async () => {
  const limiter = new ConcurrencyLimiter();
  const entered: number[] = [];
  for (let n = 0; n < 1_300; n++) limiter.enter()!.then(() => entered.push(n));
  limiter.leave();
  limiter.leave();
  await Promise.resolve();
  assert.deepEqual(entered.slice(800), [800, 801]);
  assert.ok(limiter.enter());
  assert.ok(limiter.enter());
  assert.equal(limiter.enter(), undefined);
});

Deno.test("the limiter is empty again once all have left", async () => {
  const limiter = new ConcurrencyLimiter();
  for (let n = 0; n < 1_300; n++) limiter.enter();
  for (let n = 0; n < 1_300; n++) limiter.leave();
  let entered = 0;
  for (let n = 0; n < 800; n++) limiter.enter()!.then(() => entered++);
  await Promise.resolve();
  assert.equal(entered, 800);
});

Deno.test("health is answered once in 5 s, the next two calls wait for the next windows, more may come back later", () => {
  const window = new HealthWindow();
  assert.equal(window.enter(1_000), 0);
  assert.equal(window.enter(1_000), 5_000);
  assert.equal(window.enter(2_000), 9_000);
  // the queue has a place again when its first is answered, at 6,000
  assert.equal(window.enter(2_000), -4_000);
  assert.equal(window.enter(5_999), -1);
  assert.equal(window.enter(6_000), 10_000);
  assert.equal(window.enter(6_000), -5_000);
});

Deno.test("a caller that asks every 5 s gets health at once", () => {
  const window = new HealthWindow();
  for (const at of [0, 5_000, 10_000, 17_000, 22_000]) assert.equal(window.enter(at), 0);
  assert.equal(window.enter(26_999), 1);
});
