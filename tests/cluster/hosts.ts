/**
 * Three hosts with a NATS server and a replica each, in network namespaces of their own; Postgres and the stand-in
 * processors are in this process's network, and every host reaches them.
 * @module
 */
import type { StandIn } from "../../src/local/standin.ts";
import { bothStandIns } from "../support/standins.ts";
import { until } from "../support/until.ts";
import { ReplicaProcess, TestPostgres, type Totals } from "./harness.ts";
import { HostNetwork, whyNoHosts } from "./host_network.ts";
import { program } from "../support/permissions.ts";

export const HOSTS = ["a", "b", "c"] as const;
export type HostName = typeof HOSTS[number];

const CLIENT_PORT = 4222;
const ROUTE_PORT = 6222;
const MONITOR_PORT = 8222;
/** Where the heap of a server can be measured. */
const PROFILE_PORT = 8223;
/** When a look at something that should answer at once is given up, in milliseconds. */
const LOOK_MS = 10_000;
const MONITOR_MS = 1_000;
/** When something that starts, or joins again, is given up, in milliseconds. */
const START_MS = 60_000;
/** How long servers have to catch up, in milliseconds. */
const WHOLE_MS = 20_000;

/** This machine cannot have hosts; the message is one line. */
export class HostsError extends Error {
  override name = "HostsError";
}

/** The NATS server of a host. */
export class NatsServer {
  #process: Deno.ChildProcess | undefined;

  constructor(private readonly host: HostName, private readonly network: HostNetwork, readonly folder: string) {}

  get pid(): number {
    return this.#process!.pid;
  }

  start(): void {
    const path = `${this.folder}/server.conf`;
    Deno.writeTextFileSync(path, this.#configuration());
    const [program, ...args] = [...this.network.on(this.host), "nats-server", "--config", path];
    this.#process = new Deno.Command(program!, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  }

  /** As the power does. */
  async kill(): Promise<void> {
    try {
      this.#process?.kill("SIGKILL");
    } catch {
      // it has ended by itself
    }
    await this.#process?.status;
    this.#process = undefined;
  }

  /** What its monitoring says; undefined where it does not answer. */
  async look(path: string): Promise<Record<string, unknown> | undefined> {
    const text = await this.#get(MONITOR_PORT, path);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Bytes of its heap that are in use, garbage collected. */
  async heapBytes(): Promise<number> {
    const text = await this.#get(PROFILE_PORT, "/debug/pprof/heap?gc=1&debug=1");
    return Number(/^# HeapAlloc = (\d+)$/m.exec(text ?? "")![1]);
  }

  async #get(port: number, path: string): Promise<string | undefined> {
    const url = `http://${this.network.outside(this.host)}:${port}${path}`;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(MONITOR_MS) });
      const text = await response.text();
      return response.ok ? text : undefined;
    } catch {
      return undefined;
    }
  }

  #configuration(): string {
    const { host, network, folder } = this;
    const routes = HOSTS.filter((other) => other !== host)
      .map((other) => `"nats-route://${network.inside(other)}:${ROUTE_PORT}"`);
    return `server_name: ${host}
listen: "0.0.0.0:${CLIENT_PORT}"
http: "${network.outside(host)}:${MONITOR_PORT}"
prof_port: ${PROFILE_PORT}
jetstream: { store_dir: ${JSON.stringify(`${folder}/store`)}, sync_interval: always }
cluster: {
  name: galo
  listen: "${network.inside(host)}:${ROUTE_PORT}"
  no_advertise: true
  routes: [${routes.join(", ")}]
}
`;
  }
}

/** What a server says of a stream. */
export interface StreamDetail {
  readonly name: string;
  readonly cluster: { readonly leader: HostName; readonly replicas: readonly { name: string; current: boolean }[] };
  readonly state: { readonly messages: number; readonly bytes: number; readonly last_seq: number };
}

export interface HostsOptions {
  /** settings of the replicas */
  readonly env?: Readonly<Record<string, string>>;
  /** a port of each host where its replica takes payments, instead of a UNIX socket */
  readonly port?: number;
  /** where the processors are, if not stand-ins in this process */
  readonly processors?: (here: string) => Promise<Readonly<Record<"default" | "fallback", StandIn>>>;
}

