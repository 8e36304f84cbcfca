/** The system as it is graded: `docker compose up --build` and stand-in processors where the grader's are. @module */
import assert from "node:assert/strict";
import { type Needs, needs, needsOf, optional } from "../support/permissions.ts";
import { payment, type Totals } from "../cluster/harness.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PROJECT = "galo-test";
const TOKEN = { "x-rinha-token": "123" };

/** Where the system answers. */
export const URL_9999 = "http://127.0.0.1:9999";
/** Where the processors answer on the host. */
export const PROCESSORS = { default: "http://127.0.0.1:8001", fallback: "http://127.0.0.1:8002" } as const;

/** What `docker inspect` says of a container, as far as it is of interest. */
export interface Container {
  readonly Id: string;
  readonly State: { readonly Status: string; readonly OOMKilled: boolean };
  readonly RestartCount: number;
  readonly Config: { readonly User: string; readonly Labels: Record<string, string> };
  readonly HostConfig: {
    readonly NanoCpus: number;
    readonly Memory: number;
    readonly ReadonlyRootfs: boolean;
    readonly Privileged: boolean;
    readonly CapAdd: string[] | null;
    readonly CapDrop: string[] | null;
    readonly SecurityOpt: string[] | null;
    readonly NetworkMode: string;
    readonly PortBindings: Record<string, unknown>;
  };
  readonly Mounts: readonly { readonly Type: string; readonly Destination: string }[];
}

/** A row of a stand-in's own books. */
interface Delivery {
  readonly correlationId: string;
  readonly booked: number;
  readonly cents: number | null;
}

/** The options of a test that needs Docker, and runs only if it is asked for. */
export function needsCompose(): Needs {
  const real = needs("run", "net", "env", "read");
  if (!real.ignore && Deno.env.get("GALO_COMPOSE") !== "1") {
    return optional("they take minutes and the ports 9999, 8001 and 8002: deno task test:compose");
  }
  return needsOf(real, engineAnswers, "no Docker engine answers, or it has no Compose 2");
}

