/** The faults that happen at moments or last for a while, as the plan says. @module */
import type { Incident } from "./plan.ts";
import { INCIDENTS } from "./plan.ts";
import { PROCESSORS } from "../../src/payment/fact.ts";
import { Prng } from "./prng.ts";
import type { World } from "./world.ts";

/** Longest a fault lasts, in milliseconds: longer than a peer may be silent. */
const LAST_MS = 1_600;
/** Longest until a dead replica is started again, in milliseconds. */
const DEAD_MS = 2_500;

type Happen = (world: World, prng: Prng, lastMs: number) => void;

const HAPPEN: Readonly<Record<Incident, Happen>> = {
  "processor-slow"(world, prng, lastMs) {
    const processor = world.processors[prng.pick(PROCESSORS)];
    processor.delayMs = prng.between(0, world.plan.slowestMs);
    world.timeline.in(lastMs, () => processor.delayMs = 0);
  },
  "processor-refusing"(world, prng, lastMs) {
    const processor = world.processors[prng.pick(PROCESSORS)];
    processor.failing = true;
    world.timeline.in(lastMs, () => processor.failing = false);
  },
  "processor-flapping"(world, prng, lastMs) {
    const processor = world.processors[prng.pick(PROCESSORS)];
    const times = 2 * prng.whole(2, 6);
    for (let i = 0; i < times; i++) {
      world.timeline.in(lastMs * i / times, () => processor.failing = i % 2 === 0);
    }
  },
  "link-drop": (world) => disturb(world, () => world.network.break(false)),
  "link-half-open": (world) => disturb(world, () => world.network.break(true)),
  "link-cut": (world, _, lastMs) => cut(world, lastMs, ["a", "b"]),
  "link-cut-one-way": (world, prng, lastMs) => cut(world, lastMs, [prng.pick(["a", "b"] as const)]),
  kill(world, prng) {
    const name = prng.pick(world.names);
    world.kill(name, prng.whole(0, 25));
    world.timeline.in(prng.between(20, DEAD_MS), () => world.start(name));
  },
  "kill-both"(world, prng) {
    for (const name of world.names) {
      world.kill(name, prng.chance(0.5) ? 0 : prng.whole(0, 25));
      world.timeline.in(prng.between(20, DEAD_MS), () => world.start(name));
    }
  },
  pause: (world, prng, lastMs) => world.pause(prng.pick(world.names), lastMs),
  restart(world, prng) {
    const name = prng.pick(world.names);
    world.stop(name);
    world.timeline.in(world.settings.drainMs + prng.between(0, DEAD_MS), () => world.start(name));
  },
  "store-down"(world, _, lastMs) {
    const { database } = world;
    if (!database) return;
    database.down = true;
    world.timeline.in(lastMs, () => database.down = false);
  },
  "clock-jump"(world, prng) {
    world.wall.shiftMs += prng.pick([-3_600_000, -5_000, -500, 500, 5_000, 3_600_000]);
  },
  purge(world, prng) {
    const running = world.running[prng.pick(world.names)];
    running?.life.hear(() => running.replica.purge());
    world.disturbedMs = world.timeline.ms;
  },
};

/** Plans every incident of a run. */
export function scheduleIncidents(world: World): void {
  const { plan, timeline } = world;
  const prng = new Prng(plan.seed * 2 + 3);
  for (const kind of INCIDENTS) {
    const mine = prng.fork();
    for (let i = 0; i < plan.incidents[kind]; i++) {
      const [ms, lastMs] = [mine.between(0, plan.safetyMs), mine.between(20, LAST_MS)];
      timeline.in(ms, () => {
        world.fault(kind, 0);
        HAPPEN[kind](world, mine, lastMs);
      });
    }
  }
}

/** Ends everything that makes trouble, for good. */
export function endFaults(world: World): void {
  const { http, network, database, processors } = world;
  Object.assign(http, {
    ...{ unreachable: 0, requestLost: 0, reset: 0, booked500: 0, never: 0, resent: 0, strange: 0 },
    ...{ lookupFails: 0, healthLies: 0, healthStaleMs: 0 },
  });
  Object.assign(network.faults, { split: 0, late: 0, refuse: 0 });
  network.cut.a = network.cut.b = false;
  network.wake();
  if (database) {
    database.down = false;
    Object.assign(database.faults, { slow: 0, unknown: 0 });
  }
  for (const processor of PROCESSORS) Object.assign(processors[processor], { delayMs: 0, failing: false });
  for (const name of world.names) {
    world.resume(name);
    world.start(name);
  }
}

function cut(world: World, lastMs: number, to: readonly ("a" | "b")[]): void {
  world.disturbedMs = Infinity;
  for (const name of to) world.network.cut[name] = true;
  world.timeline.in(lastMs, () => {
    for (const name of to) world.network.cut[name] = false;
    world.network.wake();
    world.disturbedMs = world.timeline.ms;
  });
}

function disturb(world: World, happen: () => void): void {
  world.disturbedMs = world.timeline.ms;
  happen();
}
