/** Both processors, in the test's own process, so that their books can be read. @module */
import { startStandIn } from "../../src/local/standin.ts";
import type { Processor } from "../../src/payment/fact.ts";

type StandIn = Awaited<ReturnType<typeof startStandIn>>;

/** Starts a stand-in on a free port. @param hostname another address than loopback */
export function standInOf(processor: Processor, hostname?: string): Promise<StandIn> {
  return startStandIn({ port: 0, feeRate: processor === "default" ? 0.05 : 0.15, ...hostname && { hostname } });
}

/** Starts both. */
export async function bothStandIns(hostname?: string): Promise<Record<Processor, StandIn>> {
  return { default: await standInOf("default", hostname), fallback: await standInOf("fallback", hostname) };
}
