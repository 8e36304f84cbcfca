/** The page of results, as Markdown. Pure. @module */
import { median, whole } from "../graded/table.ts";
import { lines, type Row } from "./markdown.ts";
import type { AnswersOnly, GradedRun } from "./measure.ts";
import { LEVELS, LIMIT_MS, type Results } from "./results.ts";
import { byStall, inSeconds, medianBack, type Stall, type StallRuns } from "./stall.ts";
import { steadyRows, steadySections } from "./steady_table.ts";

/** How many seconds after a stall everything must be as before. */
const BACK_S = 2;

/** The whole page. */
export function table(results: Results): string {
  const { steady, preview, final, unseen, stall } = results;
  const all = Object.values(steady ?? {});
  const rows = [
    ...all.flatMap(steadyRows),
    ...previewRows(results),
    ...finalRows(results),
    ...unseenRows(results),
    ...otherRows(results),
  ];
  return `# How close to the floor

Written by \`deno task bench:reach\`; the figures behind it are in reach.json. Measured on
${results.machine}. Load generator, processors, Docker's proxy and the containers
(1.5 CPUs and 350 MB for each system) share these cores, so these are ratios and shares, not what the challenge's machine
would show.

## Goals and results

${targets(rows)}
${all.map(steadySections).join("\n")}${stall ? stallSection(stall) : ""}${
    preview || final || unseen
      ? `
## Graded runs

${runsTable(results)}
p99 is over every successful request, the score the challenge's formula; the official fields of each run are in reach.json.
What they are not: the challenge's machine has six cores for what two do here, its processors are not these stand-ins, and
k6 is another load generator.
`
      : ""
  }`;
}

function targets(rows: readonly Row[]): string {
  return lines(
    ["what", "reach", "measured", ""],
    rows.map(([what, reach, measured, reached]) => {
      return [what, reach, measured, reach === "" ? "" : reached ? "reached" : "**not reached**"];
    }),
  );
}

/** Every graded run, and the medians. */
function runsTable({ preview, final, unseen }: Results): string {
  const groups: [string, readonly GradedRun[]][] = [
    ...LEVELS.map((ack): [string, readonly GradedRun[]] => [`preview, ACK=${ack}`, preview?.[ack] ?? []]),
    ["final", final?.runs ?? []],
    ...(unseen ?? []).map(({ seed, run }): [string, GradedRun[]] => [`outages of seed ${seed}`, [run]]),
  ];
  const cells = ({ p99Ms, default: first, fallback, lag, failed, audits, inconsistencies, official }: GradedRun) => [
    `${p99Ms.toFixed(2)} ms`,
    whole(first),
    whole(fallback),
    `${lag}`,
    `${failed}`,
    `${audits}, off by ${inconsistencies}`,
    whole(Math.round(official.total_liquido)),
  ];
  const rows = groups.flatMap(([name, runs]) => {
    const rows = runs.map((run, n) => [runs.length > 1 ? `${name} ${n + 1}` : name, ...cells(run)]);
    if (runs.length < 2) return rows;
    const mid = (of: (run: GradedRun) => number) => median(runs.map(of));
    const middle = [
      `${mid((run) => run.p99Ms).toFixed(2)} ms`,
      ...[mid((run) => run.default), mid((run) => run.fallback)].map(whole),
      `${mid((run) => run.lag)}`,
      `${mid((run) => run.failed)}`,
      "",
      whole(Math.round(mid(({ official }) => official.total_liquido))),
    ];
    return [...rows, [`**${name}, median**`, ...middle]];
  });
  return lines(["run", "p99", "default", "fallback", "lag", "failed", "audits", "score"], rows);
}

function previewRows({ preview }: Results): Row[] {
  if (!preview) return [];
  const { log, store, trivial, floor } = preview;
  const ratio = (of: keyof AnswersOnly, to: readonly AnswersOnly[]) =>
    median(log.map((run, n) => run[of] / to[n]![of]));
  const p99 = median(log.map(({ p99Ms }) => p99Ms));
  const drain = ratio("drainP99Ms", trivial);
  return [
    [`p99 of the whole preview`, "< 10 ms", `${p99.toFixed(2)} ms (${list(log)})`, p99 < 10],
    [
      "p99 in the 30 s after its outage ÷ the trivial replicas'",
      "≤ 1.5",
      `${drain.toFixed(2)}; ÷ the static answer's ${ratio("drainP99Ms", floor).toFixed(2)}`,
      drain <= 1.5,
    ],
    [
      "p99 of the whole preview ÷ the trivial replicas'",
      "",
      `${ratio("p99Ms", trivial).toFixed(2)}; ÷ the static answer's ${ratio("p99Ms", floor).toFixed(2)}`,
      true,
    ],
    ["the same at ACK=store", "", `${list(store)} ms`, true],
    carried("preview, ACK=log", log, 99.9, 0),
    carried("preview, ACK=store", store, 99.9, 0),
  ];
}

