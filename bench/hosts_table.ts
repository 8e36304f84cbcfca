/** The page of what a log on three hosts costs. Pure. @module */
import { median } from "./graded/table.ts";
import { lines } from "./reach/markdown.ts";

/** One system at a steady rate for some seconds; times in milliseconds. */
export interface Slice {
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** One system at one rate. */
export interface Step extends Slice {
  /** payments a second that were asked for */
  readonly rate: number;
  readonly acceptedPerSecond: number;
  readonly failed: number;
  /** from the end of the load until nothing was pending */
  readonly settleMs: number;
  /** false: it gives in here */
  readonly holds: boolean;
}

/** Everything that was measured. */
export interface HostsResults {
  readonly machine: string;
  /** the version of the NATS servers */
  readonly servers: string;
  /** the nth of each in the same round */
  readonly slices: Readonly<Record<"file" | "hosts", readonly Slice[]>>;
  readonly steps: Readonly<Record<"file" | "hosts", readonly Step[]>>;
  /** of a payment, at each server: in the stream, in its whole folder with what Raft keeps, and on its heap */
  readonly bytes: {
    readonly payments: number;
    readonly stream: number;
    readonly disk: number;
    readonly heap: number;
  };
  /** how long nothing was acknowledged, each time the leader's host died */
  readonly deathSeconds: readonly number[];
}

const NAMES = { file: "the file, two replicas", hosts: "three hosts" } as const;
const SYSTEMS = ["file", "hosts"] as const;

/** The page, in Markdown. */
export function hostsTable({ machine, servers, slices, steps, bytes, deathSeconds }: HostsResults): string {
  const medians = (of: "medianMs" | "p99Ms") => SYSTEMS.map((name) => median(slices[name].map((one) => one[of])));
  const ratio = (of: "medianMs" | "p99Ms") =>
    median(slices.hosts.map((one, round) => one[of] / slices.file[round]![of])).toFixed(2);
  const rounds = slices.hosts.map((_, round) => [
    `${round + 1}`,
    ...SYSTEMS.flatMap((name) => [slices[name][round]!.medianMs.toFixed(2), slices[name][round]!.p99Ms.toFixed(2)]),
  ]);
  return `# What a log on three hosts costs

Written by \`deno task bench:hosts\`; the figures behind it are in hosts.json. Measured on ${machine}, NATS server
${servers}. The three hosts are network namespaces of this machine: a network between real ones adds its round trips, while
here all servers, replicas, processors and the load share these cores.

## The time of POST

A steady 300 payments a second, 5 s each in alternating order, no load balancer; medians of ${slices.hosts.length} rounds.

${
    lines(["log", "p50, ms", "p99, ms"], [
      ...SYSTEMS.map((name, i) => [NAMES[name], medians("medianMs")[i]!.toFixed(2), medians("p99Ms")[i]!.toFixed(2)]),
      ["three hosts ÷ the file, median of the rounds' ratios", ratio("medianMs"), ratio("p99Ms")],
    ])
  }
${lines(["round", "file p50, ms", "p99", "hosts p50, ms", "p99"], rounds)}
## Where it gives in

Ever higher rates, 5 s each: too much is a p99 above 100 ms, a request that fails, fewer than 85 % of the payments that
were asked for, or not everything settled 2 s after the end. A rate that is too much is tried once more.

${
    lines(
      ["log", "asked for, 1/s", "taken, 1/s", "p50, ms", "p99, ms", "failed", "all settled after, ms", ""],
      SYSTEMS.flatMap((name) =>
        steps[name].map((step) => [
          NAMES[name],
          ...[step.rate, step.acceptedPerSecond, step.medianMs.toFixed(2), step.p99Ms.toFixed(2), step.failed].map(
            String,
          ),
          `${step.settleMs}`,
          step.holds ? "holds" : "**gives in**",
        ])
      ),
    )
  }
## What a payment takes

At each of the three servers, over ${bytes.payments} payments that are accepted, dispatched and settled.

${
    lines(["where", "bytes a payment"], [
      ["the stream", `${bytes.stream}`],
      ["the server's folder, with what Raft keeps for a while", `${bytes.disk}`],
      ["the server's heap", `${bytes.heap}`],
    ])
  }
## What a dead leader costs

The host of the stream's leader is killed, server and replica, while a payment comes in every 10 ms at the other two. The
longest time without an acknowledgement there: ${deathSeconds.map((seconds) => seconds.toFixed(1)).join(", ")} s.
`;
}
