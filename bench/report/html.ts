/** A report as one self-contained page: no script, no other host. Pure. @module */
import { escapeHtml } from "../graded/chart.ts";
import { STYLE } from "../graded/report_style.ts";
import { ms, type Section, sections, verdict } from "./content.ts";
import type { Figures } from "./figures.ts";
import { findings } from "./rules.ts";

const MORE_STYLE = `
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px; font-size: .8rem; }
`;

/** The whole page. */
export function html(figures: Figures): string {
  const { p99, targetMs, users, seconds, startedAt, accepted, failed, inconsistencies } = figures;
  const [first] = findings(figures);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bottleneck report</title>
<style>${STYLE}${MORE_STYLE}</style>
</head>
<body>
<h1>Bottleneck report</h1>
<p>${escapeHtml(verdict(figures))}</p>
<p class="soft">${users} virtual users, ${seconds} s, ${escapeHtml(startedAt)}</p>
<div class="tiles">
${tile("p99", ms(p99), p99 <= targetMs)}
${tile("gap", `${p99 > targetMs ? "+" : "-"}${ms(Math.abs(p99 - targetMs))}`, p99 <= targetMs)}
${tile("first finding", first ? `${first.rule}: ${ms(first.ms)}` : "none", first === undefined)}
${tile("failed requests", `${failed} of ${accepted + failed}`, failed === 0)}
${tile("inconsistencies", `${inconsistencies}`, inconsistencies === 0)}
</div>
${sections(figures).map(sectionHtml).join("\n")}
<footer>By <code>deno task bench:report</code>. Everything shares the cores of one machine, and the processors are stand-ins.
Histograms have three significant digits and are corrected for nothing.</footer>
</body>
</html>
`;
}

function tile(label: string, value: string, good: boolean): string {
  return `<div class="tile ${good ? "good" : "bad"}"><small>${label}</small><b>${escapeHtml(value)}</b></div>`;
}

function sectionHtml({ title, text, head, rows, verbatim }: Section): string {
  const cells = (tag: "th" | "td", row: readonly string[]) =>
    row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("");
  const table = rows.length === 0 ? "" : `<div class="scroll"><table><tr>${cells("th", head)}</tr>
${rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n")}
</table></div>`;
  return `<h2>${escapeHtml(title)}</h2>
${text === "" ? "" : `<p class="soft">${escapeHtml(text)}</p>`}
${table}
${verbatim.length === 0 ? "" : `<pre>${escapeHtml(verbatim.join("\n"))}</pre>`}`;
}
