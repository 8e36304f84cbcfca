/**
 * A cluster of real processes for tests: stand-in processors in the test's own process, so that their books can be read,
 * replicas as processes of their own that can be killed, paused and started again, and Caddy where there is one.
 */
import assert from "node:assert/strict";
// @ts-types="@types/pg"
import pg from "pg";
import type { StandIn } from "../../src/local/standin.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { CADDY, type Needs, needsOf, NO_CADDY } from "../support/permissions.ts";
import { EXIT_RESTART } from "../../src/errors.ts";
import { freePort } from "../support/free_port.ts";
import { bothStandIns } from "../support/standins.ts";
import { until } from "../support/until.ts";
import { PAIR } from "../support/pair.ts";

export type Id = string;

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const CADDYFILE = new URL("../../Caddyfile", import.meta.url).pathname;

/** One replica's process, reached where it listens. One that asks to be started again is. */
export class ReplicaProcess {
  #process: Deno.ChildProcess | undefined;
  #ended = false;
  readonly #client: Deno.HttpClient;
  readonly #url: string;
  /** how often it asked for that */
  restarts = 0;

  /**
   * @param socket its path, or an address with a port
   * @param inside what runs a command where the process is to run; nothing runs it here
   */
  constructor(
    readonly id: Id,
    readonly socket: string,
    private readonly env: Record<string, string>,
    private readonly inside: readonly string[] = [],
  ) {
    const path = socket.startsWith("/") ? { proxy: { transport: "unix", path: socket } as const } : {};
    this.#client = Deno.createHttpClient({ ...path, poolMaxIdlePerHost: 64 });
    this.#url = socket.startsWith("/") ? "http://localhost" : `http://${socket}`;
  }

  get pid(): number {
    return this.#process!.pid;
  }

  /** Starts the process; resolved once the replica has read the store and the log, and serves. */
  async start(env: Record<string, string> = {}): Promise<void> {
    this.#ended = false;
    const serving = Promise.withResolvers<void>();
    void this.#live({ ...this.env, ...env }, serving);
    await serving.promise;
  }

  async #live(env: Record<string, string>, serving: PromiseWithResolvers<void>): Promise<void> {
    for (;;) {
      const [program, ...args] = [...this.inside, Deno.execPath(), "run", "-A", "--quiet", MAIN, "replica", "--parent"];
      const process = this.#process = new Deno.Command(program!, {
        args,
        env,
        stdin: "piped",
        stdout: "piped",
        stderr: Deno.env.get("GALO_TEST_LOGS") ? "inherit" : "null",
      }).spawn();
      const reader = process.stdout.getReader();
      if (!(await reader.read()).done) serving.resolve();
      reader.releaseLock();
      process.stdout.pipeTo(new WritableStream()).catch(() => {});
      const { code } = await process.status;
      if (code !== EXIT_RESTART || this.#ended) {
        return serving.reject(new Error(`replica ${this.id} ended with ${code}`));
      }
      this.restarts++;
    }
  }

  signal(name: Deno.Signal): void {
    this.#process!.kill(name);
  }

  /** Sends a signal and waits for the end. */
  async end(name: Deno.Signal): Promise<Deno.CommandStatus> {
    this.#ended = true;
    try {
      this.signal(name);
    } catch {
      // it has ended by itself
    }
    return await this.#process!.status;
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.#url}${path}`, { ...init, client: this.#client });
  }

  async pay(id: string, amount = 19.9): Promise<number> {
    return await statusOf(this.request("/payments", payment(id, amount)));
  }

  async summary(query = ""): Promise<Totals> {
    const response = await this.request(`/payments-summary${query}`);
    assert.equal(response.status, 200);
    return await response.json();
  }

  /** What it says of a payment; undefined where it knows of none. */
  async find(id: string): Promise<Found | undefined> {
    const response = await this.request(`/payments/${id}`);
    const body = await response.json();
    if (response.status === 404) return undefined;
    assert.equal(response.status, 200);
    return body;
  }

  async readyz(): Promise<Ready> {
    return await (await this.request("/readyz")).json();
  }

  close(): void {
    this.#client.close();
  }
}

/** How a replica is, as far as it is of interest. */
export type Ready = Record<string, unknown> & {
  readonly peers: Readonly<Record<Id, string>>;
  readonly store: string;
  readonly queue: number;
  readonly pending: number;
};

