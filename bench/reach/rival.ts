/**
 * The policy of the challenge's winner, on the model of `deno task plan`: a processor that fails gets nothing; the
 * default where it answers within 120 ms, or unless the fallback is three times as fast. What is known of them comes
 * from
 * `service-health`, every 5 s, and from a call that fails.
 * @module
 */
import { Prng } from "../../tests/simulation/prng.ts";
import { HOPS } from "../../tests/simulation/clock.ts";
import { VirtualClock } from "../../tests/support/virtual_clock.ts";
import type { Processor } from "../../src/payment/fact.ts";
import type { Scenario } from "../graded/scenario.ts";
import { drive, END_MS, idOf, ModelProcessor } from "../plan/model.ts";

const FAST_MS = 120;
const TIMES_FASTER = 3;
const POLL_MS = 5_000;
/** Pause until a payment that neither processor takes is tried again, in milliseconds. */
const RETRY_MS = 100;

interface Known {
  failing: boolean;
  ms: number;
}

/** Where a payment goes by what is known; nowhere where both fail. */
function choose(known: Readonly<Record<Processor, Known>>): Processor | undefined {
  const { default: first, fallback: second } = known;
  if (first.failing) return second.failing ? undefined : "fallback";
  if (first.ms < FAST_MS || second.failing) return "default";
  return TIMES_FASTER * second.ms < first.ms ? "fallback" : "default";
}

/** What it books. */
export async function rival(scenario: Scenario, seed: number): Promise<{
  readonly accepted: number;
  readonly booked: Readonly<Record<Processor, { readonly count: number; readonly cents: number }>>;
}> {
  const clock = new VirtualClock(undefined, HOPS);
  const prng = new Prng(seed);
  const processors = { default: new ModelProcessor(clock, prng), fallback: new ModelProcessor(clock, prng) };
  const known = { default: { failing: false, ms: 0 }, fallback: { failing: false, ms: 0 } };
  const poll = () => {
    for (const name of ["default", "fallback"] as const) {
      const { failing, delayMs } = processors[name].state;
      known[name] = { failing, ms: delayMs };
    }
    clock.after(POLL_MS, poll);
  };
  poll();
  const send = async (id: string): Promise<void> => {
    const to = choose(known);
    if (!to) return void clock.after(RETRY_MS, () => send(id));
    const order = { id, cents: scenario.amount, requestedAt: clock.now() };
    const { kind } = await processors[to].pay(order);
    if (kind === "booked") return;
    if (kind === "refused-as-far-as-known") known[to].failing = true;
    clock.after(RETRY_MS, () => send(id));
  };
  let accepted = 0;
  drive(scenario, clock, processors, () => void send(idOf(++accepted)));
  await clock.pass(1_000 * scenario.durationSeconds + END_MS);
  return { accepted, booked: { default: processors.default.totals.all, fallback: processors.fallback.totals.all } };
}
