/** A report as Markdown. Pure. @module */
import { type Section, sections, verdict } from "./content.ts";
import type { Figures } from "./figures.ts";

/** The whole document. */
export function markdown(figures: Figures): string {
  const { users, seconds, startedAt } = figures;
  const head = [
    "# Bottleneck report",
    "",
    `**${verdict(figures)}**`,
    "",
    `${users} virtual users, ${seconds} s, ${startedAt}.`,
  ];
  return `${[...head, ...sections(figures).flatMap(lines)].join("\n")}\n`;
}

function lines({ title, text, head, rows, verbatim }: Section): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    "",
    `## ${title}`,
    ...text === "" ? [] : ["", text],
    ...rows.length === 0 ? [] : ["", line(head), line(head.map(() => "---")), ...rows.map(line)],
    ...verbatim.length === 0 ? [] : ["", "```text", ...verbatim, "```"],
  ];
}
