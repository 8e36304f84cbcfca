/** What benchmarks share that load a whole cluster in turn. @module */
import { startLoad } from "./graded/generator.ts";
import { Latency, type LatencySummary } from "./graded/latency.ts";

/** The most that may be asked for: each virtual user has a connection, and a process may have 1,024 files open. */
export const ROUNDS_MAX = 1_000, SECONDS_MAX = 600, USERS_MAX = 900;

/**
 * The latency of POST with so many users, each of which sends one payment a second, over so many seconds.
 *
 * @throws where a request failed
 */
export async function loadFor(url: string, users: number, durationSeconds: number): Promise<LatencySummary> {
  const plan = { url, amount: 19.9, durationSeconds, users: { from: users, to: users }, thinkMs: 1_000 };
  const generator = startLoad(plan, () => {});
  const { histogram, failed } = await generator.done;
  await generator.stop();
  if (failed > 0) throw new Error(`${failed} requests failed`);
  const latency = new Latency();
  latency.addEncoded(histogram);
  return latency.summary();
}
