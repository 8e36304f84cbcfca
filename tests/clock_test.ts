import assert from "node:assert/strict";
import { within } from "../src/clock.ts";
import { testClock } from "./clock_contract.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

for (const hops of [undefined, 12]) {
  testClock(hops ? "VirtualClock in microtasks" : "VirtualClock", () => {
    const clock = new VirtualClock(undefined, hops);
    return Object.assign(clock.running(), { clock });
  });
}

Deno.test("what comes within the time is handed on, and no timer is left", async () => {
  const clock = new VirtualClock();
  const work = Promise.withResolvers<string>();
  const result = within(clock, 100, work.promise);
  await clock.advance(99);
  work.resolve("done");
  assert.equal(await result, "done");
  assert.equal(clock.timers, 0);
});

Deno.test("what fails within the time is rejected, and no timer is left", async () => {
  const clock = new VirtualClock();
  await assert.rejects(within(clock, 100, Promise.reject(new Error("broken"))), { message: "broken" });
  assert.equal(clock.timers, 0);
});

Deno.test("what takes longer is undefined, and its end makes no difference any more", async () => {
  const clock = new VirtualClock();
  const work = Promise.withResolvers<string>();
  const result = within(clock, 100, work.promise);
  await clock.advance(100);
  assert.equal(await result, undefined);
  work.reject(new Error("too late"));
  await clock.settle();
  assert.equal(clock.timers, 0);
});
