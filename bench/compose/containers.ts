/** Systems of containers, side by side: the project's compose file as it is graded, and what it is compared with. @module */
import { cgroups } from "../report/processes.ts";
import type { Addresses } from "../graded/api.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const HERE = new URL("./", import.meta.url).pathname;
/** Names and ports of the bench's own, so that nothing else in the same engine is touched. */
const PREFIX = "galo-reach";
const NETWORK = `${PREFIX}-processors`;
const PORTS = {
  galo: 9980,
  trivial: 9981,
  floor: 9982,
  before: 9983,
  default: 9984,
  fallback: 9985,
  calling: 9986,
  least: 9987,
} as const;

/** For `--help`. */
export const PORTS_USED = `${Math.min(...Object.values(PORTS))} to ${Math.max(...Object.values(PORTS))}`;

/** Docker failed; the message is its last line. */
export class DockerError extends Error {
  override name = "DockerError";
}

/** What one container has used so far. */
export interface Usage {
  readonly cpuMs: number;
  /** without what the kernel could drop at once */
  readonly memoryMiB: number;
  /** of that: pages of files that are in use, above all of programs; they count for the container that read them first */
  readonly filesMiB: number;
  /** periods of CFS in which it wanted to run, and those in which it was stopped */
  readonly periods: number;
  readonly throttled: number;
}

/** By the name of the service. */
export type Usages = ReadonlyMap<string, Usage>;

/** Arguments of `docker` that drop the file caches of its machine. */
export const DROP_CACHES = [
  ...["run", "--rm", "--privileged", "--entrypoint", "sh", "caddy:2-alpine", "-c"],
  "sync; echo 3 > /proc/sys/vm/drop_caches",
];

/** One system: a compose project with a port of its own. */
export class Containers {
  /** where it takes payments */
  readonly url: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #files: readonly string[];
  readonly #folder: string;
  #pids = new Map<string, number>();

  /**
   * @param name of the project, and of the image that its replicas run
   * @param files the first is relative to `folder`, which paths in all of them are relative to
   * @param more variables for the environment of `docker compose`
   */
  constructor(readonly name: string, port: number, files: readonly string[], folder = ROOT, more = {}) {
    this.url = `http://127.0.0.1:${port}`;
    this.#env = { REACH_PORT: `${port}`, REACH_IMAGE: `${PREFIX}-${name}`, REACH_NETWORK: NETWORK, ...more };
    this.#files = files;
    this.#folder = folder;
  }

  /** Removes its old containers, and starts it with these settings. */
  async up(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.down();
    await this.start(settings);
  }

  /** Removes its old containers, and starts it as {@link startFresh} does. */
  async upFresh(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.down();
    await this.startFresh(settings);
  }

  /**
   * Starts what does not run, as on a machine that has just been started: no program's file is in a cache. Its pages count
   * for the container that reads it first, here one of these, so processors, which run Galo's image, are started after them.
   */
  async startFresh(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await processors.compose({}, "stop", "--timeout", "1");
    await docker({}, ROOT, ...DROP_CACHES);
    await this.start(settings);
    await processors.compose({}, "up", "--no-recreate", "--detach", "--wait");
  }