function finalRows({ final }: Results): Row[] {
  if (!final) return [];
  const { runs, ours, rivals } = final;
  const p99 = median(runs.map(({ p99Ms }) => p99Ms));
  const more = 100 * (ours / rivals - 1);
  const cores = median(runs.map((run) => run.cores));
  const throttled = Math.max(...runs.map((run) => run.throttled));
  const memory = median(runs.map((run) => run.memoryMiB));
  const files = median(runs.map((run) => run.filesMiB));
  const scores = runs.map(({ official }) => official.total_liquido);
  return [
    carried("final", runs, 80, 0.2),
    ["p99 of the whole final", "< 10 ms", `${p99.toFixed(2)} ms (${list(runs)})`, p99 < 10],
    ["score of the final", "", whole(Math.round(median(scores))), true],
    [
      "final at equal p99, against the winner's policy (both on the model)",
      "≥ 0.5 % more",
      `${more.toFixed(2)} %`,
      more >= 0.5,
    ],
    [
      "CPU of both replicas, Caddy and Postgres over the final",
      "≤ 0.6 cores",
      `${cores.toFixed(2)} (${shares(runs[0]!.cpuByContainer, 2)})`,
      cores <= 0.6,
    ],
    ["the most throttled second of any of them", "≤ 10 % of periods", percent(throttled), throttled <= 0.1],
    [
      "memory of all four at the end of the final",
      "≤ 230 MB",
      `${memory.toFixed(0)} MiB (${shares(runs[0]!.memoryByContainer, 0)}), of it ${
        files.toFixed(0)
      } of programs' and other files`,
      memory * 1.048576 <= 230,
    ],
  ];
}

function unseenRows({ unseen }: Results): Row[] {
  return (unseen ?? []).map(({ seed, run, ours, best }) => {
    const behind = 100 * (1 - ours / best);
    return [
      `outages of seed ${seed}`,
      "no audit fails, within 1 % of plan's best",
      `${run.inconsistencies} off in ${run.audits} audits, lag ${run.lag}; ${behind.toFixed(2)} % behind`,
      run.inconsistencies === 0 && behind <= 1,
    ];
  });
}

function otherRows({ rates, kept, stall, cold }: Results): Row[] {
  const rows: Row[] = [];
  if (rates) {
    const good = rates.filter(({ p99Ms, failed }) => p99Ms < LIMIT_MS && failed === 0).at(-1);
    const last = rates.at(-1)!;
    const first = Object.entries(last.cpuByContainer).map(([name, cores]) => `${name} ${cores.toFixed(2)}`).join(", ");
    rows.push([
      `highest steady rate with p99 under ${LIMIT_MS} ms`,
      "stated",
      `${good?.rate ?? 0}/s; at ${last.rate}/s p99 is ${last.p99Ms.toFixed(1)} ms, cores: ${first}, worst second ${
        percent(last.throttled)
      } throttled`,
      good !== undefined,
    ]);
  }
  if (kept) {
    const [before, after] = kept;
    const bytes = ["a", "b"].map((name) =>
      (after!.memoryByContainer[name]! - before!.memoryByContainer[name]!) * 2 ** 20 / after!.kept
    );
    rows.push([
      `${whole(after!.kept)} payments kept, against none`,
      "flat but for the ids; ≤ 350 MB",
      `p99 ${before!.p99Ms.toFixed(2)} → ${after!.p99Ms.toFixed(2)} ms, summary ${before!.summaryMs.toFixed(2)} → ${
        after!.summaryMs.toFixed(2)
      } ms, memory ${before!.memoryMiB.toFixed(0)} → ${after!.memoryMiB.toFixed(0)} MiB, an id ${
        bytes.map((value) => value.toFixed(0)).join(" and ")
      } bytes a replica`,
      after!.failed === 0 && after!.memoryMiB * 1.048576 <= 350,
    ]);
  }
  if (stall) {
    const cases = byStall(stall).filter(({ who }) => who !== "nobody");
    const theirs = cases.filter(({ runs }) => runs.every(({ trivial }) => trivial));
    const inTime = (all: readonly StallRuns[], of: (one: Stall) => number | null) =>
      all.filter(({ runs }) => (medianBack(runs.map(of)) ?? Infinity) <= BACK_S).length;
    const back = inTime(cases, ({ backS }) => backS);
    const beside = inTime(cases, ({ backBesideS }) => backBesideS);
    const trivial = inTime(theirs, (one) => one.trivial!.backS);
    rows.push([
      `stalls after which p99 is back within ${BACK_S} s, the median of ${cases[0]!.runs.length}`,
      "all",
      `${back} of ${cases.length}, the trivial replicas ${trivial} of ${theirs.length}; back, or as those: ${beside}`,
      back === cases.length,
    ]);
  }
  if (cold) {
    const cost = median(cold.flatMap(({ idleMs }) => [idleMs.a!, idleMs.b!]));
    const ratio = median(cold.map(({ coldP99Ms, warmP99Ms }) => coldP99Ms / warmP99Ms));
    const [first, later] = [
      median(cold.map(({ coldP99Ms }) => coldP99Ms)),
      median(cold.map(({ warmP99Ms }) => warmP99Ms)),
    ];
    const failed = cold.reduce((sum, one) => sum + one.failed, 0);
    rows.push(
      [`CPU of an idle replica, ${cold.length} starts`, "≤ 3 ms a second", `${cost.toFixed(1)} ms a second`, cost <= 3],
      [
        "p99 of the first 5 s after a start at 100/s ÷ the same a minute later",
        "≤ 3",
        `${ratio.toFixed(1)}; ${first.toFixed(1)} and ${later.toFixed(1)} ms, ${failed} failed`,
        ratio <= 3 && failed === 0,
      ],
    );
  }
  return rows;
}

