/** Both processors, in the test's own process, so that their books can be read. @module */
import { startStandIn } from "../../src/local/standin.ts";
import type { Processor } from "../../src/payment/fact.ts";

type StandIn = Awaited<ReturnType<typeof startStandIn>>;

/** Starts a stand-in on a free port. */
export function standInOf(processor: Processor): Promise<StandIn> {
  return startStandIn({ port: 0, feeRate: processor === "default" ? 0.05 : 0.15 });
}

/** Starts both. */
export async function bothStandIns(): Promise<Record<Processor, StandIn>> {
  return { default: await standInOf("default"), fallback: await standInOf("fallback") };
}