function engineAnswers(): boolean {
  try {
    return new Deno.Command("docker", { args: ["compose", "ls"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Runs docker; resolved to what it printed. */
export function docker(...args: string[]): Promise<string> {
  return dockerWith({}, ...args);
}

async function dockerWith(env: Record<string, string>, ...args: string[]): Promise<string> {
  const inherit = Deno.env.get("GALO_TEST_LOGS") ? "inherit" as const : "piped" as const;
  const { success, stdout, stderr } = await new Deno.Command("docker", { args, env, cwd: ROOT, stderr: inherit })
    .output();
  if (!success) {
    const said = inherit === "piped" ? new TextDecoder().decode(stderr).slice(-4_000) : "";
    throw new Error(`docker ${args.join(" ")}: ${said}`);
  }
  return new TextDecoder().decode(stdout).trim();
}

const processors = (...args: string[]) => docker("compose", "-f", "bench/compose/processors.yaml", ...args);

/** The running system. `await using` removes it, volumes included. */
export class Compose implements AsyncDisposable {
  /** what compose.yaml reads of the environment */
  env: Record<string, string> = {};
  /** Milliseconds from `up` of the built images until the summary answered 200. */
  startupMs = 0;

  static async up(): Promise<Compose> {
    await docker("network", "inspect", "payment-processor").catch(() =>
      docker("network", "create", "payment-processor")
    );
    const compose = new Compose();
    await compose[Symbol.asyncDispose]();
    try {
      await processors("up", "--build", "--detach", "--wait");
      await compose.run("build");
      const start = performance.now();
      await compose.run("up", "--detach");
      await compose.untilServing();
      compose.startupMs = performance.now() - start;
      return compose;
    } catch (error) {
      await compose[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `docker compose` for this system. */
  run(...args: string[]): Promise<string> {
    return dockerWith(this.env, "compose", "-p", PROJECT, ...args);
  }

  /** The container of a service. */
  id(service: string): Promise<string> {
    return this.run("ps", "--all", "--quiet", service);
  }

  /** Every container, by its service. */
  async inspect(): Promise<Map<string, Container>> {
    const ids = (await this.run("ps", "--all", "--quiet")).split("\n");
    const containers: Container[] = JSON.parse(await docker("inspect", ...ids));
    return new Map(containers.map((container) => [container.Config.Labels["com.docker.compose.service"]!, container]));
  }

  /** Waits as long as the grader does. */
  async untilServing(): Promise<void> {
    const serves = async () => (await answer("/payments-summary")).status === 200;
    await eventually("the summary answers 200", serves, 75_000);
  }

  /** The log and the locks are gone, as with the disk that they are on; all that used them must be stopped. */
  async loseLog(): Promise<void> {
    await this.run("rm", "--force", "--stop", "a", "b");
    await docker("volume", "rm", `${PROJECT}_data`);
  }

  /** Runs `docker COMMAND` on the container of a service. */
  async do(command: "kill" | "start" | "restart" | "pause" | "unpause", service: string): Promise<void> {
    await docker(command, await this.id(service));
  }

  /** What each replica says of a path, asked at its own socket from a container that shares the volume. */
  async askBoth<T>(path: string): Promise<readonly [T, T]> {
    const script = `console.log(JSON.stringify(await Promise.all(["a", "b"].map(async (id) => {
      const client = Deno.createHttpClient({ proxy: { transport: "unix", path: "/run/galo/" + id + ".sock" } });
      const answer = await fetch("http://localhost${path}", { client });
      return await answer.json();
    }))))`;
    const volume = `${PROJECT}_run:/run/galo`;
    const said = await docker(
      "run",
      "--rm",
      "--network",
      "none",
      "--user",
      "1993:1993",
      "-v",
      volume,
      "galo",
      "eval",
      script,
    );
    return JSON.parse(said);
  }

  /** Waits until both replicas are linked and nothing is pending at either. */
  async untilSettled(timeoutMs = 120_000): Promise<void> {
    await eventually("both replicas are linked and have settled everything", async () => {
      type Ready = { ready: boolean; peers: Record<string, string>; pending: number };
      const both = await this.askBoth<Ready>("/readyz").catch(() => []);
      return both.length === 2 &&
        both.every(({ ready, peers, pending }) =>
          ready && Object.values(peers).every((state) => state === "linked") && pending === 0
        );
    }, timeoutMs);
  }

  /** Asserts that each id is booked at exactly one processor, nothing else is, and both summaries equal the books. */
  async assertBooks(accepted: readonly string[], uncertain: readonly string[] = [], cents = 1990): Promise<Totals> {
    const books = { default: await deliveries("default"), fallback: await deliveries("fallback") };
    const booked = new Map<string, number>();
    for (const { correlationId, booked: times, cents: amount } of [...books.default, ...books.fallback]) {
      if (!times) continue;
      booked.set(correlationId, (booked.get(correlationId) ?? 0) + times);
      assert.equal(amount, cents, correlationId);
    }
    const wrong = accepted.filter((id) => booked.get(id) !== 1);
    const states = await Promise.all(
      wrong.slice(0, 5).map(async (id) => {
        const says = await (await fetch(`${URL_9999}/payments/${id}`)).text();
        return { id, booked: booked.get(id) ?? 0, says };
      }),
    );
    assert.deepEqual(states, [], `${wrong.length} of ${accepted.length} accepted are not booked once`);
    const known = new Set([...accepted, ...uncertain]);
    assert.deepEqual([...booked.keys()].filter((id) => !known.has(id)), [], "booked and never asked for");
    assert.deepEqual([...booked].filter(([, times]) => times > 1), [], "booked twice");
    const totals = (rows: readonly Delivery[]) => {
      const sum = rows.reduce((all, { cents }) => all + (cents ?? 0), 0);
      return { totalRequests: rows.filter(({ booked }) => booked).length, totalAmount: sum / 100 };
    };
    const expected = { default: totals(books.default), fallback: totals(books.fallback) };
    const [a, b] = await this.askBoth<Totals>("/payments-summary");
    assert.deepEqual({ a, b }, { a: expected, b: expected });
    assert.deepEqual(await (await fetch(`${URL_9999}/payments-summary`)).json(), expected);
    return expected;
  }

  /** Forgets everything, at the processors too. */
  async purge(): Promise<void> {
    assert.equal((await answer("/purge-payments", { method: "POST" })).status, 200);
    for (const url of Object.values(PROCESSORS)) {
      const { status } = await drained(fetch(`${url}/admin/purge-payments`, { method: "POST", headers: TOKEN }));
      assert.equal(status, 200);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("down", "--volumes", "--timeout", "5");
    await processors("down", "--timeout", "1");
  }
}

/** Makes a processor slow or failing. */
export async function configure(processor: keyof typeof PROCESSORS, failure: boolean, delay = 0): Promise<void> {
  const headers = { ...TOKEN, "content-type": "application/json" };
  for (const [name, body] of [["failure", { failure }], ["delay", { delay }]] as const) {
    const url = `${PROCESSORS[processor]}/admin/configurations/${name}`;
    const { status } = await drained(fetch(url, { method: "PUT", headers, body: JSON.stringify(body) }));
    assert.equal(status, 200);
  }
}

async function deliveries(processor: keyof typeof PROCESSORS): Promise<Delivery[]> {
  return await (await fetch(`${PROCESSORS[processor]}/admin/deliveries`, { headers: TOKEN })).json();
}

/** Pays; resolved to the status. @throws saying which problem it was, where it was one */
export async function pay(id: string): Promise<number> {
  const response = await fetch(`${URL_9999}/payments`, payment(id));
  const body = await response.text();
  // a proxy in between must not mix up what it sends again
  if (response.status === 202) assert.equal(response.headers.get("location"), `/payments/${id}`);
  if (response.status !== 202) throw new Error(`${new Date().toISOString()} ${response.status} ${body}`);
  return response.status;
}

/** The answer of the system, its body read. */
export function answer(path: string, init: RequestInit = {}): Promise<Response> {
  return drained(fetch(`${URL_9999}${path}`, init)).catch(() => Response.error());
}

async function drained(pending: Promise<Response>): Promise<Response> {
  const response = await pending;
  await response.body?.cancel();
  return response;
}

/** Waits for a condition. */
export async function eventually(what: string, is: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!await is()) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(200);
  }
}

/** Resolved after a time. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
