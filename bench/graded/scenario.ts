/**
 * What a graded run does: load, outages, audits and fees. CONTRACT.md, "How a run is scored", is where the figures of
 * the two built-in scenarios come from.
 * @module
 */
import { z } from "@zod/zod";
import { type Cents, centsOf } from "../../src/payment/money.ts";
import { errorLine } from "../../src/errors.ts";

/** A scenario that is not valid; the message is one line for the person who wrote it. */
export class ScenarioError extends Error {
  override name = "ScenarioError";
}

/** Virtual users at most: each has a connection of its own, and a process may have 1,024 files open. */
const USERS_MAX = 900;
const SECONDS_MAX = 3_600;

const share = z.number().min(0).max(1).refine((rate) => Number.isInteger(Math.round(rate * 1e6) / 100), {
  message: "must be a whole number of basis points, such as 0.05 or 0.0725",
});
const seconds = z.number().positive().max(SECONDS_MAX);
const state = z.strictObject({
  /** what the processor waits before it answers, in milliseconds */
  delayMs: z.int().min(0).max(60_000),
  /** whether it refuses with 500 */
  failing: z.boolean(),
});
const cents = z.number().transform((amount, context): Cents => {
  const whole = centsOf(amount);
  if (whole !== undefined) return whole;
  context.addIssue({ code: "custom", message: `${amount} is no positive amount with two decimals at most` });
  return z.NEVER;
});

const SCHEMA = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,40}$/, "1 to 40 letters, digits, dots or dashes"),
  /** how long virtual users send */
  durationSeconds: seconds,
  /** virtual users: they ramp linearly from the first number to the second over the whole duration */
  users: z.strictObject({ from: z.int().min(1).max(USERS_MAX), to: z.int().min(1).max(USERS_MAX) })
    .refine(({ from, to }) => from <= to, { message: "must not ramp down" }),
  /** what a virtual user sleeps after each answer */
  thinkMs: z.int().min(0).max(60_000).default(1_000),
  /** in units of the currency; cents once it is read */
  amount: cents,
  /** what each processor charges, as a share of the amount */
  fees: z.strictObject({ default: share, fallback: share }),
  audit: z.strictObject({
    everySeconds: seconds,
    /** the window is [now - from, now - to] */
    fromSecondsAgo: seconds,
    toSecondsAgo: z.number().min(0).max(SECONDS_MAX),
    /** the sum of both processors, as in the preview, or each on its own, as in the final */
    compare: z.enum(["sum", "each"]),
  }).refine(({ fromSecondsAgo, toSecondsAgo }) => fromSecondsAgo > toSecondsAgo, {
    message: "fromSecondsAgo must be more than toSecondsAgo",
  }),
  /** whose totals make the profit: the router's summary, as in the preview, or the processors' books, as in the final */
  books: z.enum(["router", "processors"]),
  outages: z.array(z.strictObject({ atSeconds: z.number().min(0).max(SECONDS_MAX), default: state, fallback: state }))
    .max(1_000),
}).superRefine((scenario, context) => {
  scenario.outages.forEach(({ atSeconds }, index) => {
    const before = scenario.outages[index - 1]?.atSeconds ?? -1;
    const path = ["outages", index, "atSeconds"];
    if (atSeconds <= before) context.addIssue({ code: "custom", path, message: "must be later than the one before" });
    if (atSeconds >= scenario.durationSeconds) context.addIssue({ code: "custom", path, message: "is after the end" });
  });
});

/** A scenario as it is written down: `amount` in units of the currency, shares such as 0.05, seconds and milliseconds. */
export type ScenarioInput = z.input<typeof SCHEMA>;

/** A scenario as it is run: `amount` in cents. */
export type Scenario = z.output<typeof SCHEMA>;

/** What one processor does from a moment on. */
export type ProcessorState = z.output<typeof state>;

type Row = readonly [at: number, defaultMs: number, defaultFails: boolean, fallbackMs: number, fallbackFails: boolean];

const outages = (rows: readonly Row[]): ScenarioInput["outages"] =>
  rows.map(([atSeconds, defaultMs, defaultFails, fallbackMs, fallbackFails]) => ({
    atSeconds,
    default: { delayMs: defaultMs, failing: defaultFails },
    fallback: { delayMs: fallbackMs, failing: fallbackFails },
  }));

const PREVIEW: ScenarioInput = {
  name: "preview",
  durationSeconds: 60,
  users: { from: 1, to: 550 },
  amount: 19.9,
  fees: { default: 0.05, fallback: 0.15 },
  audit: { everySeconds: 10, fromSecondsAgo: 15, toSecondsAgo: 1.5, compare: "sum" },
  books: "router",
  outages: outages([
    [1, 0, false, 0, false],
    [10, 100, false, 0, false],
    [20, 100, true, 0, false],
    [30, 2000, true, 1000, true],
    [40, 20, false, 20, false],
    [50, 0, false, 5000, false],
  ]),
};

const FINAL: ScenarioInput = {
  name: "final",
  durationSeconds: 300,
  users: { from: 1, to: 603 },
  amount: 20.05,
  fees: { default: 0.07, fallback: 0.1 },
  audit: { everySeconds: 10, fromSecondsAgo: 15, toSecondsAgo: 2, compare: "each" },
  books: "processors",
  outages: outages([
    [1, 0, false, 0, false],
    [30, 1000, false, 0, false],
    [60, 500, false, 0, false],
    [90, 2000, true, 1000, false],
    [120, 5000, true, 5, false],
    [150, 0, false, 5, true],
    [180, 100, false, 5, false],
    [210, 50, false, 0, false],
    [240, 103, false, 10, false],
    [270, 2000, false, 0, false],
  ]),
};

const BUILT_IN: Readonly<Record<string, ScenarioInput>> = { preview: PREVIEW, final: FINAL };

/**
 * Checks a scenario.
 *
 * @param input what a scenario file says
 * @param where named in the error, such as the file's path
 * @throws ScenarioError naming the first field that is wrong and its value
 */
export function parseScenario(input: unknown, where: string): Scenario {
  const parsed = SCHEMA.safeParse(input);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.length === 0 ? "" : ` ${path.join(".")}:`;
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], input);
  const shown = value === undefined || typeof value === "object" ? "" : `, not ${JSON.stringify(value).slice(0, 80)}`;
  throw new ScenarioError(`${where}:${field} ${message}${shown}`);
}

/**
 * A scenario by what `--scenario` says: `preview`, `final`, or the path of a JSON file.
 *
 * @throws ScenarioError where there is no such file, it is no JSON, or a field is wrong
 */
export async function loadScenario(name: string): Promise<Scenario> {
  const builtIn = Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined;
  if (builtIn) return parseScenario(builtIn, name);
  if (!name.endsWith(".json")) {
    throw new ScenarioError(`--scenario: ${JSON.stringify(name)} is neither preview nor final nor a .json file`);
  }
  let text: string;
  try {
    text = await Deno.readTextFile(name);
  } catch (error) {
    throw new ScenarioError(`--scenario: cannot read ${name}: ${errorLine(error)}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ScenarioError(`${name}: ${(error as Error).message}`);
  }
  return parseScenario(json, name);
}
