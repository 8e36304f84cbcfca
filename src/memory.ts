/** The memory that payments may take. @module */
import { constrainedMemory } from "node:process";
import { getHeapStatistics } from "node:v8";

/** What a replica takes without payments, in bytes, with what V8 has not collected yet: of its heap, and in all. */
const [HEAP_BASE, ALL_BASE] = [30 * 2 ** 20, 48 * 2 ** 20];

/** What V8, and the container or else this replica's part of the machine, leave for payments. @param replicas on this machine */
export function memoryLimits(replicas: number): { heap: number; all: number } {
  const { total } = Deno.systemMemoryInfo();
  const limit = containerLimit();
  return {
    heap: Math.max(1, getHeapStatistics().heap_size_limit - HEAP_BASE),
    all: Math.max(1, (limit < total ? limit : total / replicas) - ALL_BASE),
  };
}

/** The limit of this container or service, in bytes; more than the machine has if there is none. */
function containerLimit(): number {
  try {
    // in a container with cgroup v1 Deno may look for the path that only the host has, and says 0
    return constrainedMemory() || Number(Deno.readTextFileSync("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
  } catch {
    return Infinity;
  }
}
