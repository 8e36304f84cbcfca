import assert from "node:assert/strict";
import { connectEngine, type Engine } from "../../src/nats/engine.ts";
import { NatsError } from "../../src/nats/connection.ts";
import { systemClock } from "../../src/system_clock.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";

/** Replicas of three hosts. */
async function engines(servers: NatsServers, bytesMax = 1 << 20): Promise<Engine[]> {
  const addresses = { servers: servers.addresses, tls: false };
  const fail = (error: unknown) => {
    throw error;
  };
  const options = { clock: systemClock, bytesMax, pollMs: 5_050, fail, names: ["a", "b", "c"] };
  return await Promise.all(["a", "b", "c"].map((self) => connectEngine(addresses, { ...options, self })));
}

async function names(servers: NatsServers): Promise<string[]> {
  const streams = await (await servers.manager()).streams.list().next();
  return streams.map(({ config }) => config.name).filter((name) => name.startsWith("GALO-"));
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test(
  "replicas that begin a stream at once have the same one, at first and in place of another",
  needsNats,
  async () => {
    await using servers = await NatsServers.start({ count: 3 });
    const all = await engines(servers);
    assert.deepEqual(await Promise.all(all.map(({ streams }) => streams.current())), [undefined, undefined, undefined]);
    let instead: string | undefined;
    for (const first of [1, 2 ** 36, 2 ** 52]) {
      const begun = await Promise.all(all.map(({ streams }) => streams.begin(first, instead)));
      const { id } = begun[0]!;
      assert.notEqual(id, instead);
      for (const [i, { streams }] of all.entries()) {
        assert.deepEqual([begun[i]!.id, (await streams.current())!.id], [id, id]);
        // who comes too late joins the others
        assert.equal((await streams.begin(7, instead)).id, id);
        assert.deepEqual(await begun[i]!.state(), { id, first, last: first - 1 + i });
        assert.deepEqual(await begun[i]!.publish(`s-${i}`, bytes("x"), 0), { kind: "stands", position: first + i });
      }
      // nothing is left of the others
      assert.deepEqual(await names(servers), [`GALO-${id}`]);
      const heard: number[] = [];
      // who asks for more than there is gets all there is
      begun[0]!.tail(0, { read: (position) => heard.push(position), heard() {}, lost: assert.fail });
      await until(() => heard.length === 3);
      assert.deepEqual(heard, [first, first + 1, first + 2]);
      await begun[0]!.close();
      instead = id;
    }
    for (const engine of all) await engine.close();
  },
);

Deno.test("nobody can delete from a stream or purge it; a limit that was raised counts", needsNats, async () => {
  await using servers = await NatsServers.start();
  const [before] = await engines(servers, 1 << 16);
  const stream = await before!.streams.begin(1, undefined);
  const text = "x".repeat(1_000);
  let count = 0;
  while ((await stream.publish("x", bytes(text), undefined)).kind === "stands") count++;
  assert.ok(count > 20 && count < 70, `${count} messages`);
  const { streams } = await servers.manager();
  const [name] = await names(servers);
  await assert.rejects(streams.purge(name!), /not permitted/);
  await assert.rejects(streams.purge(name!, { filter: ">", keep: 0 }), /not permitted/);
  await assert.rejects(streams.deleteMessage(name!, 1), /not permitted/);
  await assert.rejects(streams.update(name!, { deny_delete: false }), /can not cancel deny message deletes/);
  await assert.rejects(streams.update(name!, { deny_purge: false }), /can not cancel deny purge/);
  assert.deepEqual(await stream.state(), { id: stream.id, first: 1, last: count });

  const [after] = await engines(servers, 1 << 17);
  const larger = await after!.streams.current();
  assert.deepEqual(await larger!.publish("x", bytes(text), undefined), { kind: "stands", position: count + 1 });
  const { config } = await streams.info(name!);
  assert.deepEqual([config.max_bytes, config.discard, config.storage, config.num_replicas], [
    1 << 17,
    "new",
    "file",
    1,
  ]);
  await after!.close();
  await before!.close();
});

Deno.test(
  "a majority of servers that is away is an error that says so, and is gone when they are back",
  needsNats,
  async () => {
    await using servers = await NatsServers.start({ count: 3 });
    const [engine] = await engines(servers);
    const { streams } = engine!;
    await servers.kill(1);
    await servers.kill(2);
    await assert.rejects(streams.current(), (error) => {
      assert.ok(error instanceof NatsError);
      assert.match(`${error.kind}: ${error.message}`, /^unavailable: NATS: [^\n]+$/);
      return true;
    });
    assert.equal(await engine!.claimHealth("default"), false);
    await servers.restart(1);
    await until(() => streams.current().then((stream) => stream === undefined, () => false));
    await until(() => streams.begin(1, undefined).then(() => true, () => false));
    await engine!.close();
  },
);

Deno.test(
  "servers that do not answer may answer later; a wrong password needs somebody to act",
  needsNats,
  async () => {
    const connect = (address: string, user: string) =>
      connectEngine({ servers: [`127.0.0.1:${before}`, address], tls: false, user, pass: "p" }, {
        ...{ self: "a", names: ["a"], clock: systemClock, bytesMax: 1 << 20, pollMs: 5_050, fail: assert.fail },
      });
    const before = freePort();
    await using servers = await NatsServers.start({ lines: "authorization: { user: u, password: p }" });
    const [address] = servers.addresses;
    await assert.rejects(connect(address!, "x"), { name: "NatsError", kind: "refused" });
    await servers.kill(0);
    await assert.rejects(connect(address!, "u"), {
      ...{ name: "NatsError", kind: "unavailable" },
      message: /^no NATS server to be used: .*: connection refused; .*: connection refused$/,
    });
    await servers.restart(0);
    await (await connect(address!, "u")).close();
  },
);
