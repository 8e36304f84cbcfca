/** The system as it is graded: the project's compose file, and stand-in processors where the grader's are. @module */
import { cgroups } from "../report/processes.ts";
import type { Addresses } from "../graded/api.ts";
import { REASONS, STAGES } from "../../src/payment/fact.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const HERE = "bench/compose";
const SERVICES = ["a", "b", "caddy", "db"] as const;

/** Docker cannot do what the bench needs of it; the message is its own last line. */
export class DockerError extends Error {
  override name = "DockerError";
}

/** What one container has used so far. */
export interface Usage {
  readonly cpuMs: number;
  /** without what the kernel could drop at once */
  readonly memoryMiB: number;
  /** periods of CFS in which it wanted to run, and those in which it was stopped */
  readonly periods: number;
  readonly throttled: number;
}

export type Usages = ReadonlyMap<string, Usage>;

export const FLOOR_URL = "http://127.0.0.1:9998";
export const ADDRESSES: Addresses = {
  router: "http://127.0.0.1:9999",
  processors: { default: "http://127.0.0.1:8001", fallback: "http://127.0.0.1:8002" },
};

/** Starts processors with these fees and a fresh router with these settings; what ran before is removed. */
export async function up(
  fees: { readonly default: number; readonly fallback: number },
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  await docker({}, "network", "inspect", "payment-processor").catch(() =>
    docker({}, "network", "create", "payment-processor")
  );
  await compose("galo-bench", "compose.yaml", {}, "down", "--volumes", "--timeout", "5");
  const env = { FEE_DEFAULT: `${fees.default}`, FEE_FALLBACK: `${fees.fallback}` };
  await compose("galo-processors", `${HERE}/processors.yaml`, env, "up", "--build", "--detach", "--wait");
  await compose("galo-bench", "compose.yaml", settings, "up", "--build", "--detach", "--wait");
}

export async function upFloor(): Promise<void> {
  await compose("galo-floor", `${HERE}/floor.yaml`, {}, "up", "--detach", "--wait");
}

export async function down(): Promise<void> {
  await compose("galo-bench", "compose.yaml", {}, "down", "--volumes", "--timeout", "5");
  await compose("galo-processors", `${HERE}/processors.yaml`, {}, "down", "--timeout", "1");
  await compose("galo-floor", `${HERE}/floor.yaml`, {}, "down", "--timeout", "1");
}

/** What each of the four containers of the router has used so far. */
export async function usage(): Promise<Usages> {
  const all = await Promise.all(
    SERVICES.map(async (service) => [service, await usageOf(await pidOf(service))] as const),
  );
  return new Map(all);
}

const pids = new Map<string, number>();

async function pidOf(service: string): Promise<number> {
  const name = `galo-bench-${service}-1`;
  const known = pids.get(service);
  if (known !== undefined && await Deno.stat(`/proc/${known}`).then(() => true, () => false)) return known;
  const pid = Number(await docker({}, "inspect", "--format", "{{.State.Pid}}", name));
  pids.set(service, pid);
  return pid;
}

async function usageOf(pid: number): Promise<Usage> {
  const { v2, cpu, memory } = await cgroups(pid);
  const read = (path: string) => Deno.readTextFile(path).catch(() => "");
  const field = (text: string, name: string) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1] ?? NaN);
  const cpuStat = await read(`${v2}/cpu.stat`);
  const stat = cpuStat.includes("nr_periods") ? cpuStat : await read(`${cpu}/cpu.stat`);
  const ns = Number(await read(`${cpu.replace("/cgroup/cpu", "/cgroup/cpuacct")}/cpuacct.usage`) || NaN);
  const bytes = Number(await read(`${v2}/memory.current`) || await read(`${memory}/memory.usage_in_bytes`));
  const memoryStat = await read(`${v2}/memory.stat`) || await read(`${memory}/memory.stat`);
  const droppable = field(memoryStat, "total_inactive_file") || field(memoryStat, "inactive_file") || 0;
  return {
    cpuMs: Number.isNaN(ns) ? field(cpuStat, "usage_usec") / 1_000 : ns / 1e6,
    memoryMiB: (bytes - droppable) / 2 ** 20,
    periods: field(stat, "nr_periods"),
    throttled: field(stat, "nr_throttled"),
  };
}

function compose(project: string, file: string, env: Readonly<Record<string, string>>, ...args: string[]) {
  return docker(env, "compose", "-p", project, "-f", file, ...args);
}

async function docker(env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("docker", { args, env, cwd: ROOT }).output().catch(() => {
    throw new DockerError("there is no docker: the figures are those of containers with limits");
  });
  if (success) return new TextDecoder().decode(stdout).trim();
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new DockerError(`docker ${args.join(" ")}: ${said}`);
}

/** Puts so many settled payments into the store, 300 a second in turns of 20 ms, and starts both replicas anew. */
export async function keep(count: number): Promise<void> {
  const turnAt = `${Date.now() - 4 * count} + n / 6 * 20`;
  await docker(
    {},
    ...["exec", "galo-bench-db-1", "psql", "-q", "-U", "galo", "-d", "galo", "-c"],
    `insert into payment select gen_random_uuid(), epoch, 1990, ${turnAt} - 7, n % 2, ${
      STAGES.indexOf("settled")
    }, 1, 0,
       ${turnAt}, 0, 0, ${REASONS.indexOf("booked")} from store_state, generate_series(1, ${count}) n`,
  );
  await compose("galo-bench", "compose.yaml", {}, "stop", "a", "b");
  await compose("galo-bench", "compose.yaml", {}, "up", "--detach", "--wait");
}
