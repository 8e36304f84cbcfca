/**
 * CPU, memory and throttling of processes, from /proc and cgroups. It only looks; what cannot be read is undefined.
 * @module
 */

/** The kernel's clock ticks a second, as `/proc/PID/stat` counts them. */
const TICKS_PER_S = 100;
/** A memory limit above this is none. */
const UNLIMITED_BYTES = 2 ** 50;

/** Times for which a cgroup was stopped for having used up its CPU. */
export interface Throttled {
  readonly periods: number;
  readonly ms: number;
}

/** One kind of process, such as "replica a", or all of Postgres. */
export interface ProcessFigures {
  readonly name: string;
  /** CPU time during the run as a share of one core */
  readonly cpuCores: number;
  /** the most memory that was seen at once (proportional set size), in MiB */
  readonly peakMiB: number;
  /** the limits of its cgroup, in MiB and cores; undefined where there is none */
  readonly limitMiB: number | undefined;
  readonly limitCores: number | undefined;
  /** during the run; undefined where the cgroup does not say */
  readonly throttled: Throttled | undefined;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/** Watches this process's descendants, and a Postgres server wherever it is. */
export class ProcessWatch {
  readonly #postgresPid: number;
  readonly #cpu = new Map<number, { readonly name: string; readonly firstMs: number; lastMs: number }>();
  readonly #peaks = new Map<string, number>();
  readonly #before = new Map<string, Throttled | undefined>();
  readonly #pids = new Map<string, number>();
  #startedMs = 0;

  constructor(postgresPid: number) {
    this.#postgresPid = postgresPid;
  }

  /** What is counted is counted from here. */
  async start(): Promise<void> {
    this.#startedMs = performance.now();
    await this.look();
  }

  /** One look: the more, the truer the peaks. */
  async look(): Promise<void> {
    const sums = new Map<string, number>();
    const first = this.#cpu.size === 0;
    for (const { pid, name } of await this.#processes()) {
      const [cpuMs, mib] = [await cpuTime(pid), await memory(pid)];
      if (cpuMs === undefined) continue;
      const known = this.#cpu.get(pid);
      if (known) known.lastMs = cpuMs;
      // a process that appears later began during the run, with nothing used
      else this.#cpu.set(pid, { name, firstMs: first ? cpuMs : 0, lastMs: cpuMs });
      sums.set(name, (sums.get(name) ?? 0) + (mib ?? 0));
      if (this.#pids.has(name)) continue;
      this.#pids.set(name, pid);
      this.#before.set(name, await throttled(pid));
    }
    for (const [name, sum] of sums) this.#peaks.set(name, Math.max(sum, this.#peaks.get(name) ?? 0));
  }

  /** A last look, and what came of all of them. */
  async figures(): Promise<ProcessFigures[]> {
    await this.look();
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const all: ProcessFigures[] = [];
    for (const [name, pid] of this.#pids) {
      const own = [...this.#cpu.values()].filter((process) => process.name === name);
      const usedMs = own.reduce((sum, { firstMs, lastMs }) => sum + lastMs - firstMs, 0);
      const before = this.#before.get(name);
      const now = await throttled(pid);
      all.push({
        name,
        cpuCores: usedMs / 1_000 / seconds,
        peakMiB: this.#peaks.get(name) ?? 0,
        ...await limits(pid),
        throttled: now && before && { periods: now.periods - before.periods, ms: now.ms - before.ms },
      });
    }
    return all.sort((a, b) => b.cpuCores - a.cpuCores);
  }

  async #processes(): Promise<Process[]> {
    const all = new Map<number, Process>();
    for await (const { name: entry } of Deno.readDir("/proc")) {
      const pid = Number(entry);
      if (!Number.isInteger(pid)) continue;
      const stat = await text(`/proc/${pid}/stat`);
      const parent = Number(stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? NaN);
      const command = (await text(`/proc/${pid}/cmdline`))?.split("\0") ?? [];
      if (!Number.isNaN(parent)) all.set(pid, { pid, parent, name: await nameOf(pid, command) });
    }
    const under = (ancestor: number, process: Process | undefined): boolean =>
      process !== undefined && (process.pid === ancestor || under(ancestor, all.get(process.parent)));
    return [...all.values()].flatMap((process) => {
      if (under(this.#postgresPid, process)) return [{ ...process, name: "Postgres" }];
      return process.name !== "" && under(Deno.pid, process) ? [process] : [];
    });
  }
}

async function nameOf(pid: number, command: readonly string[]): Promise<string> {
  if (command[0]?.endsWith("caddy")) return "Caddy";
  if (command.some((word) => word.endsWith("/load.ts"))) return "load generator";
  if (command.includes("processor")) return "stand-in processors";
  if (!command.includes("replica")) return "";
  return `replica ${/\0REPLICA=([a-z\d-]+)\0/.exec(`\0${await text(`/proc/${pid}/environ`) ?? ""}`)?.[1] ?? "?"}`;
}

/** CPU time of all its threads, in milliseconds. */
async function cpuTime(pid: number): Promise<number | undefined> {
  const stat = await text(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 1_000 / TICKS_PER_S;
}

async function memory(pid: number): Promise<number | undefined> {
  const kib = /^Pss: +(\d+)/m.exec(await text(`/proc/${pid}/smaps_rollup`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) / 1_024;
}

async function limits(pid: number): Promise<Pick<ProcessFigures, "limitMiB" | "limitCores">> {
  const { v2, cpu, memory } = await cgroups(pid);
  const bytes = Number(await text(`${v2}/memory.max`) ?? await text(`${memory}/memory.limit_in_bytes`) ?? NaN);
  const max = await text(`${v2}/cpu.max`) ??
    `${await text(`${cpu}/cpu.cfs_quota_us`) ?? "max"} ${await text(`${cpu}/cpu.cfs_period_us`) ?? "1"}`;
  const [quota, period] = max.trim().split(/\s+/).map(Number);
  return {
    // without a limit the file says "max", or about as much as a number can be
    limitMiB: bytes < UNLIMITED_BYTES ? bytes / 2 ** 20 : undefined,
    limitCores: quota! > 0 ? quota! / period! : undefined,
  };
}

async function throttled(pid: number): Promise<Throttled | undefined> {
  const { v2, cpu } = await cgroups(pid);
  for (const folder of [v2, cpu]) {
    const stat = await text(`${folder}/cpu.stat`) ?? "";
    const of = (field: string) => Number(new RegExp(`^${field} (\\d+)`, "m").exec(stat)?.[1] ?? NaN);
    const periods = of("nr_throttled");
    const us = Number.isNaN(of("throttled_usec")) ? of("throttled_time") / 1_000 : of("throttled_usec");
    if (!Number.isNaN(periods) && !Number.isNaN(us)) return { periods, ms: us / 1_000 };
  }
  return undefined;
}

/** The folders of a process's cgroup, of version 2 and of version 1. */
export async function cgroups(pid: number): Promise<{ v2: string; cpu: string; memory: string }> {
  const all = await text(`/proc/${pid}/cgroup`) ?? "";
  const path = (controller: string) =>
    new RegExp(`^\\d+:(?:.*,)?${controller}(?:,.*)?:(.*)$`, "m").exec(all)?.[1] ?? "/";
  return {
    v2: `/sys/fs/cgroup${/^0::(.*)$/m.exec(all)?.[1] ?? "/"}`,
    cpu: `/sys/fs/cgroup/cpu${path("cpu")}`,
    memory: `/sys/fs/cgroup/memory${path("memory")}`,
  };
}

async function text(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    // it has ended, is another's, or the kernel has no such thing
    return undefined;
  }
}
