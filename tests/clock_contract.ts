/** The contract of every {@link Clock}, the system's or a virtual one. @module */
import assert from "node:assert/strict";
import type { Clock } from "../src/clock.ts";

/** A clock that goes on by itself until it is disposed of. */
export interface Going extends AsyncDisposable {
  readonly clock: Clock;
}

const TESTS: Readonly<Record<string, (clock: Clock) => Promise<void>>> = {
  async "now() is in whole milliseconds; monotonic() never goes back, and uptime() runs along with it"(
    clock,
  ) {
    const [now, ms, uptime] = [clock.now(), clock.monotonic(), clock.uptime()];
    assert.ok(Number.isSafeInteger(now));
    await new Promise<void>((resolve) => clock.after(2, resolve));
    const [wentMs, upMs] = [clock.monotonic() - ms, clock.uptime() - uptime];
    assert.ok(wentMs >= 2, `${wentMs} ms`);
    assert.ok(Math.abs(upMs - wentMs) < 1, `${upMs} ms of ${wentMs}`);
  },

  async "actions run once, in the order of their times, and not if they are cancelled"(clock) {
    const ran: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    // timers of the same length run in the order they were set
    clock.after(20, resolve);
    const tooLate = clock.after(1, () => ran.push("first"));
    const cancel = clock.after(1, () => ran.push("never"));
    clock.after(1, () => ran.push("second"));
    cancel();
    await promise;
    tooLate();
    assert.deepEqual(ran, ["first", "second"]);
  },

  async "soon() runs after every promise that is ready, in the order in which it was asked to"(clock) {
    const ran: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.soon(() => ran.push("soon"));
    clock.soon(() => {
      ran.push("then");
      resolve();
    });
    queueMicrotask(() => Promise.resolve().then(() => ran.push("promise")));
    ran.push("now");
    await promise;
    assert.deepEqual(ran, ["now", "promise", "soon", "then"]);
  },
};

/** Runs every test of the contract on a clock from `make`. */
export function testClock(name: string, make: () => Going, options = { ignore: false }): void {
  for (const [says, test] of Object.entries(TESTS)) {
    Deno.test(`${name}: ${says}`, options, async () => {
      await using going = make();
      await test(going.clock);
    });
  }
}
