/**
 * What watching costs: the p99 of POST while three browsers show the live page and metrics of the cluster are scraped
 * every second, against without, in turn in one run so that the machine's moods hit both alike. The browsers run at idle
 * priority where `chrt` is there: those who watch do so from machines of their own.
 *
 *     deno task bench:watched [--rounds 9] [--seconds 8] [--users 200]
 * @module
 */
import { parseArgs } from "node:util";
import { findCaddy, startSystem } from "./graded/system.ts";
import { median } from "./graded/table.ts";
import { loadFor } from "./rounds.ts";

const BROWSERS = 3;
const SCRAPE_MS = 1_000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "8" },
    users: { type: "string", default: "200" },
  },
});
const [users, seconds] = [Number(values.users), Number(values.seconds)];
const caddy = await findCaddy();
const system = await startSystem({ fees: { default: 0.05, fallback: 0.15 } }, caddy);
const p99s: Record<"watched" | "alone", number[]> = { watched: [], alone: [] };
try {
  const url = system.addresses.router;
  console.log(`${values.rounds} rounds of twice ${seconds} s at ${users} requests/s`);
  const post = async () => (await loadFor(url, users, seconds)).p99Ms;
  const watched = async () => {
    const stop = await watch(url);
    return await post().finally(stop);
  };
  await post();
  for (let round = 1; round <= Number(values.rounds); round++) {
    // who comes second has the warmer machine: each does so every other time
    if (round % 2) p99s.alone.push(await post());
    p99s.watched.push(await watched());
    if (round % 2 === 0) p99s.alone.push(await post());
    const [alone, with3] = [p99s.alone.at(-1)!, p99s.watched.at(-1)!];
    console.log(`round ${round}  alone ${alone.toFixed(2)} ms  watched ${with3.toFixed(2)} ms  ${ratio(with3, alone)}`);
  }
} finally {
  await system.stop();
}
const [alone, watchedMs] = [median(p99s.alone), median(p99s.watched)];
console.log(`medians  alone ${alone.toFixed(2)} ms  watched ${watchedMs.toFixed(2)} ms  ${ratio(watchedMs, alone)}`);
const ratios = p99s.watched.map((p99, round) => p99 / p99s.alone[round]!);
console.log(`median of the rounds' ratios  ${median(ratios).toFixed(2)}`);

function ratio(one: number, other: number): string {
  return `× ${(one / other).toFixed(2)}`;
}

/** Opens the page in three browsers and begins to scrape; resolved once all of them show it. */
async function watch(url: string): Promise<() => Promise<void>> {
  const script = new URL("watched_browsers.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "-A", "--quiet", script, url, `${BROWSERS}`];
  const idle = await new Deno.Command("chrt", { args: ["--version"] }).output().then(() => true, () => false);
  const [program, ...args] = idle ? ["chrt", "--idle", "0", ...command] : command;
  const browsers = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped" }).spawn();
  const reader = browsers.stdout.getReader();
  if ((await reader.read()).done) throw new Error("no browser could be started");
  reader.releaseLock();
  const scraping = setInterval(() => {
    fetch(`${url}/metrics`).then((answer) => answer.body?.cancel()).catch(() => {});
  }, SCRAPE_MS);
  return async () => {
    clearInterval(scraping);
    await browsers.stdin.close();
    await browsers.stdout.cancel();
    await browsers.status;
  };
}
