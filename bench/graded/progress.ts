/** The line that says, once a second, how a run goes. @module */
import type { LoadSecond } from "./load_event.ts";
import type { Progress } from "./run.ts";
import type { Scenario } from "./scenario.ts";

/** How often there is a line without a terminal, in seconds. */
const LINE_EVERY_SECONDS = 10;

/** The line of a run. */
export function progressLine({ second, sample, audits }: Progress, { durationSeconds }: Scenario): string {
  const booked = sample?.booked;
  const differing = audits.filter(({ difference }) => difference > 0).length;
  return [
    loadLine(second, durationSeconds),
    sample?.queue !== undefined && `queue ${sample.queue}`,
    sample?.inFlight !== undefined && `in flight ${sample.inFlight}`,
    booked && `default ${booked.default} / fallback ${booked.fallback}`,
    `audits ${audits.length}${differing > 0 ? `, ${differing} differ` : ""}`,
  ].filter(Boolean).join(" · ");
}

/** The part of it that the load generator knows. */
export function loadLine({ second, ok, failed, users, p99SoFarMs }: LoadSecond, durationSeconds: number): string {
  return [
    `${Math.max(0, Math.ceil(durationSeconds - second - 1))} s left`,
    `${users} users`,
    `${ok + failed}/s${failed > 0 ? ` (${failed} failed)` : ""}`,
    `p99 ${p99SoFarMs.toFixed(2)} ms`,
  ].join(" · ");
}

/** Shows a line in place of the one before on a terminal, and every tenth one elsewhere. */
export class ProgressView {
  readonly #terminal = Deno.stderr.isTerminal();
  readonly #encoder = new TextEncoder();
  readonly #label: string;

  /** @param label says which run this is */
  constructor(label: string) {
    this.#label = label;
  }

  show(second: number, line: string): void {
    if (!this.#terminal && (second + 1) % LINE_EVERY_SECONDS !== 0) return;
    const text = `${this.#label}  ${line}`;
    this.#write(this.#terminal ? `\r\x1b[2K${text.slice(0, columns())}` : `${text}\n`);
  }

  /** Leaves the terminal's line to whatever is written next. */
  end(): void {
    if (this.#terminal) this.#write("\r\x1b[2K");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(this.#encoder.encode(text));
  }
}

function columns(): number {
  try {
    return Deno.consoleSize().columns - 1;
  } catch {
    return 120;
  }
}
