/** `galo audit`: what it says and how it ends. @module */
import type { Summary } from "../../payment/book.ts";
import { amountOf, type Cents } from "../../payment/money.ts";
import { PROCESSORS } from "../../payment/fact.ts";
import { audit, type Difference, type Gap, type Report } from "./audit.ts";
import { type Addresses, AuditError, type Booked, Sides, type Window } from "./sides.ts";

/** When progress is shown first, and how often after that, in milliseconds. */
const PROGRESS_MS = 2_000;

/** Audits and prints. @returns the exit code: 0 all agree, 1 some differ, 2 one could not be asked */
export async function auditCommand(
  addresses: Addresses,
  window: Window,
  { deep = false, json = false }: { readonly deep?: boolean; readonly json?: boolean },
): Promise<0 | 1 | 2> {
  const sides = new Sides(addresses);
  let shownMs = performance.now();
  try {
    const report = await audit(sides, window, deep, (asked, all) => {
      if (performance.now() - shownMs < PROGRESS_MS) return;
      shownMs = performance.now();
      console.error(`${asked} of ${all} ids asked for`);
    });
    console.log(json ? JSON.stringify(report, null, 2) : text(report));
    return report.agree ? 0 : 1;
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    console.error(`galo audit: ${error.message}`);
    return 2;
  }
}

/** A report for people. */
function text({ window, totals, differences, gaps, asked, agree }: Report): string {
  const row = (
    who: string,
    of: Summary,
  ) => [who, ...PROCESSORS.map((at) => `${of[at].count} / ${money(of[at].cents)}`)];
  const { router, store, processors } = totals;
  const rows = [["", ...PROCESSORS], row("router", router), row("Postgres", store), row("processors", processors)];
  return [
    `requestedAt from ${instant(window.from)} to ${instant(window.to)}, both included: payments / amount`,
    ...rows.map((cells) => cells.map((cell) => cell.padEnd(24)).join("").trimEnd()),
    ...differences.length > 0 ? ["", ...differences.map(differenceText)] : [],
    ...gaps.length > 0 ? ["", ...gaps.map(gapText)] : [],
    "",
    agree
      ? `all agree${asked > 0 ? `, and so do ${asked} ids` : ""}`
      : `they do not agree: ${differences.length} ids, ${gaps.length} instants beyond the ids that Postgres knows`,
  ].join("\n");
}

function differenceText({ id, what, says }: Difference): string {
  const bookingText = ({ processor, cents, requestedAt }: Booked) =>
    `${processor} ${money(cents)} ${instant(requestedAt)}`;
  const each = Object.entries(says).map(([who, booking]) => `${who} ${booking ? bookingText(booking) : "nothing"}`);
  return `${id}  ${what}\n  ${each.join("; ")}`;
}

function gapText({ who, at, from, count, cents }: Gap): string {
  const whose = who === "router" ? `the router's ${at}` : `the ${at} processor`;
  const signed = (value: number, shown: string) => value > 0 ? `+${shown}` : shown;
  const more = `${signed(count, `${count}`)} payments, ${signed(cents, money(cents))}`;
  return `${instant(from)}  ${whose}: ${more} beyond the ids that are known`;
}

function money(cents: Cents): string {
  return amountOf(cents).toFixed(2);
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
