/** Parts of a page of Markdown. Pure. @module */

/** A goal, empty if there is none, and the result. */
export type Row = readonly [what: string, reach: string, measured: string, reached: boolean];

/** A table; each line ends with a new line. */
export function lines(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |\n`).join("");
}
