/** The command lines of the tasks: help, options, and how a task ends. @module */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { errorLine } from "../../src/errors.ts";

/** The command line is not valid; the message is one line that names the option. */
export class OptionsError extends Error {
  override name = "OptionsError";
}

const HELP = { help: { type: "boolean", short: "h", default: false } } as const;

/**
 * The values of options, `--help` among them.
 *
 * @throws OptionsError where one is unknown or lacks its value
 */
export function parseOptions<const T extends ParseArgsOptionsConfig>(args: string[], options: T) {
  try {
    return parseArgs({ args, options: { ...options, ...HELP } }).values;
  } catch (error) {
    throw new OptionsError(`${errorLine(error)}: see --help`);
  }
}

/**
 * The number of an option.
 *
 * @throws OptionsError where it is no whole number from `min` to `max`
 */
export function whole(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new OptionsError(`${option}: ${JSON.stringify(text)} is no whole number from ${min} to ${max}`);
}

/** A task of `deno.json`. */
export interface Task<O extends { readonly help: boolean }> {
  readonly name: string;
  readonly help: string;
  readonly parse: (args: string[]) => O;
  /** resolved to the exit code, 0 if it is none */
  readonly run: (options: O) => Promise<number | void>;
  /** errors that a person can fix: they end the task with their message and exit code 1; others show their stack */
  readonly expected?: readonly (new (...args: never[]) => Error)[];
}

/** Runs a task and ends the process: `--help` prints the help, a wrong command line is one line and exit code 2. */
export async function runTask<O extends { readonly help: boolean }>(task: Task<O>): Promise<never> {
  try {
    const options = task.parse(Deno.args);
    if (!options.help) Deno.exit(await task.run(options) ?? 0);
    console.log(task.help);
    Deno.exit(0);
  } catch (error) {
    const isWrong = error instanceof OptionsError;
    if (!isWrong && !task.expected?.some((kind) => error instanceof kind)) throw error;
    console.error(`${task.name}: ${(error as Error).message}`);
    Deno.exit(isWrong ? 2 : 1);
  }
}
