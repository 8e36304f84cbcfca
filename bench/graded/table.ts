/** The table at the end of a run, and the medians of several. Pure. @module */
import type { LatencySummary } from "./latency.ts";
import { units } from "./result.ts";
import type { RunRecord } from "./run.ts";

/** The middle value, the mean of both where their number is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("the median of nothing");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A millionth-exact amount with two decimals and thousands set apart. */
export function money(millionths: number): string {
  return units(millionths).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

export function whole(count: number): string {
  return count.toLocaleString("en-US");
}

/** What a run comes to, in words and figures: label and value. */
export function rows(record: RunRecord, floor: LatencySummary | undefined): [label: string, value: string][] {
  const { score, measured, latency, payments, books, load, audits } = record;
  const differing = audits.filter(({ difference }) => difference > 0).length;
  const views = (name: "default" | "fallback") =>
    books.router[name].count === books.processors[name].count
      ? whole(books.processors[name].count)
      : `${whole(books.processors[name].count)} (the router says ${whole(books.router[name].count)})`;
  const answers = Object.entries(load.answers).map(([answer, count]) => `${answer}: ${whole(count)}`).join(", ");
  return [
    ["score", score.disqualified ? `disqualified (would be ${money(score.total)})` : money(score.total)],
    ["profit", `${money(score.profit)} = ${money(score.gross)} - ${money(score.fees.total)} fees`],
    ["bonus", `${money(score.bonus)} (${score.bonusPercent} %)`],
    ["fine", `${money(score.fine)} (${score.finePercent} %)`],
    ["audits", `${audits.length}, ${differing} differ, by ${whole(measured.inconsistencies)} payments in all`],
    ["p99", `${score.p99Ms.toFixed(2)} ms (median ${latency.medianMs.toFixed(2)}, max ${latency.maxMs.toFixed(2)})`],
    ["p99 of payments alone", `${payments.p99Ms.toFixed(2)} ms`],
    ...floor
      ? [[
        "floor (static 202)",
        `p99 ${floor.p99Ms.toFixed(2)} ms; the run is at ${ratio(latency, floor).toFixed(2)} x`,
      ] as [string, string]]
      : [],
    ["requested", `${whole(measured.accepted)} accepted, ${whole(load.failed)} failed (${answers})`],
    ["booked, default", views("default")],
    ["booked, fallback", views("fallback")],
    ["lag", `${whole(score.lag)}${score.disqualified ? ": more booked than asked for" : ""}`],
    ["generator", `${whole(load.cpuMs)} ms CPU, own lag ${ownLag(record).toFixed(1)} ms (median second's worst)`],
  ];
}

/** The p99 of a run as a multiple of the floor's. */
export function ratio(latency: LatencySummary, floor: LatencySummary): number {
  return latency.p99Ms / floor.p99Ms;
}

/** The worst lateness of the generator's own timer in a second, median over the seconds, in milliseconds. */
export function ownLag({ seconds }: RunRecord): number {
  return seconds.length === 0 ? 0 : median(seconds.map(({ ownLagMs }) => ownLagMs));
}

/** Rows as text, labels set apart. */
export function text(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`).join("\n");
}

/** The medians of several runs. */
export function medians(records: readonly RunRecord[], floor: LatencySummary | undefined): [string, string][] {
  const of = (pick: (record: RunRecord) => number) => median(records.map(pick));
  return [
    ["score", money(of(({ score }) => score.total))],
    ["p99", `${of(({ score }) => score.p99Ms).toFixed(2)} ms`],
    ...floor
      ? [["p99 over the floor's", `${of(({ latency }) => ratio(latency, floor)).toFixed(2)} x`] as [string, string]]
      : [],
    ["bonus", `${of(({ score }) => score.bonusPercent)} %`],
    ["lag", whole(of(({ score }) => score.lag))],
    ["booked, default", whole(of(({ books }) => books.processors.default.count))],
    ["booked, fallback", whole(of(({ books }) => books.processors.fallback.count))],
    ["runs fined", `${records.filter(({ score }) => score.finePercent > 0).length} of ${records.length}`],
    ["runs disqualified", `${records.filter(({ score }) => score.disqualified).length} of ${records.length}`],
  ];
}