function stallSection(stall: readonly Stall[]): string {
  const rows = byStall(stall).map(({ who, seconds, runs }) => {
    const ms = (of: (one: Stall) => number) => median(runs.map(of)).toFixed(1);
    const back = (of: (one: Stall) => number | null) => {
      const all = runs.map(of);
      return `${inSeconds(medianBack(all))} (${all.map(inSeconds).join(", ")})`;
    };
    const isTheirs = runs.every(({ trivial }) => trivial);
    const theirs = isTheirs
      ? [ms((one) => one.trivial!.endP99Ms), back((one) => one.trivial!.backS), back((one) => one.backBesideS)]
      : ["", "", ""];
    return [
      ...[who, `${seconds}`, ms((one) => one.beforeP99Ms), ms((one) => one.endP99Ms), back((one) => one.backS)],
      ...[...theirs, runs.map(({ failed }) => failed).join(", ")],
    ];
  });
  return `
## After a stall

Under 603 users containers are paused and let go, of the trivial system and then of Galo. It is back from the second on
after which nothing fails, and the p99 of all that follows is at most 1.5 times what it was before. Users that waited
together come back together, each second anew, and these waves alone raise p99: where the trivial replicas have them too, it
is as they are once p99 is at most 1.5 times theirs. Medians, and each run in brackets; – is never in the 8 seconds that were
looked at. Failed are those that waited for more than 1.5 s, in the stall too. Where nobody stalls, p99 itself varies.

${
    lines(
      [
        ...["who stalls", "for s", "p99 before, ms", "at the end", "back after s"],
        ...["trivial replicas: at the end", "back after s", "Galo back, or as those, after s", "failed"],
      ],
      rows,
    )
  }`;
}

/** Where payments went, in every run. */
function carried(what: string, runs: readonly GradedRun[], defaultPercent: number, lagPercent: number): Row {
  const worst = (of: (run: GradedRun) => number) => Math.max(...runs.map(of));
  const share = Math.min(...runs.map((run) => run.default / (run.default + run.fallback)));
  const lag = worst((run) => run.lag / (run.default + run.fallback + run.lag));
  const failed = worst((run) => run.failed);
  const off = worst((run) => run.inconsistencies);
  return [
    `${what}: default / lag / failed / inconsistent, the worst of ${runs.length}`,
    `≥ ${defaultPercent} % / ${lagPercent === 0 ? 0 : `≤ ${lagPercent} %`} / 0 / 0`,
    `${percent(share)} / ${lagPercent === 0 ? worst((run) => run.lag) : percent(lag)} / ${failed} / ${off}`,
    100 * share >= defaultPercent && 100 * lag <= lagPercent && failed === 0 && off === 0,
  ];
}

const list = (all: readonly { readonly p99Ms: number }[]) => all.map(({ p99Ms }) => p99Ms.toFixed(2)).join(", ");
const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
const shares = (all: Readonly<Record<string, number>>, digits: number) =>
  Object.entries(all).map(([name, value]) => `${name} ${value.toFixed(digits)}`).join(", ");
