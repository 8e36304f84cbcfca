/** Waits for a condition, looking again and again. @module */

/** @throws if it does not hold after `timeoutMs`: this limits what a test may hang, and times nothing */
export async function until(is: () => Promise<boolean> | boolean, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!await is()) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for: ${is}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
