/** The results of the rounds of a steady load. Pure. @module */
import { median } from "../graded/table.ts";
import { counts, type Round, type Slice, SLICE_S, type Steady, STEAL_MAX } from "./steady.ts";
import { lines, type Row } from "./markdown.ts";

/** The system that the others are compared with. */
const BASE = "trivial";
const OURS = "galo";
/** The goals. */
const P99_RATIO_MAX = 1.5;
const REPLICAS_US_MAX = 950;
const CPU_RATIO_MAX = 1.4;
const NAMES: Readonly<Record<string, string>> = {
  floor: "static answer of Caddy",
  trivial: "two trivial replicas behind our Caddyfile",
  calling: "the same, and one call a payment",
  least: "a router with a log and none of Galo's promises",
  galo: "Galo",
  before: "Galo at",
};
const REPLICAS = ["a", "b"];

/** One system over the rounds that count: medians, times in milliseconds, CPU in microseconds a payment. */
export interface Outcome {
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  /** p99 ÷ the trivial replicas': the median of the rounds' ratios, and the ratio of the medians */
  readonly ratio: number;
  readonly ratioOfMedians: number;
  readonly cpuUs: number;
  readonly caddyUs: number;
  readonly replicasUs: number;
  readonly databaseUs: number;
  readonly failed: number;
}

/** Each system's figures, by its name, from the rounds that count; undefined where none does. */
export function outcomes({ rounds }: Pick<Steady, "rounds">): Readonly<Record<string, Outcome>> | undefined {
  const good = rounds.filter(counts);
  if (good.length === 0) return undefined;
  const names = Object.keys(NAMES).filter((name) => good[0]!.slices[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, outcome(good, name)]));
}

function outcome(rounds: readonly Round[], name: string): Outcome {
  const mid = (of: (slice: Slice) => number, system = name) => median(rounds.map(({ slices }) => of(slices[system]!)));
  const cpu = (is: (container: string) => boolean) => ({ cpuUs }: Slice) =>
    Object.entries(cpuUs).reduce((sum, [container, us]) => is(container) ? sum + us : sum, 0);
  const p99 = ({ p99Ms }: Slice) => p99Ms;
  return {
    medianMs: mid(({ medianMs }) => medianMs),
    p90Ms: mid(({ p90Ms }) => p90Ms),
    p99Ms: mid(p99),
    ratio: median(rounds.map(({ slices }) => slices[name]!.p99Ms / slices[BASE]!.p99Ms)),
    ratioOfMedians: mid(p99) / mid(p99, BASE),
    cpuUs: mid(cpu(() => true)),
    caddyUs: mid(cpu((container) => container === "caddy")),
    replicasUs: mid(cpu((container) => REPLICAS.includes(container))),
    databaseUs: mid(cpu((container) => container === "db")),
    failed: rounds.reduce((sum, { slices }) => sum + slices[name]!.failed, 0),
  };
}

/** The goals at a steady load, and the results. */
export function steadyRows(steady: Steady): Row[] {
  const all = outcomes(steady);
  if (!all) return [];
  const [ours, base] = [all[OURS]!, all[BASE]!];
  const at = `at a steady ${steady.rate}/s`;
  const cpu = ours.cpuUs / base.cpuUs;
  // older results do not have it
  const { least } = all;
  const beside = (ratio: (one: Outcome) => number) =>
    least ? `; ${ratio(least).toFixed(2)} for the router without promises` : "";
  return [
    [
      `p99 of POST ${at} ÷ the trivial replicas'`,
      `≤ ${P99_RATIO_MAX}`,
      `${ours.ratio.toFixed(2)} (of the medians ${ours.ratioOfMedians.toFixed(2)})${beside(({ ratio }) => ratio)}`,
      ours.ratio <= P99_RATIO_MAX,
    ],
    [
      `CPU of both replicas a payment ${at}`,
      `≤ ${REPLICAS_US_MAX} µs`,
      `${ours.replicasUs.toFixed(0)} µs`,
      ours.replicasUs <= REPLICAS_US_MAX,
    ],
    [
      `CPU of all containers a payment ${at} ÷ the trivial system's`,
      `≤ ${CPU_RATIO_MAX}`,
      `${cpu.toFixed(2)}${beside(({ cpuUs }) => cpuUs / base.cpuUs)}`,
      cpu <= CPU_RATIO_MAX,
    ],
  ];
}

/** All systems side by side, and each round. */
export function steadySections(steady: Steady): string {
  const { rate, rounds, before } = steady;
  const good = rounds.filter(counts).length;
  const all = Object.entries(outcomes(steady) ?? {});
  const titled = (name: string) => name === "before" ? `${NAMES.before} ${before}` : NAMES[name]!;
  const head = [
    ...["system", "median ms", "p90", "p99", "p99 ÷ trivial: median of ratios, ratio of medians"],
    ...["CPU a payment, µs", "of it Caddy", "replicas", "Postgres", "failed"],
  ];
  const us = (value: number) => value > 0 ? value.toFixed(0) : "–";
  return `
## A steady ${rate} payments a second, side by side

All systems are up and warm and loaded in turn, ${SLICE_S} s each, in an order that is drawn anew each round; a second before, in
which connections are opened, is not counted. Medians over the ${good} of ${rounds.length} rounds that count: in the others the host took
more than ${100 * STEAL_MAX} % of the machine's time. CPU is from the containers' own accounts.

${
    lines(
      head,
      all.map(([name, one]) => [
        titled(name),
        ...[one.medianMs, one.p90Ms, one.p99Ms].map((ms) => ms.toFixed(2)),
        `${one.ratio.toFixed(2)}, ${one.ratioOfMedians.toFixed(2)}`,
        ...[one.cpuUs, one.caddyUs, one.replicasUs, one.databaseUs].map(us),
        `${one.failed}`,
      ]),
    )
  }
${roundsTable(rounds, titled)}`;
}

function roundsTable(rounds: readonly Round[], titled: (name: string) => string): string {
  const names = Object.keys(NAMES).filter((name) => rounds[0]?.slices[name] !== undefined);
  return lines(
    ["round", ...names.map((name) => `p99 of ${titled(name)}, ms (steal, %)`), "counts"],
    rounds.map((round, n) => [
      `${n + 1}`,
      ...names.map((name) => {
        const { p99Ms, steal } = round.slices[name]!;
        return `${p99Ms.toFixed(2)} (${(100 * steal).toFixed(1)})`;
      }),
      counts(round) ? "yes" : "no",
    ]),
  );
}