/** The hosts and what is around them. `await using` stops and removes everything. */
export class Hosts implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  network!: HostNetwork;
  postgres!: TestPostgres;
  processors!: Readonly<Record<"default" | "fallback", StandIn>>;
  readonly #replicas = new Map<HostName, ReplicaProcess>();
  readonly #servers = new Map<HostName, NatsServer>();

  /** Starts everything; resolved once every replica takes payments. @throws HostsError */
  static async start(options: HostsOptions = {}): Promise<Hosts> {
    const hosts = new Hosts();
    try {
      await hosts.#start(options);
      return hosts;
    } catch (error) {
      await hosts[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The replica of a host. */
  replica(host: HostName): ReplicaProcess {
    return this.#replicas.get(host)!;
  }

  server(host: HostName): NatsServer {
    return this.#servers.get(host)!;
  }

  /** The stream that holds the log, as its leader says; undefined while most servers name none. */
  async stream(): Promise<StreamDetail | undefined> {
    const seen = await Promise.all(HOSTS.map(async (host) => [host, await this.#streamAt(host)] as const));
    // one that was cut off may think that it still leads
    return seen.find(([host]) => 2 * seen.filter(([, at]) => at?.cluster.leader === host).length > HOSTS.length)?.[1];
  }

  async #streamAt(host: HostName): Promise<StreamDetail | undefined> {
    const said = await this.server(host).look("/jsz?streams=1&config=1");
    const accounts = (said?.account_details ?? []) as { stream_detail?: StreamDetail[] }[];
    return accounts.flatMap(({ stream_detail = [] }) => stream_detail).find(({ name }) => !name.startsWith("KV_"));
  }

  /** The host whose server leads the stream; waits until there is one. */
  async leader(): Promise<HostName> {
    let leader: HostName | undefined;
    await until(async () => (leader = (await this.stream())?.cluster.leader) !== undefined, START_MS);
    return leader!;
  }

  /** Server and replica die. */
  async kill(host: HostName): Promise<void> {
    await Promise.all([this.server(host).kill(), this.replica(host).end("SIGKILL")]);
  }

  /** It comes back; resolved once its replica takes payments. */
  async revive(host: HostName): Promise<void> {
    this.server(host).start();
    await within(this.replica(host).start(), `replica ${host} starts`);
  }

  /**
   * Waits until every replica is ready, and for a while until every server has all of the stream.
   *
   * @returns what is known of the stream if some server still lacks a part of it: that is the servers' own affair
   */
  async untilWell(): Promise<string | undefined> {
    for (const host of HOSTS) await until(async () => (await this.look(host, "/readyz"))?.ready === true, START_MS);
    let stream: StreamDetail | undefined;
    const isWhole = async () =>
      (stream = await this.stream())?.cluster.replicas.every(({ current }) => current) === true;
    return await until(isWhole, WHOLE_MS).then(() => undefined, () => JSON.stringify(stream));
  }

  /** What a replica answers to a GET with 200; undefined if it is anything else, or nothing in time. */
  async look<T = Record<string, unknown>>(host: HostName, path: string): Promise<T | undefined> {
    try {
      const response = await this.replica(host).request(path, { signal: AbortSignal.timeout(LOOK_MS) });
      const body = await response.json();
      return response.status === 200 ? body as T : undefined;
    } catch {
      return undefined;
    }
  }

  /** What the processors' own books say, in the summary's words. */
  books(): Totals {
    const totals = ({ books }: StandIn) => ({
      totalRequests: books.booked.size,
      totalAmount: books.totals.all.cents / 100,
    });
    return { default: totals(this.processors.default), fallback: totals(this.processors.fallback) };
  }

  /** What Postgres says, in the same words. */
  async stored(): Promise<Totals> {
    const rows = await this.postgres.query<{ processor: string; count: number; amount: number }>(
      "select processor, count(*)::int, sum(amount)::float8 as amount from payment_audit where stage = 'settled' group by 1",
    );
    const totals = (name: string) => {
      const row = rows.find(({ processor }) => processor === name);
      return { totalRequests: row?.count ?? 0, totalAmount: row?.amount ?? 0 };
    };
    return { default: totals("default"), fallback: totals("fallback") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #start({ env = {}, port, processors = bothStandIns }: HostsOptions): Promise<void> {
    const why = whyNoHosts() ?? (program("nats-server") ? undefined : "no nats-server on the PATH");
    if (why) throw new HostsError(`no hosts can be made here: ${why}`);
    const folder = await Deno.makeTempDir({ prefix: "galo-" });
    this.#stack.defer(() => Deno.remove(folder, { recursive: true }));
    this.postgres = this.#stack.use(await TestPostgres.start());
    this.network = this.#stack.use(await HostNetwork.make(HOSTS));
    const { here } = this.network;
    this.processors = await processors(here);
    for (const processor of Object.values(this.processors)) this.#stack.use(processor);
    const relay = this.#stack.use(new SocketRelay(here, this.postgres.url));
    for (const host of HOSTS) {
      Deno.mkdirSync(`${folder}/${host}`);
      const server = new NatsServer(host, this.network, `${folder}/${host}`);
      this.#stack.defer(() => server.kill());
      this.#servers.set(host, server);
      const listen = port ? `${this.network.outside(host)}:${port}` : `${folder}/${host}.sock`;
      const replica = new ReplicaProcess(host, listen, {
        REPLICA: host,
        REPLICAS: HOSTS.join(","),
        LISTEN: listen,
        DATA_DIR: `${folder}/${host}`,
        LOG: this.#log(host),
        DATABASE_URL: relay.url,
        PROCESSOR_DEFAULT_URL: this.processors.default.url,
        PROCESSOR_FALLBACK_URL: this.processors.fallback.url,
        ALLOW_PURGE: "true",
        ...env,
      }, this.network.on(host));
      this.#replicas.set(host, replica);
      this.#stack.defer(async () => {
        // also one that stands still
        await replica.end("SIGKILL");
        replica.close();
      });
    }
    for (const server of this.#servers.values()) server.start();
    await within(Promise.all([...this.#replicas.values()].map((replica) => replica.start())), "the replicas start");
    await this.untilWell();
  }

  /** The servers, a host's own first. */
  #log(host: HostName): string {
    const own = HOSTS.toSorted((a, b) => Number(b === host) - Number(a === host));
    return `nats://${own.map((name) => `${this.network.inside(name)}:${CLIENT_PORT}`).join(",")}`;
  }
}

/** Lets hosts reach a Postgres that listens on a UNIX socket only. */
class SocketRelay implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #relaying: Promise<void>;

  constructor(private readonly hostname: string, url: string) {
    // URL takes none without a host name
    const parts = new URLSearchParams(url.split("?")[1]);
    const path = `${parts.get("host")}/.s.PGSQL.${parts.get("port")}`;
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.#relaying = this.#relay(path);
  }

  get url(): string {
    return `postgres://galo@${this.hostname}:${this.#listener.addr.port}/postgres?sslmode=disable`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await this.#relaying;
  }

  async #relay(path: string): Promise<void> {
    for await (const caller of this.#listener) void this.#connect(caller, path).catch(() => close(caller));
  }

  async #connect(caller: Deno.Conn, path: string): Promise<void> {
    const server = await Deno.connect({ transport: "unix", path });
    const both = [caller, server];
    for (const connection of both) this.#connections.add(connection);
    const pipes = [caller.readable.pipeTo(server.writable), server.readable.pipeTo(caller.writable)];
    // one that breaks off breaks the other off
    await Promise.allSettled(pipes);
    for (const connection of both) {
      close(connection);
      this.#connections.delete(connection);
    }
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // the stream that it was piped to has closed it
  }
}

/** @throws if something takes longer than {@link START_MS} */
async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`waited ${START_MS} ms in vain until ${what}`)), START_MS);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
