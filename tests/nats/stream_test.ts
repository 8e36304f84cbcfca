import assert from "node:assert/strict";
import type { Stream } from "../../src/ledger/stream.ts";
import { Nats } from "../../src/nats/connection.ts";
import { nameOf } from "../../src/nats/stream.ts";
import { JetStreams, keysOf } from "../../src/nats/streams.ts";
import { streamContract, type StreamEngine } from "../ledger/stream_contract.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { until } from "../support/until.ts";

const BYTES_MAX = 1 << 18;

function fail(error: unknown): void {
  throw error;
}

/** Three servers. */
class NatsEngine implements StreamEngine {
  #connections: Nats[] = [];
  #killed: number | undefined;
  #stopped: number | undefined;

  private constructor(readonly servers: NatsServers, readonly streams: JetStreams, private readonly own: Nats) {}

  static async start(): Promise<NatsEngine> {
    const servers = await NatsServers.start({ count: 3 });
    const own = await Nats.connect({ servers: servers.addresses, tls: false }, "test", fail);
    return new NatsEngine(servers, new JetStreams(own, keysOf(own), BYTES_MAX), own);
  }

  async begin(first: number): Promise<void> {
    await this.streams.begin(first, (await this.streams.current())?.id);
  }

  async open(): Promise<Stream> {
    const nats = await Nats.connect({ servers: this.servers.addresses, tls: false }, "test", fail);
    this.#connections.push(nats);
    const streams = new JetStreams(nats, keysOf(nats), BYTES_MAX);
    return (await streams.current())!;
  }

  async fill(): Promise<void> {
    const stream = await this.#current();
    for (let size = 8_192; size >= 1; size >>= 1) {
      await until(async () => (await stream.publish("fill", new Uint8Array(size), undefined)).kind === "full");
    }
  }

  async killLeader(): Promise<void> {
    await this.#kill(await this.servers.leader(await this.#name()));
  }

  async killServing(): Promise<void> {
    const consumers = await (await this.servers.manager()).consumers.list(await this.#name()).next();
    assert.equal(consumers.length, 1);
    await this.#kill(Number(consumers[0]!.cluster!.leader!.slice(1)));
  }

  async stopLeader(): Promise<void> {
    this.servers.pause(this.#stopped = await this.servers.leader(await this.#name()));
  }

  async restore(): Promise<void> {
    if (this.#stopped !== undefined) this.servers.resume(this.#stopped);
    if (this.#killed !== undefined) await this.servers.restart(this.#killed);
    this.#stopped = this.#killed = undefined;
    await this.#whole();
  }

  async remove(): Promise<void> {
    await (await this.servers.manager()).streams.delete(await this.#name());
  }

  async forget(work: () => Promise<void>): Promise<void> {
    await this.#whole();
    const copy = await Deno.makeTempDir();
    await this.#restartAll((i) => copied(this.servers.store(i), `${copy}/${i}`));
    await work();
    await this.#restartAll(async (i) => {
      await Deno.remove(this.servers.store(i), { recursive: true });
      await copied(`${copy}/${i}`, this.servers.store(i));
    });
    await Deno.remove(copy, { recursive: true });
  }

  async leave(): Promise<void> {
    await Promise.all(this.#connections.splice(0).map((nats) => nats.close()));
  }

  async until(is: () => boolean): Promise<void> {
    await until(is, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
    await this.own.close();
    await this.servers[Symbol.asyncDispose]();
  }

  async #current() {
    return (await this.streams.current())!;
  }

  async #name(): Promise<string> {
    return nameOf((await this.#current()).id);
  }

  async #kill(i: number): Promise<void> {
    await this.servers.kill(this.#killed = i);
  }

  /** All servers have all of the stream. */
  async #whole(): Promise<void> {
    const manager = await this.servers.manager();
    await until(async () => {
      const info = await this.#name().then((name) => manager.streams.info(name)).catch(() => undefined);
      const replicas = info?.cluster?.replicas;
      return replicas?.length === 2 && replicas.every(({ current }) => current);
    });
  }

  async #restartAll(between: (i: number) => Promise<void>): Promise<void> {
    for (const i of [0, 1, 2]) await this.servers.kill(i);
    for (const i of [0, 1, 2]) await between(i);
    await Promise.all([0, 1, 2].map((i) => this.servers.restart(i)));
    await this.#whole();
  }
}

async function copied(from: string, to: string): Promise<void> {
  const { success } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  assert.ok(success);
}

streamContract("JetStream on three servers", () => NatsEngine.start(), needsNats);
