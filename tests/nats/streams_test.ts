import assert from "node:assert/strict";
import { connectEngine, type Engine } from "../../src/nats/engine.ts";
import { systemClock } from "../../src/system_clock.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { until } from "../support/until.ts";

const OPTIONS = { self: "a", names: ["a", "b", "c"], clock: systemClock, bytesMax: 1 << 20, pollMs: 5_050, fail };

function fail(error: unknown): void {
  throw error;
}

/** Replicas of three hosts. */
async function engines(servers: NatsServers, bytesMax = 1 << 20): Promise<Engine[]> {
  const addresses = { servers: servers.addresses, tls: false };
  const engines: Engine[] = [];
  // the first one makes the keys
  for (const self of OPTIONS.names) engines.push(await connectEngine(addresses, { ...OPTIONS, bytesMax, self }));
  return engines;
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
        // a replica that is too late joins the others
        assert.equal((await streams.begin(7, instead)).id, id);
        assert.deepEqual(await begun[i]!.state(), { id, first, last: first - 1 + i });
        assert.deepEqual(await begun[i]!.publish(`s-${i}`, bytes("x"), 0), { kind: "stands", position: first + i });
      }
      // no other stream is left
      assert.deepEqual(await names(servers), [`GALO-${id}`]);
      const heard: number[] = [];
      // a limit above the space there is becomes that space
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
  "without a majority of the servers nothing stands, nothing is claimed and no state is told",
  needsNats,
  async () => {
    await using servers = await NatsServers.start({ count: 3 });
    const [engine] = await engines(servers);
    const { streams } = engine!;
    const stream = await streams.begin(1, undefined);
    let heard = 0;
    stream.tail(0, { read() {}, heard: () => heard++, lost: assert.fail });
    await until(() => heard > 2);
    await servers.kill(1);
    await servers.kill(2);
    assert.equal((await stream.publish("x", bytes("x"), 0)).kind, "unknown");
    // a server's answer may be stale for a moment
    await until(async () => await stream.state() === undefined);
    assert.equal(await engine!.claimHealth("default"), false);
    const before = heard;
    await assert.rejects(streams.begin(2, stream.id), { name: "NatsError", kind: "unavailable" });
    assert.equal(heard, before, "a tail that hears only a minority is not told that it is current");
    await servers.restart(1);
    await until(() => heard > before);
    assert.equal((await stream.state())!.id, stream.id);
    await stream.close();
    await engine!.close();
  },
);

Deno.test(
  "when all servers were killed at once nothing that stood is lost, and a tail goes on",
  needsNats,
  async () => {
    await using servers = await NatsServers.start({ count: 3 });
    const [engine] = await engines(servers);
    const stream = await engine!.streams.begin(1, undefined);
    const read: number[] = [];
    let heard = 0;
    stream.tail(0, { read: (position) => read.push(position), heard: (position) => heard = position, lost: fail });
    for (let i = 1; i <= 50; i++) assert.equal((await stream.publish(`s-${i}`, bytes("x"), 0)).kind, "stands");
    for (let round = 1; round <= 2; round++) {
      await Promise.all([0, 1, 2].map((i) => servers.kill(i)));
      await Promise.all([0, 1, 2].map((i) => servers.restart(i)));
      await until(async () => (await stream.publish(`again-${round}`, bytes("x"), 0)).kind !== "unknown");
      await until(() => heard >= 50 + round);
    }
    assert.deepEqual(read, Array.from({ length: 52 }, (_, i) => i + 1));
    await stream.close();
    await engine!.close();
  },
);