  /** Starts what does not run. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.compose(settings, "up", "--build", "--detach", "--wait");
    this.#pids = await this.#find();
  }

  async down(): Promise<void> {
    await this.compose({}, "down", "--volumes", "--remove-orphans", "--timeout", "5");
  }

  /** `docker compose` for this system, with these settings in its environment. */
  compose(settings: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
    const files = this.#files.flatMap((file) => ["--file", file]);
    const env = { ...this.#env, ...settings };
    return docker(env, this.#folder, "compose", "--project-name", `${PREFIX}-${this.name}`, ...files, ...args);
  }

  /** What each of its containers has used so far, from their cgroups' own accounts. */
  async usage(): Promise<Usages> {
    const ended = await Promise.all([...this.#pids.values()].map(isGone));
    // one that died has restarted
    if (ended.includes(true)) this.#pids = await this.#find();
    const all = await Promise.all(
      [...this.#pids].map(async ([service, pid]) => [service, await usageOf(pid)] as const),
    );
    return new Map(all);
  }

  async #find(): Promise<Map<string, number>> {
    const format = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Pid}}';
    const ids = (await this.compose({}, "ps", "--quiet")).split("\n");
    const lines = (await docker({}, ROOT, "inspect", "--format", format, ...ids)).split("\n").toSorted();
    return new Map(lines.map((line) => line.split(" ")).map(([service, pid]) => [service!, Number(pid)]));
  }
}

/** The project's own compose file, as it is graded. */
export function galo(): Containers {
  return new Containers("galo", PORTS.galo, ["compose.yaml", `${HERE}beside.yaml`]);
}

const TRIVIAL = ["compose.yaml", `${HERE}beside.yaml`, `${HERE}trivial.yaml`];

/** Its Caddy, networks and limits, with replicas that do as little as can be and no Postgres. */
export function trivial(): Containers {
  return new Containers("trivial", PORTS.trivial, TRIVIAL);
}

/** The same, whose replicas also send each payment to the default processor: the least work of any replica. */
export function calling(): Containers {
  const more = { TRIVIAL_CALLS: "http://payment-processor-default:8080" };
  return new Containers("calling", PORTS.calling, TRIVIAL, ROOT, more);
}

/** Galo's image with the least router that keeps a log: the least work of any such router. */
export function least(): Containers {
  return new Containers("least", PORTS.least, ["compose.yaml", `${HERE}beside.yaml`, `${HERE}least.yaml`]);
}

/** A static answer of the same Caddy. */
export function floor(): Containers {
  return new Containers("floor", PORTS.floor, [`${HERE}floor.yaml`]);
}

/**
 * Galo as it was at a commit, by its own compose file; its files are in a temporary folder until `remove` is called.
 *
 * @param ref anything that names a commit
 */
export async function galoBefore(ref: string): Promise<{ system: Containers; remove(): Promise<void> }> {
  const folder = await Deno.makeTempDir({ prefix: "galo-before-" });
  const remove = () => Deno.remove(folder, { recursive: true });
  try {
    await output("git", {}, ROOT, "archive", "--output", `${folder}/files.tar`, ref);
    await output("tar", {}, folder, "--extract", "--file", "files.tar");
    // the containers' users read what is mounted from it
    await Deno.chmod(folder, 0o755);
  } catch (error) {
    await remove();
    throw error;
  }
  const system = new Containers("before", PORTS.before, ["compose.yaml", `${HERE}beside.yaml`], folder);
  return { system, remove };
}

/** Stand-in processors for every system here, where the grader has the real ones. */
export const processors = {
  addresses: {
    default: `http://127.0.0.1:${PORTS.default}`,
    fallback: `http://127.0.0.1:${PORTS.fallback}`,
  } satisfies Addresses["processors"],

  /** Starts them with these fees. */
  async up(fees = { default: 0.05, fallback: 0.15 }): Promise<void> {
    const inspect = docker({}, ROOT, "network", "inspect", NETWORK);
    await inspect.catch(() => docker({}, ROOT, "network", "create", NETWORK));
    const env = { FEE_DEFAULT: `${fees.default}`, FEE_FALLBACK: `${fees.fallback}` };
    await processors.compose(env, "up", "--build", "--detach", "--wait");
  },

  /** Stops them; their network goes once no system is on it. */
  async down(): Promise<void> {
    await processors.compose({}, "down", "--timeout", "1");
    await docker({}, ROOT, "network", "rm", "--force", NETWORK);
  },

  /** `docker compose` for them, with these settings in its environment. */
  compose(env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
    const own = { PROCESSOR_NETWORK: NETWORK, PORT_DEFAULT: `${PORTS.default}`, PORT_FALLBACK: `${PORTS.fallback}` };
    return docker({ ...own, ...env }, ROOT, "compose", "-p", NETWORK, "-f", `${HERE}processors.yaml`, ...args);
  },
};

function docker(env: Readonly<Record<string, string>>, cwd: string, ...args: string[]): Promise<string> {
  return output("docker", env, cwd, ...args);
}

async function output(
  program: string,
  env: Readonly<Record<string, string>>,
  cwd: string,
  ...args: string[]
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, env, cwd }).output().catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new DockerError(`there is no ${program} here`);
  });
  if (success) return new TextDecoder().decode(stdout).trim();
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new DockerError(`${program} ${args.join(" ")}: ${said}`);
}

function isGone(pid: number): Promise<boolean> {
  return Deno.stat(`/proc/${pid}`).then(() => false, () => true);
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
  const pages = (name: string) => field(memoryStat, `total_${name}`) || field(memoryStat, name) || 0;
  return {
    cpuMs: Number.isNaN(ns) ? field(cpuStat, "usage_usec") / 1_000 : ns / 1e6,
    memoryMiB: (bytes - pages("inactive_file")) / 2 ** 20,
    filesMiB: pages("active_file") / 2 ** 20,
    periods: field(stat, "nr_periods"),
    throttled: field(stat, "nr_throttled"),
  };
}
