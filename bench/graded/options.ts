/** The command line of `deno task bench:graded`. @module */
import { OptionsError, parseOptions as parse, whole } from "../../tests/support/command_line.ts";
import type { Addresses } from "./api.ts";

const RUNS_MAX = 20;
/** The load is for this machine only. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** What was asked for. */
export interface Options {
  readonly help: boolean;
  /** `preview`, `final`, or the path of a JSON file */
  readonly scenario: string;
  /** something that runs already */
  readonly addresses: Addresses | undefined;
  readonly runs: number;
  readonly floor: boolean;
  /** where results go; a folder named for the time, if not said */
  readonly out: string | undefined;
  readonly participant: string;
}

export const HELP = `The graded run of CONTRACT.md on this machine: load, outages, audits, score.

Usage: deno task bench:graded [OPTIONS]

  --scenario NAME      preview (60 s, 550 users), final (300 s, 603 users), or the path of a .json file [preview]
  --runs N             how many runs, each on a fresh system; medians at the end [1]
  --floor              first the same load against a static 202 of the same Caddy; p99 then also as a ratio to it
  --out DIR            where results.json, report.html and run.json go [bench/out/<time>]
  --participant NAME   the name in the result [galo]
  --url URL            grade a router that runs there, instead of starting processors, Postgres, replicas and Caddy;
                       loopback only, and needs the addresses of its two processors:
  --default-url URL    the default processor, with its admin API
  --fallback-url URL   the fallback processor, likewise
  --help

Environment: GALO_CADDY=PATH takes that Caddy instead of the one on the PATH. Without any, the replicas share the port.
A scenario file has the fields of those in bench/scenarios/.

How it measures. The load generator is a process of its own: one keep-alive TCP connection a virtual user, closed loop,
1 s of sleep after each answer. A latency is the time from just before a request is written until the last byte of its
answer is read; opening a connection is not part of it. The clock is the monotonic one of the system, read through
performance.now() in steps below 1 µs (the step seen is in run.json); what the generator's one thread is busy with when
an answer arrives adds to it, and is shown as its own lag. Histograms keep three significant digits and are corrected
for nothing: no coordinated omission is made up for. p99 is over every successful HTTP request of the run, the bench's
own purges, outages and audits included, because the grader's is.
`;

/**
 * Reads the command line.
 *
 * @throws OptionsError naming the option and its value
 */
export function parseOptions(args: string[]): Options {
  const values = parse(args, OPTIONS);
  const urls = [values.url, values["default-url"], values["fallback-url"]];
  const given = urls.filter((url) => url !== undefined).length;
  if (given !== 0 && given !== urls.length) {
    throw new OptionsError("--url, --default-url and --fallback-url: say all three or none");
  }
  return {
    help: values.help,
    scenario: values.scenario,
    runs: whole("--runs", values.runs, 1, RUNS_MAX),
    floor: values.floor,
    participant: values.participant,
    out: values.out,
    addresses: given === 0 ? undefined : {
      router: loopback("--url", values.url!),
      processors: {
        default: loopback("--default-url", values["default-url"]!),
        fallback: loopback("--fallback-url", values["fallback-url"]!),
      },
    },
  };
}

const OPTIONS = {
  scenario: { type: "string", default: "preview" },
  runs: { type: "string", default: "1" },
  floor: { type: "boolean", default: false },
  out: { type: "string" },
  participant: { type: "string", default: "galo" },
  url: { type: "string" },
  "default-url": { type: "string" },
  "fallback-url": { type: "string" },
} as const;

function loopback(option: string, text: string): string {
  const url = URL.parse(text);
  if (!url || url.protocol !== "http:") throw new OptionsError(`${option}: ${JSON.stringify(text)} is no http URL`);
  if (!LOOPBACK.test(url.hostname)) {
    throw new OptionsError(`${option}: ${url.hostname} is not this machine, and the load is for loopback only`);
  }
  return url.origin;
}
