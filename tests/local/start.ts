/** `start` as a process of its own, for tests. @module */
import { connect } from "../store/test_server.ts";
import { until } from "../support/until.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface Line {
  readonly level: string;
  readonly message: string;
  readonly logger: string;
}

/** A cluster that runs. `await using` ends it, and forgets its folder. */
export class Started implements AsyncDisposable {
  #said = "";
  #logged = "";
  readonly #reading: Promise<unknown>;
  readonly process: Deno.ChildProcess;

  constructor(readonly folder: string, env: Record<string, string> = {}, wrapped: readonly string[] = []) {
    const settings = { LISTEN: "127.0.0.1:0", DATA_DIR: folder, NO_COLOR: "1", ...env };
    const options = (["caddy", "hosts"] as const).flatMap((name) => {
      const value = env[name.toUpperCase()];
      return value ? [`--${name}`, value] : [];
    });
    const start = ["start", "--stand-in-port", "0", ...options];
    const [program, ...args] = [...wrapped, Deno.execPath(), "run", "-A", "--quiet", MAIN, ...start];
    this.process = new Deno.Command(program!, {
      args,
      env: { ...settings, CADDY: "", HOSTS: "" },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const read = (from: ReadableStream<Uint8Array>, tell: (text: string) => void) =>
      from.pipeThrough(new TextDecoderStream()).pipeTo(new WritableStream({ write: tell }));
    this.#reading = Promise.all([
      read(this.process.stdout, (text) => this.#said += text),
      read(this.process.stderr, (text) => this.#logged += text),
    ]);
  }

  static async start(...of: ConstructorParameters<typeof Started>): Promise<Started> {
    const started = new Started(...of);
    const ended = started.end().then(({ code }) => code);
    await Promise.race([
      until(() => started.#said.includes("Ctrl-C")),
      ended.then((code) => Promise.reject(new Error(`start ended with ${code}: ${started.#logged}`))),
    ]);
    return started;
  }

  /** Where payments are taken. */
  get url(): string {
    return /replicas? (?:behind Caddy )?on (http:\S+)/.exec(this.#said)![1]!;
  }

  /** What `start` itself logged. */
  get lines(): string[] {
    const all = this.#logged.split("\n").slice(0, -1).filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Line);
    return all.filter(({ logger }) => logger === "galo.cluster").map(({ level, message }) => `${level}: ${message}`);
  }

  /** What it says to people. */
  get said(): string {
    return this.#said;
  }

  get logged(): string {
    return this.#logged;
  }

  /** The process of its Postgres. */
  async postgres(): Promise<number> {
    return parseInt(await Deno.readTextFile(`${this.folder}/postgres/data/postmaster.pid`));
  }

  /** Asks its Postgres. */
  async query(text: string): Promise<Record<string, unknown>[]> {
    const host = encodeURIComponent(`${this.folder}/postgres`);
    const client = await connect(`postgres://galo@/postgres?host=${host}&port=5432&sslmode=disable`);
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** How many payments its Postgres has. */
  async stored(): Promise<number> {
    return Number((await this.query("select count(*) from payment"))[0]!.count);
  }

  /** How many payments its summary has at the default processor. */
  async settled(): Promise<number> {
    return (await (await fetch(`${this.url}/payments-summary`)).json()).default.totalRequests;
  }

  async readyz(): Promise<Record<string, unknown> & { store: string }> {
    return await (await fetch(`${this.url}/readyz`)).json();
  }

  /** Waits for the end. */
  async end(name?: Deno.Signal): Promise<Deno.CommandStatus> {
    if (name) this.process.kill(name);
    const status = await this.process.status;
    await this.#reading;
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGTERM");
    } catch {
      // it has ended
    }
    await this.end();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** A folder of a test's own, which the account of PostgreSQL may enter. */
export async function newFolder(name?: string): Promise<string> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "galo-" }));
  if (name === undefined) return folder;
  await Deno.chmod(folder, 0o711);
  await Deno.mkdir(`${folder}/${name}`);
  return `${folder}/${name}`;
}

/** Processes that have a path in their command line or environment. */
export function usersOf(path: string): string[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => /^\d+$/.test(name)).filter((name) => {
    try {
      return ["environ", "cmdline"].some((file) => Deno.readTextFileSync(`/proc/${name}/${file}`).includes(path));
    } catch {
      return false;
    }
  });
}
