/** Runs tests that mostly wait at the same time. @module */
import type { Needs } from "./permissions.ts";

/** Makes a test for each case; the first one that runs starts all of them. */
export function together<T>(
  cases: readonly T[],
  options: Needs,
  says: (one: T) => string,
  test: (one: T) => Promise<void>,
): void {
  let all: Promise<PromiseSettledResult<void>[]> | undefined;
  for (const [i, one] of cases.entries()) {
    Deno.test(says(one), options, async () => {
      all ??= Promise.allSettled(cases.map(test));
      const ended = (await all)[i]!;
      if (ended.status === "rejected") throw ended.reason;
    });
  }
}
