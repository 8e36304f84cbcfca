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
  const { failed, latency } = await loadAll([url], users, durationSeconds);
  if (failed > 0) throw new Error(`${failed} requests failed`);
  return latency;
}

/** The result of a load. */
export interface Loaded {
  readonly failed: number;
  /** of those that did not fail */
  readonly latency: LatencySummary;
}

/** The same on several addresses at once, each with its part of the users, who think for so long after each answer. */
export async function loadAll(
  urls: readonly string[],
  users: number,
  durationSeconds: number,
  thinkMs = 1_000,
): Promise<Loaded> {
  const latency = new Latency();
  let failed = 0;
  await Promise.all(urls.map(async (url, i) => {
    // whole users
    const part = Math.floor(users * (i + 1) / urls.length) - Math.floor(users * i / urls.length);
    const plan = { url, amount: 19.9, durationSeconds, users: { from: part, to: part }, thinkMs };
    const generator = startLoad(plan, () => {});
    const done = await generator.done;
    await generator.stop();
    failed += done.failed;
    latency.addEncoded(done.histogram);
  }));
  return { failed, latency: latency.summary() };
}
