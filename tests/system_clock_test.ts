import assert from "node:assert/strict";
import { bootNumber, systemClock } from "../src/system_clock.ts";
import { needs } from "./support/permissions.ts";

Deno.test("the system's time is a whole number of milliseconds, its monotonic time goes on", () => {
  assert.ok(Number.isSafeInteger(systemClock.now()));
  const before = systemClock.monotonic();
  assert.ok(systemClock.monotonic() >= before);
});

Deno.test("what was asked for later runs once, and not when it is called off", async () => {
  const ran: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const tooLate = systemClock.after(1, () => ran.push("first"));
  const cancel = systemClock.after(1, () => ran.push("never"));
  // timers of the same length run in the order they were set
  systemClock.after(1, resolve);
  cancel();
  await promise;
  tooLate();
  assert.deepEqual(ran, ["first"]);
});

Deno.test("soon() runs after every promise that is ready", async () => {
  const ran: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  systemClock.soon(() => {
    ran.push("soon");
    resolve();
  });
  queueMicrotask(() => Promise.resolve().then(() => ran.push("promise")));
  ran.push("now");
  await promise;
  assert.deepEqual(ran, ["now", "promise", "soon"]);
});

Deno.test(
  "the machine's uptime goes on with the monotonic time, and a boot has one number",
  needs("read", "sys"),
  () => {
    const [uptime, monotonic] = [systemClock.uptime(), systemClock.monotonic()];
    assert.ok(Math.abs(uptime / 1_000 - Deno.osUptime()) < 2, `${uptime} ms`);
    assert.ok(systemClock.uptime() - uptime <= systemClock.monotonic() - monotonic + 1);
    assert.ok(Number.isSafeInteger(bootNumber()) && bootNumber() > 0);
    assert.equal(bootNumber(), bootNumber());
  },
);
