/** A PostgreSQL for the tests of one file. @module */
// @ts-types="@types/pg"
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { PostgresStore } from "../../src/store/postgres.ts";
import { needs } from "../support/permissions.ts";
import { PAIR } from "../support/pair.ts";

/** What a test needs that starts a server. */
export const needsServer = needs("read", "write", "run", "net", "env", "sys");

/** One server, a new database for each test. */
export class TestServer {
  folder = "";
  #postgres: EmbeddedPostgres | undefined;
  #databases = 0;

  async start(): Promise<void> {
    this.folder ||= await Deno.makeTempDir({ prefix: "galo-test-" });
    this.#postgres = await startEmbeddedPostgres(`${this.folder}/postgres`);
  }

  /** Kills it, as the kernel does when memory runs out. */
  async kill(): Promise<void> {
    Deno.kill(this.#postgres!.pid, "SIGKILL");
    await this.#postgres!.exited;
  }

  async stop(): Promise<void> {
    await this.#postgres?.stop();
  }

  async end(): Promise<void> {
    await this.stop();
    await Deno.remove(this.folder, { recursive: true });
  }

  /** The URL of a database, by default of a new one. */
  async database(name?: string, user = "galo:secret"): Promise<string> {
    if (name === undefined) {
      name = `test_${++this.#databases}`;
      await this.query(this.#postgres!.url, `create database ${name}`);
    }
    return this.#postgres!.url.replace("/postgres?", `/${name}?`).replace("galo@", `${user}@`);
  }

  /** Runs statements on a connection of their own. */
  async query(url: string, text: string): Promise<Record<string, unknown>[]> {
    const client = await connect(url);
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }
}

/** A connection beside the store's; that its server is killed does not matter. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Runs a test on stores of one database, and closes them. */
export async function withStores(url: string, test: (make: () => PostgresStore) => Promise<void>): Promise<void> {
  const stores: PostgresStore[] = [];
  const make = () => {
    const store = new PostgresStore({ url, roster: PAIR });
    stores.push(store);
    return store;
  };
  try {
    await test(make);
  } finally {
    await Promise.all(stores.map((store) => store.close()));
  }
}
