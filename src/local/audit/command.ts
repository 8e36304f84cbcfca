/** `galo audit`: what it says and how it ends. @module */
import { amountOf } from "../../payment/money.ts";
import { PROCESSORS } from "../../payment/fact.ts";
import { audit, type Difference, type Gap, type Report } from "./audit.ts";
import { type Addresses, AuditError, Sides, type Window } from "./sides.ts";

/** All agree; some differ; one could not be asked. */
export type ExitCode = 0 | 1 | 2;

/** After so long progress is shown, in milliseconds, and then as often. */
const PROGRESS_MS = 2_000;

export interface AuditCommand {
  readonly addresses: Addresses;
  readonly window: Window;
  readonly deep: boolean;
  readonly json: boolean;
}

/** Audits, prints, and says how the process is to end. */
export async function auditCommand({ addresses, window, deep, json }: AuditCommand): Promise<ExitCode> {
  const sides = new Sides(addresses);
  let toldMs = performance.now();
  try {
    await sides.open();
    const report = await audit(sides, window, deep, (asked, all) => {
      if (performance.now() - toldMs < PROGRESS_MS) return;
      toldMs = performance.now();
      console.error(`${asked} of ${all} ids asked for`);
    });
    console.log(json ? JSON.stringify(report, null, 2) : text(report));
    return report.agree ? 0 : 1;
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    console.error(`galo audit: ${error.message}`);
    return 2;
  } finally {
    await sides.close();
  }
}

/** A report for people. */
export function text({ window, totals, differences, gaps, asked, agree }: Report): string {
  const rows = [
    ["", "default", "fallback"],
    ...([["router", totals.router], ["Postgres", totals.store], ["processors", totals.processors]] as const).map((
      [who, of],
    ) => [who, ...PROCESSORS.map((at) => `${of[at].count} / ${amountOf(of[at].cents).toFixed(2)}`)]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  return [
    `requestedAt from ${instant(window.from)} to ${instant(window.to)}, both included: payments / amount`,
    ...table,
    ...differences.length > 0 ? ["", ...differences.map(differenceText)] : [],
    ...gaps.length > 0 ? ["", ...gaps.map(gapText)] : [],
    "",
    agree
      ? `all agree${asked > 0 ? `, and so do ${asked} ids` : ""}`
      : `they do not agree: ${differences.length} ids, ${gaps.length} instants beyond the ids that Postgres knows`,
  ].join("\n");
}

function differenceText({ id, what, says }: Difference): string {
  const each = Object.entries(says).map(([who, booking]) =>
    `${who} ${
      booking ? `${booking.processor} ${amountOf(booking.cents).toFixed(2)} ${instant(booking.requestedAt)}` : "nothing"
    }`
  );
  return `${id}  ${what}\n  ${each.join("; ")}`;
}

function gapText({ who, at, from, count, cents }: Gap): string {
  const signed = (value: number, shown = `${value}`) => value > 0 ? `+${shown}` : shown;
  const whose = who === "router" ? `the router's ${at}` : `the ${at} processor`;
  return `${instant(from)}  ${whose}: ${signed(count)} payments, ${
    signed(cents, amountOf(cents).toFixed(2))
  }, than the ids that are known account for`;
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
