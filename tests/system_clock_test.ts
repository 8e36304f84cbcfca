import assert from "node:assert/strict";
import { bootNumber, systemClock } from "../src/system_clock.ts";
import { testClock } from "./clock_contract.ts";
import { needs } from "./support/permissions.ts";

const real = needs("read", "sys");

testClock("systemClock", () => ({ clock: systemClock, [Symbol.asyncDispose]: () => Promise.resolve() }), real);

Deno.test(
  "the machine's uptime is the system's, and a boot has one number",
  real,
  () => {
    const uptime = systemClock.uptime();
    assert.ok(Math.abs(uptime / 1_000 - Deno.osUptime()) < 2, `${uptime} ms`);
    assert.ok(Number.isSafeInteger(bootNumber()) && bootNumber() > 0);
    assert.equal(bootNumber(), bootNumber());
  },
);
