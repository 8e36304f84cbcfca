/**
 * Hosts on one machine: a network namespace for each, without a route to anywhere else. Two networks connect them: one
 * among the hosts, and one on which each of them reaches this process, but none of the other hosts. Linux, as root.
 * @module
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Names of namespaces and interfaces begin so, followed by the number of the process that made them. */
const PREFIX = "galo";
/** The networks, from the block that is set aside for measurements (RFC 2544). */
const OUTSIDE = "198.18";
const INSIDE = "198.19";
/** The last byte of the address of this process, and of the first host. */
const HERE = 1;
const FIRST_HOST = 11;
/** What ends a run early. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What keeps namespaces from being made here, in one line; undefined where nothing does. */
export function whyNoHosts(): string | undefined {
  if (Deno.build.os !== "linux") return "hosts are network namespaces of Linux";
  if (Deno.uid() !== 0) return "hosts are network namespaces, which only root may make";
  const name = `${PREFIX}-${Deno.pid}-try`;
  try {
    const made = new Deno.Command("ip", { args: ["netns", "add", name], stderr: "piped" }).outputSync();
    if (!made.success) return `ip netns add: ${new TextDecoder().decode(made.stderr).trim()}`;
    new Deno.Command("ip", { args: ["netns", "del", name] }).outputSync();
    return undefined;
  } catch (error) {
    return `ip (Debian's package iproute2) cannot be run: ${(error as Error).message}`;
  }
}

/** The networks of a process: at most one set at a time. `await using` removes everything. */
export class HostNetwork implements AsyncDisposable {
  readonly #own = `${PREFIX}-${Deno.pid}`;
  readonly #hub = `${this.#own}-hub`;
  /** names of interfaces are short */
  readonly #interface = `${PREFIX}${Deno.pid}`;
  // what ends this process may end the first `ip` as well
  readonly #interrupted = () => void remove(Deno.pid).catch(() => remove(Deno.pid)).finally(() => Deno.exit(1));

  private constructor(readonly hosts: readonly string[], private readonly third: number) {
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#interrupted);
  }

  /** @param hosts their names @throws what `ip` says if it cannot be made; what was made by then is removed */
  static async make(hosts: readonly string[]): Promise<HostNetwork> {
    await removeLeftovers();
    const network = new HostNetwork(hosts, await freeThird());
    try {
      await network.#make();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where the hosts reach this process. */
  get here(): string {
    return `${OUTSIDE}.${this.third}.${HERE}`;
  }

  /** Where this process reaches a host. */
  outside(host: string): string {
    return `${OUTSIDE}.${this.third}.${FIRST_HOST + this.hosts.indexOf(host)}`;
  }

  /** Where hosts reach each other. */
  inside(host: string): string {
    return `${INSIDE}.${this.third}.${FIRST_HOST + this.hosts.indexOf(host)}`;
  }

  /** What runs a command on a host: it becomes the command, under the same process id. */
  on(host: string): readonly string[] {
    return ["ip", "netns", "exec", this.#nameOf(host)];
  }

  /**
   * From now on nothing that the host sends arrives, and it receives nothing; nobody is told.
   *
   * @param entirely also to and from this process, not only between the hosts
   */
  async cut(host: string, entirely: boolean): Promise<void> {
    await ip("-n", this.#hub, "link", "set", `in-${host}`, "nomaster");
    if (entirely) await ip("-n", this.#hub, "link", "set", `out-${host}`, "nomaster");
  }

  /** Ends {@link cut}. */
  async heal(host: string): Promise<void> {
    for (const network of ["in", "out"]) await this.#plug(network, host);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#interrupted);
    await remove(Deno.pid);
  }

  async #make(): Promise<void> {
    for (const name of [this.#hub, ...this.hosts.map((host) => this.#nameOf(host))]) {
      await ip("netns", "add", name);
      await ip("-n", name, "link", "set", "lo", "up");
    }
    for (const network of ["in", "out"]) {
      // without a delay a port forwards at once
      await ip("-n", this.#hub, "link", "add", network, "type", "bridge", "forward_delay", "0");
      await ip("-n", this.#hub, "link", "set", network, "up");
    }
    for (const host of this.hosts) {
      await this.#connect("in", host, this.inside(host));
      await this.#connect("out", host, this.outside(host));
      // the kernel would go on sending what a process has given up, and book a payment long after that
      await run([...this.on(host), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_orphan_retries"]);
    }
    const end = this.#interface;
    await ip("link", "add", end, "type", "veth", "peer", "name", "here", "netns", this.#hub);
    await ip("-n", this.#hub, "link", "set", "here", "master", "out", "up");
    await ip("address", "add", `${this.here}/24`, "dev", end);
    await ip("link", "set", end, "up");
  }

  async #connect(network: string, host: string, address: string): Promise<void> {
    const name = this.#nameOf(host);
    const end = `${network}-${host}`;
    await ip("-n", this.#hub, "link", "add", end, "type", "veth", "peer", "name", network, "netns", name);
    await ip("-n", this.#hub, "link", "set", end, "up");
    await this.#plug(network, host);
    await ip("-n", name, "address", "add", `${address}/24`, "dev", network);
    await ip("-n", name, "link", "set", network, "up");
  }

  async #plug(network: string, host: string): Promise<void> {
    const end = `${network}-${host}`;
    await ip("-n", this.#hub, "link", "set", end, "master", network);
    // hosts see this process there, and not each other
    if (network === "out") await ip("-n", this.#hub, "link", "set", end, "type", "bridge_slave", "isolated", "on");
  }

  #nameOf(host: string): string {
    return `${this.#own}-${host}`;
  }
}

/** The first third byte of an address that no interface of this machine has in {@link OUTSIDE}. */
async function freeThird(): Promise<number> {
  const addresses = await ip("-4", "-o", "address", "show");
  for (let tries = 0; tries < 256; tries++) {
    const third = (Deno.pid + tries) % 256;
    if (!addresses.includes(` ${OUTSIDE}.${third}.`)) return third;
  }
  throw new Error(`every network of ${OUTSIDE}.0.0/16 is in use`);
}

/** Removes what processes have left that were killed, and ends what still runs in their namespaces. */
async function removeLeftovers(): Promise<void> {
  const pids = (await ip("netns", "list")).matchAll(new RegExp(`^${PREFIX}-(\\d+)-`, "gm")).map(([, pid]) =>
    Number(pid)
  );
  for (const pid of new Set(pids)) if (!isAlive(pid)) await remove(pid);
}

async function remove(pid: number): Promise<void> {
  const names = (await ip("netns", "list")).match(new RegExp(`^${PREFIX}-${pid}-\\S+`, "gm")) ?? [];
  for (const name of names) {
    for (const left of (await ip("netns", "pids", name)).split("\n").filter(Boolean)) {
      try {
        Deno.kill(Number(left), "SIGKILL");
      } catch {
        // it has ended by itself
      }
    }
    // what connects it to the others goes with it
    await ip("netns", "delete", name);
  }
  await ip("link", "delete", `${PREFIX}${pid}`).catch(() => {});
}

function isAlive(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}

function ip(...args: string[]): Promise<string> {
  return run(["ip", ...args]);
}

async function run([command, ...args]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command!, args)).stdout;
}
