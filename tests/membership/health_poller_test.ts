import assert from "node:assert/strict";
import type { Health } from "../../src/routing/processor_client.ts";
import { HealthPoller, POLL_LOCK_MS, POLL_MS } from "../../src/membership/health_poller.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { MemoryLocks } from "./memory_locks.ts";

const HEALTH: Health = { failing: false, minResponseMs: 7 };

/** Replicas with a poller each, on one clock. */
class Pollers {
  readonly clock = new VirtualClock();
  readonly locks = new MemoryLocks<string>();
  /** which replica asked which processor, and when */
  readonly asked: string[] = [];
  readonly heard: string[] = [];
  answer: Promise<Health | undefined> = Promise.resolve(HEALTH);

  start(replica: string): HealthPoller {
    const client = {
      health: (processor: string) => {
        this.asked.push(`${this.clock.monotonic()} ${replica} ${processor}`);
        return this.answer;
      },
    };
    const poller = new HealthPoller(this.clock, this.locks.of(replica), client, (processor, health) => {
      assert.equal(health, HEALTH);
      this.heard.push(`${this.clock.monotonic()} ${replica} ${processor}`);
    });
    poller.start();
    return poller;
  }
}

const both = (at: number, replica: string) => [`${at} ${replica} default`, `${at} ${replica} fallback`];

Deno.test("the poller asks both processors a window after it has the lock, and then once in each window", async () => {
  const world = new Pollers();
  world.start("a");
  await world.clock.advance(16_000);
  const polls = [POLL_MS, 2 * POLL_MS, 3 * POLL_MS].flatMap((at) => both(at, "a"));
  assert.deepEqual(world.asked, polls);
  assert.deepEqual(world.heard, polls);
});

Deno.test("of two replicas only the one that holds the lock asks", async () => {
  const world = new Pollers();
  world.start("a");
  world.start("b");
  await world.clock.advance(11_000);
  assert.deepEqual(world.asked, [POLL_MS, 2 * POLL_MS].flatMap((at) => both(at, "a")));
});

Deno.test("the other takes over when the holder dies, and waits a whole window first", async () => {
  const world = new Pollers();
  const first = world.start("a");
  world.start("b");
  await world.clock.advance(POLL_MS);
  // the process and its timers are gone, its lock with them
  first.stop();
  world.locks.drop("a");
  await world.clock.advance(2_000 + 2 * POLL_MS);
  // it looks every 2 s: at 6,000 it has the lock
  const heldMs = 3 * POLL_LOCK_MS;
  const polls = [...both(POLL_MS, "a"), ...both(heldMs + POLL_MS, "b"), ...both(heldMs + 2 * POLL_MS, "b")];
  assert.deepEqual(world.asked, polls);
});

Deno.test("a replica that takes over from one that died waiting waits for the window again", async () => {
  const world = new Pollers();
  const pollers = ["a", "b", "c"].map((replica) => world.start(replica));
  pollers[0]!.stop();
  world.locks.drop("a");
  await world.clock.advance(3_000);
  // b has the lock since 2,000 and has not asked yet
  pollers[1]!.stop();
  world.locks.drop("b");
  await world.clock.advance(7_000);
  assert.deepEqual(world.asked, both(4_000 + POLL_MS, "c"));
});

Deno.test("no answer says nothing, and the next window comes all the same", async () => {
  const world = new Pollers();
  world.answer = Promise.resolve(undefined);
  world.start("a");
  await world.clock.advance(2 * POLL_MS);
  assert.equal(world.asked.length, 4);
  assert.deepEqual(world.heard, []);
});

Deno.test("a stopped poller neither asks nor informs any more, and its lock is free", async () => {
  const world = new Pollers();
  const { promise, resolve } = Promise.withResolvers<Health>();
  world.answer = promise;
  const poller = world.start("a");
  await world.clock.advance(POLL_MS);
  poller.stop();
  resolve(HEALTH);
  await world.clock.advance(20_000);
  assert.deepEqual([world.asked, world.heard, world.clock.timers], [both(POLL_MS, "a"), [], 0]);
  const held = world.locks.of("b").tryAcquire("poll")!;
  // its holder now keeps it, however often the other one is stopped
  poller.stop();
  poller.start();
  assert.equal(world.locks.of("c").tryAcquire("poll"), undefined);
  held.release();
});
