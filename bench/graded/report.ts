/** A graded run as one self-contained page: no script, no other host. Pure. @module */
import type { Audit } from "./audit.ts";
import { type Band, chart, escapeHtml, type Mark, type Series } from "./chart.ts";
import type { LatencySummary } from "./latency.ts";
import { STYLE } from "./report_style.ts";
import type { RunRecord } from "./run.ts";
import type { Sample } from "./sampler.ts";
import type { ProcessorState, Scenario } from "./scenario.ts";
import { money, ratio, rows, whole } from "./table.ts";

/**
 * The page.
 *
 * @param system one line that says what was graded
 * @param floor what the machine can do at all, where it was measured
 */
export function report(record: RunRecord, system: string, floor: LatencySummary | undefined): string {
  const { scenario, score } = record;
  const bands = outageBands(scenario);
  const title = `Graded run: ${scenario.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="soft">${escapeHtml(system)} · ${escapeHtml(record.startedAt)} · ${scenario.durationSeconds} s, ${
    escapeHtml(users(scenario))
  }</p>
<div class="tiles">
${tile("score", score.disqualified ? "disqualified" : money(score.total), score.disqualified ? "bad" : "")}
${tile("p99", `${score.p99Ms.toFixed(2)} ms`, "", `bonus ${score.bonusPercent} %${floorNote(record, floor)}`)}
${tile("audits", auditsWord(record), score.finePercent > 0 ? "bad" : "good", `fine ${score.finePercent} %`)}
${tile("lag", whole(score.lag), score.lag === 0 ? "good" : "bad", `${whole(record.measured.accepted)} accepted`)}
${tile("split", split(record), "", "default / fallback")}
${tile("failed requests", whole(record.load.failed), record.load.failed === 0 ? "good" : "bad")}
</div>
${record.warnings.map((warning) => `<p>Note: ${escapeHtml(warning)}.</p>`).join("\n")}
<h2>Second by second</h2>
<p class="soft">${KEY} Point at a chart for the figures of a second.</p>
<div class="charts">
${charts(record, bands).join("\n")}
</div>
<h2>Outages</h2>
${outageTable(scenario, bands)}
<h2>Audits</h2>
${auditTable(record.audits)}
<h2>Figures</h2>
<div class="scroll"><table>${
    rows(record, floor).map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`)
      .join("\n")
  }</table></div>
