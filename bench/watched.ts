/**
 * What watching costs: the p99 of POST while three browsers show the live page of the cluster and its metrics are scraped
 * every second. Beside it in every round, so that the machine's moods hit all alike: `alone`, where the browsers show
 * nothing; and `elsewhere`, where they watch another cluster on this machine, which is what browsers cost that draw on the
 * same cores. Watchers have machines of their own: what the router pays is `watched` ÷ `elsewhere`. The browsers run at
 * idle priority where `chrt` is there. Exit code 1 where that is above 1.05, or where pages or scrapes stood still.
 *
 *     deno task bench:watched [--rounds 9] [--seconds 8] [--users 200]
 * @module
 */
import { parseArgs } from "node:util";
import { findCaddy, startSystem } from "./graded/system.ts";
import { TextLineStream } from "./graded/lines.ts";
import { median } from "./graded/table.ts";
import { loadFor } from "./rounds.ts";

const BROWSERS = 3;
const SCRAPE_MS = 1_000;
/** What watching may cost: the median of the rounds' ratios. */
const RATIO_MAX = 1.05;
const BLANK = "about:blank";
const MODES = ["alone", "elsewhere", "watched"] as const;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "8" },
    users: { type: "string", default: "200" },
  },
});
const [rounds, users, seconds] = [Number(values.rounds), Number(values.users), Number(values.seconds)];
const caddy = await findCaddy();
const fees = { default: 0.05, fallback: 0.15 };
const systems = [await startSystem({ fees }, caddy), await startSystem({ fees }, caddy)] as const;
const [url, other] = systems.map(({ addresses }) => addresses.router) as [string, string];
const browsers = startBrowsers();
const p99s = { alone: [], elsewhere: [], watched: [] } as Record<typeof MODES[number], number[]>;
try {
  console.log(`${rounds} rounds of three times ${seconds} s at ${users} requests/s`);
  await loadFor(url, users, seconds);
  for (let round = 0; round < rounds; round++) {
    // the later one has the warmer machine: they alternate
    for (const i of MODES.keys()) await measure(MODES[(round + i) % MODES.length]!);
    const last = MODES.map((mode) => `${mode} ${p99s[mode].at(-1)!.toFixed(2)} ms`);
    console.log(`round ${round + 1}  ${last.join("  ")}`);
  }
} finally {
  await browsers.stop();
  for (const system of systems) await system.stop();
}
const cost = (beside: "alone" | "elsewhere") => median(p99s.watched.map((p99, i) => p99 / p99s[beside][i]!));
console.log(`medians  ${MODES.map((mode) => `${mode} ${median(p99s[mode]).toFixed(2)} ms`).join("  ")}`);
console.log(`watched ÷ alone      ${cost("alone").toFixed(3)}, the browsers' own share of the cores included`);
const met = cost("elsewhere") <= RATIO_MAX;
console.log(`watched ÷ elsewhere  ${cost("elsewhere").toFixed(3)}, ${met ? "at most" : "NOT at most"} ${RATIO_MAX}`);
Deno.exit(met ? 0 : 1);

async function measure(mode: typeof MODES[number]): Promise<void> {
  const watched = { alone: undefined, elsewhere: other, watched: url }[mode];
  await browsers.show(watched ? `${watched}/` : BLANK);
  let scrapes = 0;
  const scraping = watched && setInterval(async () => {
    const answer = await fetch(`${watched}/metrics`).catch(() => undefined);
    if ((await answer?.text())?.includes("galo_http_requests_total")) scrapes++;
  }, SCRAPE_MS);
  const { p99Ms } = await loadFor(url, users, seconds).finally(() => clearInterval(scraping));
  p99s[mode].push(p99Ms);
  const news = await browsers.show(BLANK);
  if (watched && (scrapes < seconds - 1 || news < seconds - 1)) {
    throw new Error(`in ${seconds} s there were ${scrapes} scrapes, and the slowest page was told ${news} times`);
  }
}

/** @returns `show`, resolved once all pages are there, to how often the page before was told something */
function startBrowsers() {
  const script = new URL("watched_browsers.ts", import.meta.url).pathname;
  const command = [Deno.execPath(), "run", "-A", "--quiet", script, `${BROWSERS}`];
  const idle = new Deno.Command("sh", { args: ["-c", "command -v chrt"] }).outputSync().success;
  const [program, ...args] = idle ? ["chrt", "--idle", "0", ...command] : command;
  const process = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped" }).spawn();
  const said = process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  const lines = said[Symbol.asyncIterator]();
  const commands = process.stdin.getWriter();
  return {
    async show(url: string): Promise<number> {
      await commands.write(new TextEncoder().encode(`${url}\n`));
      const { value, done } = await lines.next();
      if (done) throw new Error("the browsers ended");
      return Number(value);
    },
    async stop() {
      await commands.close();
      await process.status;
    },
  };
}
