import assert from "node:assert/strict";
import { Nats } from "../../src/nats/connection.ts";
import { HealthClaims } from "../../src/nats/health.ts";
import { keysOf } from "../../src/nats/streams.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const PAUSE_MS = 5_050;

Deno.test(
  "one of three replicas may ask a processor in five seconds, and another if that one is gone",
  needsNats,
  async () => {
    await using servers = await NatsServers.start();
    const nats = await Nats.connect({ servers: servers.addresses, tls: false }, "test", (error) => {
      throw error;
    });
    const keys = keysOf(nats);
    await keys();
    const clocks = [0, 1, 2].map(() => new VirtualClock());
    const claims = clocks.map((clock) => new HealthClaims(keys, clock, PAUSE_MS));
    const claim = async (which: number[], processor: "default" | "fallback" = "default") => {
      const results = await Promise.all(which.map((i) => claims[i]!.claim(processor)));
      return which.filter((_, i) => results[i]);
    };
    const later = (ms: number) => Promise.all(clocks.map((clock) => clock.advance(ms)));

    const [first, ...others] = await claim([0, 1, 2]);
    assert.deepEqual([typeof first, others], ["number", []]);
    assert.equal((await claim([0, 1, 2], "fallback")).length, 1, "a processor is claimed without the other");
    const rest = [0, 1, 2].filter((i) => i !== first);
    // the losers learn the time of the next turn by one more try
    await later(501);
    assert.deepEqual(await claim([0, 1, 2]), []);
    await later(PAUSE_MS - 502);
    assert.deepEqual(await claim([0, 1, 2]), []);
    await later(1);
    assert.deepEqual(await claim([0, 1, 2]), [first], "whoever asked goes on to ask");
    await later(501 + PAUSE_MS);
    // the winner is gone: another one asks
    assert.deepEqual(await claim(rest), []);
    await later(PAUSE_MS + 500);
    const [second, ...more] = await claim(rest);
    assert.ok(rest.includes(second!));
    assert.deepEqual(more, []);
    await nats.close();
    assert.deepEqual(await claim([0, 1, 2]), [], "nobody asks without a server");
  },
);