/** Whether all peers are in this state, and there is one. */
export function allPeers({ peers }: Ready, state: string): boolean {
  const states = Object.values(peers);
  return states.length > 0 && states.every((one) => one === state);
}

/** A payment, as far as it is of interest. */
export interface Found {
  readonly state: string;
  readonly amount: number;
  readonly processor: "default" | "fallback" | null;
  readonly owner: Id;
}

export interface Totals {
  readonly default: { readonly totalRequests: number; readonly totalAmount: number };
  readonly fallback: { readonly totalRequests: number; readonly totalAmount: number };
}

export interface ClusterOptions {
  readonly env?: Record<string, string>;
  readonly caddy?: boolean;
  /** false: they never hear each other */
  readonly link?: boolean;
  /** a folder to use again, for a second life of the same cluster */
  readonly folder?: string;
  readonly processors?: { readonly default: StandIn; readonly fallback: StandIn };
}

/** Replicas, two if nothing else is said, and what is around them. `await using` stops everything. */
export class Cluster implements AsyncDisposable {
  readonly a: ReplicaProcess;
  readonly b: ReplicaProcess;
  #caddy: Caddy | undefined;
  /** those of REPLICAS */
  readonly running: readonly ReplicaProcess[];

  private constructor(
    readonly folder: string,
    readonly processors: { readonly default: StandIn; readonly fallback: StandIn },
    { env = {}, link = true }: ClusterOptions,
  ) {
    const shared = {
      PROCESSOR_DEFAULT_URL: processors.default.url,
      PROCESSOR_FALLBACK_URL: processors.fallback.url,
      ALLOW_PURGE: "true",
      ...env,
    };
    const replica = (id: Id, data: string) => {
      const socket = `${folder}/${id}.sock`;
      return new ReplicaProcess(id, socket, { ...shared, REPLICA: id, LISTEN: socket, DATA_DIR: data });
    };
    this.a = replica("a", folder);
    this.b = replica("b", link ? folder : sharedButLink(folder));
    const [, , ...more] = (env.REPLICAS ?? "a,b").split(",");
    this.running = env.REPLICAS === "a" ? [this.a] : [this.a, this.b, ...more.map((id) => replica(id, folder))];
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const processors = options.processors ?? await bothStandIns();
    // the path of a UNIX socket has room for about a hundred characters
    const folder = options.folder ?? await Deno.makeTempDir({ prefix: "galo-" });
    const cluster = new Cluster(folder, processors, options);
    await Promise.all(cluster.running.map((replica) => replica.start()));
    if (cluster.running.length < 2) return cluster;
    if (options.link !== false) await cluster.untilLinked();
    else await cluster.untilPeersAre("unreachable");
    if (options.caddy) cluster.#caddy = await Caddy.start(cluster.running.map(({ socket }) => socket));
    return cluster;
  }

  /** Where Caddy takes payments. */
  get url(): string {
    return this.#caddy!.url;
  }

  /** Both replicas. */
  get replicas(): readonly [ReplicaProcess, ReplicaProcess] {
    return [this.a, this.b];
  }

  async untilLinked(): Promise<void> {
    await this.untilPeersAre("linked");
  }

  private async untilPeersAre(state: string): Promise<void> {
    for (const replica of this.running) await until(async () => allPeers(await replica.readyz(), state));
  }

  /** Waits until nothing is pending, as this replica knows once it has read the log to its end. */
  async untilSettled(replica: ReplicaProcess = this.a, timeoutMs = 60_000): Promise<void> {
    await until(async () => {
      await replica.summary();
      return (await replica.readyz()).pending === 0;
    }, timeoutMs);
  }

  /** What the processors' own books say, in the summary's words. */
  books(): Totals {
    const totals = ({ books }: StandIn) => ({
      totalRequests: books.booked.size,
      totalAmount: books.totals.all.cents / 100,
    });
    return { default: totals(this.processors.default), fallback: totals(this.processors.fallback) };
  }

