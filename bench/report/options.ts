/** The command line of `deno task bench:report`. @module */
import { parseOptions as parse, whole } from "../../tests/support/command_line.ts";

const SECONDS_MAX = 600;
/** Each virtual user has a connection of its own, and a process may have 1,024 files open. */
const USERS_MAX = 900;
const PROCESSOR_MS_MAX = 10_000;
const TARGET_MS_MAX = 10_000;

/** What was asked for. */
export interface Options {
  readonly help: boolean;
  readonly seconds: number;
  /** payments a second: virtual users, each of which sends about one */
  readonly rate: number;
  readonly processorMs: number;
  readonly targetMs: number;
  /** where the report goes; a folder named for the time, if not said */
  readonly out: string | undefined;
}

export const HELP = `The bottleneck report: where the milliseconds of a graded run go, and what to look at first.

Usage: deno task bench:report [OPTIONS]

  --seconds N        how long the load lasts [30]
  --rate N           payments a second, about: as many virtual users, which sleep 1 s after each answer [300]
  --processor-ms N   how long both processors take to answer [20]
  --target N         the p99 to compare with, in milliseconds [11]
  --out DIR          where report.md, report.html and figures.json go [bench/out/report-<time>]
  --help

Starts stand-in processors, Postgres, two replicas and Caddy, each a process of its own; settings of
the replicas come from the environment (MAX_IN_FLIGHT=1 deno task bench:report). It needs a Caddy of 2.11 or later: on the
PATH, or where GALO_CADDY says. CPU and memory come from /proc, so it needs Linux for those.

How it measures. The load is that of bench:graded: a closed loop in a process of its own, latencies in steps below 1 µs,
corrected for nothing. Beside it 50 requests a second GET /livez, half of them through Caddy and half directly at a
replica's socket, and once a second processes, connections and /readyz are looked at: that is part of what it measures.
What replicas say of themselves is what their /metrics grew by: medians and p99 are interpolated between two bounds.
`;

/**
 * Reads the command line.
 *
 * @throws OptionsError naming the option and its value
 */
export function parseOptions(args: string[]): Options {
  const values = parse(args, OPTIONS);
  return {
    help: values.help,
    seconds: whole("--seconds", values.seconds, 1, SECONDS_MAX),
    rate: whole("--rate", values.rate, 1, USERS_MAX),
    processorMs: whole("--processor-ms", values["processor-ms"], 0, PROCESSOR_MS_MAX),
    targetMs: whole("--target", values.target, 1, TARGET_MS_MAX),
    out: values.out,
  };
}

const OPTIONS = {
  seconds: { type: "string", default: "30" },
  rate: { type: "string", default: "300" },
  "processor-ms": { type: "string", default: "20" },
  target: { type: "string", default: "11" },
  out: { type: "string" },
} as const;
