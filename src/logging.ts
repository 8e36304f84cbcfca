/** Where log lines go: stderr, one line an event, readable on a terminal and JSON elsewhere. @module */
import {
  configureSync,
  getAnsiColorFormatter,
  getJsonLinesFormatter,
  type LogLevel,
  type LogRecord,
} from "@logtape/logtape";

/** The lowest level that is logged. */
export type Level = Extract<LogLevel, "debug" | "info" | "warning" | "error"> | "off";

/**
 * Sets up every logger of the process: those of category `galo` and below. Logging never throws, even without stderr.
 *
 * @param json one JSON object a line, for machines: `{"@timestamp", "level", "message", "logger", "properties"}`;
 * otherwise time, level, category, message and properties, in colours
 */
export function configureLogs(level: Level, json: boolean): void {
  const format = json ? getJsonLinesFormatter() : readable;
  const encoder = new TextEncoder();
  const stderr = (record: LogRecord) => {
    try {
      Deno.stderr.writeSync(encoder.encode(format(record)));
    } catch {
      // nothing reads stderr any more: no reason to stop
    }
  };
  configureSync({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: "galo", lowestLevel: level === "off" ? null : level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: level === "off" ? null : "error", sinks: ["stderr"] },
    ],
  });
}

/** Messages are the same for each occurrence: what differs is in the properties. */
const readable = getAnsiColorFormatter({
  timestamp: "time",
  sanitize: { newlines: "escape" },
  format({ timestamp, level, category, message, record }) {
    const values = Object.entries(record.properties).map(([name, value]) => `${name}=${inspect(value)}`);
    return [timestamp, level, `${category}:`, message, ...values].join(" ");
  },
});

/** A value on one line, with all lines of an error. */
function inspect(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return Deno.inspect(value, { breakLength: Infinity, compact: true }).replaceAll(/\s*\n\s*/g, " | ");
}
