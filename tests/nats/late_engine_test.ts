import assert from "node:assert/strict";
import { type Config, readConfig } from "../../src/config.ts";
import { StartError } from "../../src/errors.ts";
import { NatsError } from "../../src/nats/connection.ts";
import { LateEngine } from "../../src/nats/late_engine.ts";
import { systemClock } from "../../src/system_clock.ts";
import { freePort } from "../support/free_port.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";

/** The engine of replica `self`, not connected yet. */
function engineOf(address: string, names: readonly string[], access = ""): LateEngine {
  const { LOG } = readConfig({ LOG: `nats://${access}${address}` });
  const servers = LOG as Exclude<Config["LOG"], "file">;
  const fail = (error: unknown) => {
    throw error;
  };
  const options = { self: names[0]!, names, clock: systemClock, bytesMax: 1 << 20, pollMs: 5_000, fail };
  return new LateEngine(servers, options);
}

Deno.test(
  "an engine that no server answers has no log, no links and no turns, and has them later",
  needsNats,
  async () => {
    const engine = engineOf(`127.0.0.1:${freePort()}`, ["a"]);
    await engine.check();
    await assert.rejects(engine.current(), (error) => error instanceof NatsError && error.kind === "unavailable");
    assert.equal(await engine.claimHealth("default"), false);
    assert.equal(await engine.dial("b", () => assert.fail("it is linked")), false);
    engine.close();
    await engine.leave();

    await using servers = await NatsServers.start();
    const other = engineOf(servers.addresses[0]!, ["a"]);
    const [first, second] = await Promise.all([other.current(), other.current()]);
    assert.deepEqual([first, second], [undefined, undefined]);
    assert.equal(await other.claimHealth("default"), true);
    const stream = await other.begin(7, undefined);
    assert.equal((await other.current())!.id, stream.id);
    await stream.close();
    await other.leave();
  },
);

Deno.test(
  "names of replicas are only added or removed at the end of those whose codes the log has",
  needsNats,
  async () => {
    await using servers = await NatsServers.start();
    const [address] = servers.addresses;
    const says = async (...names: string[]) => {
      const engine = engineOf(address!, names);
      const said = await engine.check().then(() => "", (error) => {
        assert.ok(error instanceof StartError);
        return error.message;
      });
      await engine.leave();
      return said;
    };
    const of = (known: string) =>
      `LOG: the log of these servers is of REPLICAS=${known}: names are only added or removed at the end`;
    assert.equal(await says("h1", "h2"), "");
    assert.equal(await says("h1"), "");
    assert.equal(await says("h2", "h1"), of("h1,h2"));
    assert.equal(await says("h1", "h2", "h3"), "");
    assert.equal(await says("h1", "h2", "h4"), of("h1,h2,h3"));
  },
);
