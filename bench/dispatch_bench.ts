/** What it costs to decide where a payment goes, beside a decision that looks at nothing but whether the default is up. */
import { type ProcessorView, route, type RouteLimits } from "../src/routing/route.ts";
import { CircuitBreaker } from "../src/routing/circuit_breaker.ts";
import { systemClock } from "../src/system_clock.ts";

const limits: RouteLimits = { patienceMs: 75_000, slowMs: 1_200, maxInFlight: 300 };
const up: ProcessorView = { available: true, full: false, latencyMs: 5, stalled: false, inFlight: 10, probeDue: false };
const down: ProcessorView = { ...up, available: false };
const health = new CircuitBreaker(systemClock, Math.random);
for (let call = 0; call < 100; call++) health.begin();

Deno.bench("route(), default up", { group: "route", baseline: true }, () => {
  route(10, { default: up, fallback: up }, limits, 100);
});
Deno.bench("route(), default refusing", { group: "route" }, () => {
  route(10, { default: down, fallback: up }, limits, 100);
});
Deno.bench("up ? default : fallback", { group: "route" }, () => {
  ({ send: up.available ? "default" : "fallback" });
});
Deno.bench("view() of a processor with 100 calls in flight", { group: "view", baseline: true }, () => {
  health.view();
});
Deno.bench("a copy of a view", { group: "view" }, () => {
  ({ ...up });
});