<details><summary>Every second as a table</summary>${secondTable(record)}</details>
<footer>Closed loop: each virtual user sends one payment, waits, sleeps ${scenario.thinkMs} ms. Histograms with three
significant digits, corrected for nothing. A latency is from before the request is written until the answer's last byte is read;
the clock's smallest step was ${record.load.clockUs} µs. The generator used ${whole(record.load.cpuMs)} ms of CPU.
p99 of the score is over every successful request of the run, as the grader's.</footer>
</body>
</html>
`;
}

const KEY =
  `Shaded: <span class="key slow"></span> a processor answers late, <span class="key down"></span> one refuses; ` +
  `letters as under Outages. \u25b2 audit without, \u2716 with a difference.`;

function users({ users: { from, to }, amount }: Scenario): string {
  return `${from} to ${to} virtual users, ${(amount / 100).toFixed(2)} each`;
}

function tile(name: string, value: string, tone: "" | "good" | "bad", note = ""): string {
  return `<div class="tile ${tone}"><span class="soft">${name}</span><b>${escapeHtml(value)}</b><small>${
    escapeHtml(note)
  }</small></div>`;
}

function floorNote({ latency }: RunRecord, floor: LatencySummary | undefined): string {
  return floor ? `, ${ratio(latency, floor).toFixed(2)} x floor` : "";
}

function auditsWord({ audits }: RunRecord): string {
  const differing = audits.filter(({ difference }) => difference > 0).length;
  return differing === 0 ? `${audits.length} agree` : `${differing} of ${audits.length} differ`;
}

function split({ books: { processors } }: RunRecord): string {
  const all = processors.default.count + processors.fallback.count;
  return all === 0
    ? "none"
    : `${(100 * processors.default.count / all).toFixed(1)} / ${(100 * processors.fallback.count / all).toFixed(1)} %`;
}

function charts(record: RunRecord, bands: readonly Band[]): string[] {
  const { seconds, audits, scenario } = record;
  const samples = record.samples.filter(({ atMs }) => atMs <= scenario.durationSeconds * 1_000);
  const marks: Mark[] = audits.map(({ atMs, difference }) => ({
    at: atMs / 1_000,
    good: difference === 0,
    title: difference === 0 ? "audit: no difference" : `audit: ${difference} payments differ`,
  }));
  const common = { seconds: scenario.durationSeconds, bands, marks };
  // a second's figure stands in its middle
  const each = (pick: (second: RunRecord["seconds"][number]) => number | undefined): Series["points"] =>
    seconds.filter(({ second }) => second < scenario.durationSeconds)
      .map((second) => [second.second + 0.5, pick(second)] as const);
  const latency = (pick: (latency: LatencySummary) => number) =>
    each(({ latency }) => latency.count > 0 ? pick(latency) : undefined);
  const made = [
    chart({
      ...common,
      title: "Latency of POST /payments",
      unit: "ms, logarithmic",
      scale: "log",
      series: [
        { label: "median", tone: "one", dash: "solid", points: latency(({ medianMs }) => medianMs) },
        { label: "p99", tone: "two", dash: "dashed", points: latency(({ p99Ms }) => p99Ms) },
        { label: "max", tone: "three", dash: "dotted", points: latency(({ maxMs }) => maxMs) },
      ],
    }),
    chart({
      ...common,
      title: "Rate",
      unit: "requests/s",
      scale: "linear",
      series: [
        { label: "successful", tone: "one", dash: "solid", points: each(({ ok }) => ok) },
        { label: "failed", tone: "two", dash: "dashed", points: each(({ failed }) => failed) },
      ],
    }),
    chart({
      ...common,
      title: "Booked at each processor",
      unit: "payments/s",
      scale: "linear",
      series: [
        { label: "default", tone: "one", dash: "solid", points: bookedPerSecond(samples, "default") },
        { label: "fallback", tone: "two", dash: "dashed", points: bookedPerSecond(samples, "fallback") },
      ],
    }),
  ];
  // the router need not say: what it does not say has no chart
  const own = (title: string, unit: string, tone: Series["tone"], pick: (sample: Sample) => number | undefined) => {
    const points = samples.map((sample) => [sample.atMs / 1_000, pick(sample)] as const);
    if (points.every(([, value]) => value === undefined)) return [];
    const series: Series[] = [{ label: unit, tone, dash: "solid", points }];
    return [chart({ ...common, title, unit, scale: "linear", series })];
  };
  return [
    ...made,
    ...own("Queue", "payments waiting", "one", ({ queue }) => queue),
    ...own("In flight", "calls to processors", "three", ({ inFlight }) => inFlight),
  ];
}

function bookedPerSecond(samples: readonly Sample[], name: "default" | "fallback"): Series["points"] {
  let before = { atMs: 0, count: 0 };
  return samples.map(({ atMs, booked }) => {
    if (!booked) return [atMs / 1_000, undefined] as const;
    const now = { atMs, count: booked[name] };
    const rate = (now.count - before.count) / Math.max(0.001, (now.atMs - before.atMs) / 1_000);
    before = now;
    return [atMs / 1_000, Math.max(0, rate)] as const;
  });
}

/** The rows of the scenario in which at least one processor is in trouble. */
function outageBands({ outages, durationSeconds }: Scenario): Band[] {
  let letters = 0;
  return outages.flatMap((row, index): Band[] => {
    const trouble = [row.default, row.fallback];
    const down = trouble.some(({ failing }) => failing);
    if (!down && trouble.every(({ delayMs }) => delayMs === 0)) return [];
    const letter = String.fromCharCode(65 + letters++ % 26);
    return [{
      from: row.atSeconds,
      to: outages[index + 1]?.atSeconds ?? durationSeconds,
      kind: down ? "down" : "slow",
      letter,
      title: `${letter}: default ${stateWord(row.default)}, fallback ${stateWord(row.fallback)}`,
    }];
  });
}

function stateWord({ delayMs, failing }: ProcessorState): string {
  return [failing ? "refuses" : "", delayMs > 0 ? `${delayMs} ms` : ""].filter(Boolean).join(", ") || "well";
}

function outageTable({ outages, fees, durationSeconds }: Scenario, bands: readonly Band[]): string {
  const body = outages.map((row, index) => {
    const letter = bands.find(({ from }) => from === row.atSeconds)?.letter ?? "";
    const to = outages[index + 1]?.atSeconds ?? durationSeconds;
    return `<tr><td>${letter}</td><td class="n">${row.atSeconds}\u2013${to} s</td><td>${
      stateWord(row.default)
    }</td><td>${stateWord(row.fallback)}</td></tr>`;
  });
  return `<div class="scroll"><table><tr><th></th><th class="n">from, to</th><th>default (${
    percents(fees.default)
  } %)</th><th>fallback (${percents(fees.fallback)} %)</th></tr>${body.join("\n")}</table></div>`;
}

function percents(share: number): number {
  return Math.round(share * 10_000) / 100;
}

function auditTable(audits: readonly Audit[]): string {
  const counts = (books: Audit["router"]) => books ? `${books.default.count} / ${books.fallback.count}` : "no answer";
  const second = (ms: number) => (ms / 1_000).toFixed(1);
  const body = audits.map((audit) =>
    `<tr><td class="n">${second(audit.atMs)}</td><td class="n">${second(audit.fromMs)} to ${second(audit.toMs)}</td>` +
    `<td class="n">${counts(audit.router)}</td><td class="n">${counts(audit.processors)}</td>` +
    `<td class="${audit.difference === 0 ? "good" : "bad"}">${
      audit.difference === 0 ? "\u25b2 none" : `\u2716 ${audit.difference}`
    }</td></tr>`
  );
  return `<div class="scroll"><table><tr><th class="n">at, s</th><th class="n">window, s</th><th class="n">router (d / f)</th>` +
    `<th class="n">processors (d / f)</th><th>difference</th></tr>${body.join("\n")}</table></div>`;
}

function secondTable({ seconds }: RunRecord): string {
  const body = seconds.map(({ second, users, ok, failed, latency, ownLagMs }) =>
    `<tr>${
      [
        second,
        users,
        ok,
        failed,
        ...[latency.medianMs, latency.p99Ms, latency.maxMs, ownLagMs].map((ms) => ms.toFixed(2)),
      ]
        .map((value) => `<td class="n">${value}</td>`).join("")
    }</tr>`
  );
  const heads = ["second", "users", "ok", "failed", "median ms", "p99 ms", "max ms", "generator's lag ms"];
  return `<div class="scroll"><table><tr>${heads.map((head) => `<th class="n">${head}</th>`).join("")}</tr>${
    body.join("\n")
  }</table></div>`;
}
