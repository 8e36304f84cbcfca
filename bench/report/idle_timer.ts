/**
 * A worker that only asks for a timer again and again, and says how late each was when it is asked: the delay that the
 * machine causes in every process.
 * @module
 */

/** As often as a replica looks at its event loop, in milliseconds. */
const EVERY_MS = 10;

const lateMs: number[] = [];
let dueMs = performance.now() + EVERY_MS;
setInterval(() => {
  const nowMs = performance.now();
  lateMs.push(Math.max(0, nowMs - dueMs));
  dueMs = nowMs + EVERY_MS;
}, EVERY_MS);

const scope = self as unknown as { onmessage: () => void; postMessage(lateMs: readonly number[]): void };
scope.onmessage = () => scope.postMessage(lateMs);