  /** Asserts that each of these ids is booked at exactly one processor, for this many cents. */
  assertBookedOnce(ids: Iterable<string>, cents = 1990): void {
    const { default: first, fallback: second } = this.processors;
    for (const id of ids) {
      const booked = [first.books.booked.get(id)?.cents, second.books.booked.get(id)?.cents];
      assert.deepEqual(booked.filter((amount) => amount !== undefined), [cents], `${id} is booked as ${booked}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#caddy?.[Symbol.asyncDispose]();
    for (const replica of this.running) {
      // also one that stands still
      await replica.end("SIGKILL");
      replica.close();
    }
    await Promise.all([this.processors.default.close(), this.processors.fallback.close()]);
    await Deno.remove(this.folder, { recursive: true }).catch(() => {});
  }
}

/** A folder with the same log and the same locks as `folder`, and no socket of the peer link. */
function sharedButLink(folder: string): string {
  const other = `${folder}/other`;
  Deno.mkdirSync(other);
  Deno.mkdirSync(`${folder}/log`);
  const locks = [...PAIR.names, "log", "poll", "process-a", "process-b"].map((name) => `${name}.lock`);
  for (const name of ["log", ...locks]) Deno.symlinkSync(`../${name}`, `${other}/${name}`);
  return other;
}

/** A Postgres of a test's own, in a folder of its own. `await using` ends it and forgets everything. */
export class TestPostgres implements AsyncDisposable {
  #server: EmbeddedPostgres | undefined;

  private constructor(readonly folder: string, readonly url: string) {}

  static async start(): Promise<TestPostgres> {
    const folder = await Deno.makeTempDir({ prefix: "galo-pg-" });
    const server = await startEmbeddedPostgres(folder);
    const postgres = new TestPostgres(folder, server.url);
    postgres.#server = server;
    return postgres;
  }

  /** Starts it again, at the same address and with what it had committed. */
  async start(): Promise<void> {
    this.#server = await startEmbeddedPostgres(this.folder);
  }

  /** Ends it as a power cut does. */
  async kill(): Promise<void> {
    Deno.kill(this.#server!.pid, "SIGKILL");
    await this.#server!.exited;
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  /** The rows of a query. */
  async query<T extends object>(text: string): Promise<T[]> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The load balancer of this repository, on a free port. `await using` stops it. */
export class Caddy implements AsyncDisposable {
  private constructor(readonly port: number, private readonly process: Deno.ChildProcess) {}

  /**
   * @param sockets those of the replicas
   * @param caddyfile another than the repository's
   */
  static async start(sockets: readonly string[], caddyfile = CADDYFILE): Promise<Caddy> {
    const port = freePort();
    const process = new Deno.Command(CADDY!, {
      args: ["run", "--adapter", "caddyfile", "--config", caddyfile],
      env: { GALO_PORT: `${port}`, GALO_UPSTREAMS: sockets.map((socket) => `unix/${socket}`).join(" ") },
      stdout: "null",
      stderr: Deno.env.get("GALO_TEST_LOGS") ? "inherit" : "null",
    }).spawn();
    const caddy = new Caddy(port, process);
    await until(() => fetch(`${caddy.url}/livez`).then(async (r) => (await r.body?.cancel(), r.ok), () => false));
    return caddy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.status;
  }
}

/** The options of a test that runs behind Caddy. */
export function behindCaddy(real: Needs): Needs {
  return needsOf(real, () => CADDY !== undefined, NO_CADDY);
}

/** The request of one payment. */
export function payment(id: string, amount = 19.9): RequestInit {
  const headers = { "content-type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify({ correlationId: id, amount }) };
}

/** The status of an answer, whose body is of no interest. */
export async function statusOf(answer: Promise<Response>): Promise<number> {
  const response = await answer;
  await response.body?.cancel();
  return response.status;
}

/** Pays fresh ids through `send` with so many senders at once, until `stop` says so or they run out. */
export async function load(
  send: (id: string) => Promise<number>,
  options: { readonly count?: number; readonly senders?: number; readonly stop?: () => boolean },
): Promise<{ accepted: string[]; failed: { id: string; why: string }[] }> {
  const { count = Infinity, senders = 16, stop = () => false } = options;
  const accepted: string[] = [];
  const failed: { id: string; why: string }[] = [];
  let sent = 0;
  const sender = async () => {
    while (sent < count && !stop()) {
      sent++;
      const id = crypto.randomUUID();
      try {
        const status = await send(id);
        if (status === 202) accepted.push(id);
        else failed.push({ id, why: `status ${status}` });
      } catch (error) {
        failed.push({ id, why: String(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: senders }, sender));
  return { accepted, failed };
}
