/**
 * What watching costs: the p99 of POST while three browsers show the live page of the cluster and its metrics are
 * scraped every second. Beside it in every round, so that the machine's noise affects all of them alike: `alone`, where
 * the browsers show nothing; and `elsewhere`, where they watch another cluster on this machine, which is what browsers
 * cost that use the same cores. Watchers have machines of their own: what the router pays is `watched` ÷ `elsewhere`.
 * The browsers run at idle priority where `chrt` is there. Exit code 1 where that is above 1.05, or where pages or
 * scrapes stood still.
 *
 *     deno task bench:watched [--rounds 9] [--seconds 8] [--users 200]
 * @module
 */
import { parseOptions, runTask, whole } from "../tests/support/command_line.ts";
import { findCaddy, startSystem, SystemError } from "./graded/system.ts";
import { TextLineStream } from "./graded/lines.ts";
import { median } from "./graded/table.ts";
import { loadFor, ROUNDS_MAX, SECONDS_MAX, USERS_MAX } from "./rounds.ts";

const BROWSERS = 3;
const SCRAPE_MS = 1_000;
/** What watching may cost: the median of the rounds' ratios. */
const RATIO_MAX = 1.05;
const BLANK = "about:blank";
const MODES = ["alone", "elsewhere", "watched"] as const;

const HELP = `What three browsers on the live page and a scrape of metrics each second add to the p99 of POST.

Usage: deno task bench:watched [--rounds N] [--seconds N] [--users N]

  --rounds N   how many rounds [9]
  --seconds N  how long each of the three measurements of a round takes [8]
  --users N    virtual users, each of which sends about one payment a second [200]
  --help

Exit code 1: the p99 is more than ${RATIO_MAX} times that of browsers on another cluster.`;

const parse = (args: string[]) => {
  const values = parseOptions(args, {
    rounds: { type: "string", default: "9" },
    seconds: { type: "string", default: "8" },
    users: { type: "string", default: "200" },
  });
  return {
    help: values.help,
    rounds: whole("--rounds", values.rounds, 1, ROUNDS_MAX),
    seconds: whole("--seconds", values.seconds, 1, SECONDS_MAX),
    users: whole("--users", values.users, 1, USERS_MAX),
  };
};
const FEES = { default: 0.05, fallback: 0.15 };
type Plan = ReturnType<typeof parse>;

/** @returns the exit code */
async function main(plan: Plan): Promise<number> {
  const { rounds, users, seconds } = plan;
  const caddy = await findCaddy();
  const systems = [await startSystem({ fees: FEES }, caddy), await startSystem({ fees: FEES }, caddy)] as const;
  const [url, other] = systems.map(({ addresses }) => addresses.router) as [string, string];
  const browsers = startBrowsers();
  const pages = { alone: undefined, elsewhere: other, watched: url };
  const p99s = { alone: [], elsewhere: [], watched: [] } as Record<typeof MODES[number], number[]>;
  try {
    console.log(`${rounds} rounds of three times ${seconds} s at ${users} requests/s`);
    await loadFor(url, users, seconds);
    for (let round = 0; round < rounds; round++) {
      // the later one has the warmer machine: they alternate
      for (const i of MODES.keys()) {
        const mode = MODES[(round + i) % MODES.length]!;
        p99s[mode].push(await measure(plan, url, browsers, pages[mode]));
      }
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
  return met ? 0 : 1;
}

/** The p99 of POST at `url`, in milliseconds, while the browsers show the page of `watched`, if there is one. */
async function measure(
  { users, seconds }: Plan,
  url: string,
  browsers: ReturnType<typeof startBrowsers>,
  watched: string | undefined,
): Promise<number> {
  await browsers.show(watched ? `${watched}/` : BLANK);
  let scrapes = 0;
  const scraping = watched && setInterval(async () => {
    const answer = await fetch(`${watched}/metrics`).catch(() => undefined);
    if ((await answer?.text())?.includes("galo_http_requests_total")) scrapes++;
  }, SCRAPE_MS);
  const { p99Ms } = await loadFor(url, users, seconds).finally(() => clearInterval(scraping));
  const news = await browsers.show(BLANK);
  if (watched && (scrapes < seconds - 1 || news < seconds - 1)) {
    throw new Error(`in ${seconds} s there were ${scrapes} scrapes, and the slowest page was updated ${news} times`);
  }
  return p99Ms;
}

/** @returns `show`, resolved once all pages are there, to how many statuses the page before got */
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

await runTask({ name: "bench:watched", help: HELP, parse, run: main, expected: [SystemError] });
