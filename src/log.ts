/** Where log lines go: stderr, one line an event, readable on a terminal and JSON elsewhere. @module */
import {
  configureSync,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  type LogLevel,
  type LogRecord,
} from "@logtape/logtape";

/** What is logged: this level and all above it. */
export type Level = Extract<LogLevel, "debug" | "info" | "warning" | "error"> | "off";

/**
 * Sets up every logger of the process.
 *
 * @param json one JSON object a line, for machines; otherwise for people
 */
export function configureLogs({ level, json }: { readonly level: Level; readonly json: boolean }): void {
  const format = json ? getJsonLinesFormatter() : getAnsiColorFormatter({ timestamp: "time" });
  const encoder = new TextEncoder();
  const stderr = (record: LogRecord) => {
    try {
      Deno.stderr.writeSync(encoder.encode(format(record)));
    } catch {
      // nobody reads it any more: no reason to stop
    }
  };
  configureSync({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: "galo", lowestLevel: level === "off" ? null : level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}
