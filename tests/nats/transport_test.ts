import assert from "node:assert/strict";
import { Nats } from "../../src/nats/connection.ts";
import { NatsTransport } from "../../src/nats/transport.ts";
import type { Channel, ChannelListener } from "../../src/peer/transport.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { until } from "../support/until.ts";

/** One end of a channel, and what it heard. */
class End implements ChannelListener {
  heard = "";
  ended = 0;

  constructor(readonly channel: Channel, private readonly hello = "") {
    this.send(hello);
  }

  send(text: string): void {
    if (text) this.channel.send(new TextEncoder().encode(text));
  }

  received(bytes: Uint8Array): void {
    const text = new TextDecoder().decode(bytes);
    if (text === "throw") throw new Error(`thrown after ${this.hello}`);
    this.heard += text;
  }

  closed(): void {
    this.ended++;
  }
}

/** Replicas on a server of their own. */
class Hosts implements AsyncDisposable {
  readonly failed: unknown[] = [];
  readonly #connections: Nats[] = [];

  private constructor(readonly servers: NatsServers) {}

  static async start(): Promise<Hosts> {
    return new Hosts(await NatsServers.start());
  }

  async connect(): Promise<Nats> {
    const { addresses } = this.servers;
    const nats = await Nats.connect({ servers: addresses, tls: false }, "test", (error) => this.failed.push(error));
    this.#connections.push(nats);
    return nats;
  }

  /** Dials a, once the server has been told whether a listens. */
  async dialled(transport: NatsTransport, hello: string): Promise<End | undefined> {
    for (const { connected, connection } of this.#connections) if (connected) await connection.flush();
    let end: End | undefined;
    const connected = await transport.dial("a", (channel) => end = new End(channel, hello));
    assert.equal(connected, end !== undefined);
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const nats of this.#connections) await nats.close();
    await this.servers[Symbol.asyncDispose]();
  }
}

Deno.test("what is sent over a channel arrives, in order, both ways, from the first moment on", needsNats, async () => {
  await using hosts = await Hosts.start();
  const listening: End[] = [];
  const listener = new NatsTransport(await hosts.connect(), "a");
  listener.listen((channel) => (listening.push(new End(channel, "hello of a;")), listening.at(-1)!));
  const b = await hosts.dialled(new NatsTransport(await hosts.connect(), "b"), "hello of b;");
  for (let i = 0; i < 200; i++) {
    b!.send(`b${i};`);
    listening[0]!.send(`a${i};`);
  }
  const all = (name: string) => `hello of ${name};${Array.from({ length: 200 }, (_, i) => `${name}${i};`).join("")}`;
  await until(() => b!.heard.length >= all("a").length && listening[0]!.heard.length >= all("b").length);
  assert.deepEqual([b!.heard, listening[0]!.heard], [all("a"), all("b")]);
  assert.deepEqual(hosts.failed, []);
});

Deno.test(
  "many dial one that listens; each has a channel of its own, and its end is told once",
  needsNats,
  async () => {
    await using hosts = await Hosts.start();
    const listening: End[] = [];
    const listener = new NatsTransport(await hosts.connect(), "a");
    listener.listen((channel) => (listening.push(new End(channel)), listening.at(-1)!));
    const b = (await hosts.dialled(new NatsTransport(await hosts.connect(), "b"), "b"))!;
    const c = (await hosts.dialled(new NatsTransport(await hosts.connect(), "c"), "c"))!;
    await until(() => listening.length === 2 && listening.every(({ heard }) => heard !== ""));
    const [forB, forC] = listening[0]!.heard === "b" ? listening : [listening[1], listening[0]];
    b.channel.close();
    b.channel.close();
    b.send("too late");
    await until(() => forB!.ended === 1);
    forC!.channel.close();
    await until(() => c.ended === 1);
    assert.deepEqual([b.ended, forB!.ended, forB!.heard, forC!.ended, c.ended], [0, 1, "b", 0, 1]);
  },
);

Deno.test("nobody who listens, or not any more, or for another name: the dialling says so", needsNats, async () => {
  await using hosts = await Hosts.start();
  const nats = await hosts.connect();
  const dialler = new NatsTransport(await hosts.connect(), "b");
  assert.equal(await hosts.dialled(dialler, "b"), undefined);
  const [a, other] = [new NatsTransport(nats, "a"), new NatsTransport(nats, "other")];
  other.listen((channel) => new End(channel));
  assert.equal(await hosts.dialled(dialler, "b"), undefined);
  a.listen((channel) => new End(channel));
  assert.ok(await hosts.dialled(dialler, "b"));
  a.close();
  assert.equal(await hosts.dialled(dialler, "b"), undefined);
});

Deno.test(
  "channels end with the connection to the server; what a listener throws is handed on",
  needsNats,
  async () => {
    await using hosts = await Hosts.start();
    const listening: End[] = [];
    const listener = new NatsTransport(await hosts.connect(), "a");
    listener.listen((channel) => (listening.push(new End(channel)), listening.at(-1)!));
    const dialler = new NatsTransport(await hosts.connect(), "b");
    const b = (await hosts.dialled(dialler, "hello"))!;
    b.send("throw");
    b.send("on");
    await until(() => listening[0]?.heard === "helloon");
    assert.deepEqual(hosts.failed.map(String), ["Error: thrown after "]);
    await hosts.servers.kill(0);
    await until(() => b.ended === 1 && listening[0]!.ended === 1);
    assert.equal(await hosts.dialled(dialler, "b"), undefined);
    await hosts.servers.restart(0);
    let again: End | undefined;
    await until(async () => Boolean(again = await hosts.dialled(dialler, "again")));
    await until(() => listening.at(-1)!.heard === "again");
    assert.deepEqual([b.ended, listening[0]!.ended, again!.ended], [1, 1, 0]);
  },
);
