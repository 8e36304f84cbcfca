/** The faults that happen at moments or last for a while, as the plan says. @module */
import { PROCESSORS, type ReplicaId } from "../../src/payment/fact.ts";
import { segmentOf } from "../../src/ledger/log.ts";
import { RECORD_BYTES } from "../../src/ledger/record.ts";
import type { Loss } from "./disk.ts";
import type { Incident } from "./plan.ts";
import { HOST_INCIDENTS, INCIDENTS } from "./plan.ts";
import { Prng } from "./prng.ts";
import type { World } from "./world.ts";

/** Longest a fault lasts, in milliseconds: longer than a peer may be silent. */
const LAST_MS = 1_600;
/** Longest that a host is cut off, in milliseconds: longer than a replica is silent before others act for it. */
const CUT_MS = 15_000;
/** Longest until a machine that died is there again, in milliseconds. */
const DOWN_MS = 2_500;
/** A process is killed at one of this many next effects. */
const EFFECTS = 25;

type Happen = (world: World, prng: Prng, lastMs: number) => void;

const HAPPEN: Readonly<Record<Incident, Happen>> = {
  "processor-slow"(world, prng, lastMs) {
    const processor = world.processors[prng.pick(PROCESSORS)];
    processor.delayMs = prng.between(0, world.plan.slowestMs);
    world.clock.after(lastMs, () => processor.delayMs = 0);
  },
  "processor-refusing"(world, prng, lastMs) {
    const processor = world.processors[prng.pick(PROCESSORS)];
    processor.failing = true;
    world.clock.after(lastMs, () => processor.failing = false);
  },
  "processor-flapping"(world, prng, lastMs) {
    const processor = world.processors[prng.pick(PROCESSORS)];
    const times = 2 * prng.whole(2, 6);
    for (let i = 0; i < times; i++) {
      world.clock.after(lastMs * i / times, () => processor.failing = !world.calm && i % 2 === 0);
    }
  },
  "processor-rejecting"(world, prng, lastMs) {
    const processor = world.processors[prng.pick(PROCESSORS)];
    processor.rejecting = prng.pick([302, 401, 402, 403, 404]);
    world.clock.after(lastMs, () => processor.rejecting = undefined);
  },
  "link-drop": (world) => world.network.break(false),
  "link-half-open": (world) => world.network.break(true),
  "link-cut": (world, _, lastMs) => cut(world, lastMs, world.names),
  "link-cut-one-way": (world, prng, lastMs) => cut(world, lastMs, [prng.pick(world.names)]),
  kill: (world, prng) => world.kill(prng.pick(world.names), prng.whole(0, EFFECTS)),
  "kill-both"(world, prng) {
    for (const name of world.names) world.kill(name, prng.chance(0.5) ? 0 : prng.whole(0, EFFECTS));
  },
  pause: (world, prng, lastMs) => world.pause(prng.pick(world.names), lastMs * prng.pick([1, 1, 20])),
  restart: (world, prng) => world.stop(prng.pick(world.names)),
  "machine-death"(world, prng) {
    world.crash(prng.between(1, DOWN_MS));
    world.lose(prng.pick(world.database?.stored.logId ? DEATHS : SPARED));
  },
  "log-lost"(world, prng) {
    // a start that finds neither log nor store cannot know that there was anything
    if (!world.database?.stored.logId) return;
    const loss = prng.pick(["all", "all", "older", "foreign"] as const);
    world.lose(loss === "older" && !isKnownOlder(world) ? "foreign" : loss);
  },
  "segment-missing"(world) {
    if (!world.database?.stored.logId) return;
    world.truth.catchUp();
    // if a log began anew on the rest of another one, nothing says which segments that had
    const segment = world.disk.deleteOne(world.logs.begunIn);
    world.acks.logLost((position) => segmentOf(position) === segment);
  },
  "disk-full"({ disk, clock }, prng, lastMs) {
    disk.room = prng.whole(0, 20 * RECORD_BYTES);
    clock.after(lastMs, () => disk.room = Infinity);
  },
  "file-limit"({ disk, clock, settings }, prng, lastMs) {
    disk.fileMax = prng.whole(2 * RECORD_BYTES, settings.segmentRecords! * RECORD_BYTES);
    clock.after(lastMs, () => disk.fileMax = Infinity);
  },
  "store-down"(world, _, lastMs) {
    const { database } = world;
    if (!database) return;
    database.down = true;
    world.clock.after(lastMs, () => database.down = false);
  },
  "store-restored"(world) {
    if (world.database?.restore()) world.acks.storeRestored();
  },
  "clock-jump"(world, prng) {
    world.clock.skewMs += prng.pick([-3_600_000, -5_000, -500, 500, 5_000, 3_600_000]);
  },
  purge(world, prng) {
    const running = world.running[prng.pick(world.names)];
    if (running) world.callers.purge(running, prng);
  },
  "host-cut": (world, prng) => world.cutOff(prng.pick(world.names), prng.between(50, CUT_MS)),
  "links-cut"(world, prng) {
    // the engine is still reached: two replicas take care of the same payments
    const name = prng.pick(world.names);
    world.network.severed.add(name);
    world.clock.after(prng.between(50, CUT_MS), () => world.heal(name));
  },
  "leader-cut"(world, prng) {
    const { engine, names } = world;
    const leader = engine!.servers.find(({ leads, alive }) => leads && alive);
    world.cutOff(names[leader?.host ?? 0]!, prng.between(50, CUT_MS));
  },
  "host-killed": (world, prng) => world.killHost(prng.pick(world.names), prng.between(50, CUT_MS)),
  "tails-stalled": (world, prng) => world.engine!.stall(prng.between(50, CUT_MS)),
  "stream-full"({ engine, clock }, _, lastMs) {
    engine!.full = true;
    clock.after(lastMs, () => engine!.full = false);
  },
  "stream-lost"(world) {
    world.loseStream();
    world.engine!.delete();
  },
  "stream-shortened"(world, prng) {
    if (world.engine!.stream) world.shortenStream(prng.whole(1, 20));
  },
};

const SPARED: readonly Loss[] = ["none", "tail"];
const DEATHS: readonly Loss[] = [...SPARED, ...SPARED, "older", "older", "older"];

/** Plans every incident of a run. */
export function scheduleIncidents(world: World): void {
  const { plan, clock } = world;
  const prng = new Prng(plan.seed * 2 + 3);
  for (const kind of [...INCIDENTS, ...HOST_INCIDENTS]) {
    const mine = prng.fork();
    for (let i = 0; i < plan.incidents[kind]; i++) {
      const [ms, lastMs] = [mine.between(0, plan.safetyMs), mine.between(20, LAST_MS)];
      // the copy to go back to is older than that
      const copiedMs = mine.float() * ms;
      if (kind === "store-restored") clock.after(copiedMs, () => world.database?.backUp());
      if (kind === "log-lost" || kind === "machine-death") clock.after(copiedMs, () => world.disk.backUp());
      clock.after(ms, () => {
        if (kind !== "purge" && kind !== "pause" && kind !== "restart") world.fault(kind, 0);
        HAPPEN[kind](world, mine, lastMs);
      });
    }
  }
}

/** Ends every fault, for good. */
export function endFaults(world: World): void {
  const { http, network, disk, database, engine, processors } = world;
  world.calm = true;
  Object.assign(http, {
    ...{
      unreachable: 0,
      requestLost: 0,
      reset: 0,
      booked500: 0,
      never: 0,
      resent: 0,
      gateway: 0,
      rejected: 0,
      late: 0,
    },
    ...{ lookupFails: 0, poison: 0, retryAfter: 0, healthLies: 0, healthStaleMs: 0 },
  });
  Object.assign(network.faults, { split: 0, late: 0, refuse: 0 });
  for (const name of world.names) network.cut[name] = false;
  network.wake();
  Object.assign(disk.faults, { cut: 0, late: 0, unmade: 0, overtaken: 0, moveDies: 0 });
  Object.assign(disk, { room: Infinity, fileMax: Infinity });
  if (engine) {
    world.endShortened();
    Object.assign(engine.faults, { lost: 0, late: 0, ackLost: 0, busy: 0, stale: 0 });
    engine.full = false;
    for (const name of world.names) {
      world.heal(name);
      engine.revive(world.hostOf(name));
    }
  }
  if (database) {
    database.down = false;
    Object.assign(database.faults, { slow: 0, fails: 0, refused: 0, unknown: 0 });
  }
  for (const processor of PROCESSORS) {
    Object.assign(processors[processor], { delayMs: 0, failing: false, rejecting: undefined });
  }
  if (world.plan.leaves) {
    world.left = world.prng.pick(world.names);
    world.fault("never-again", 0);
    world.running[world.left]?.life.die();
  }
  for (const { life } of world.living) life.spare();
  for (const name of world.names) {
    world.resume(name);
    world.start(name);
  }
}

/** Whether every replica can see that the log is a copy: not if the store is older still, or cannot be asked. */
function isKnownOlder({ plan: { incidents }, database, disk }: World): boolean {
  const { fails, refused, unknown } = database!.faults;
  const answers = fails + refused + unknown + incidents["store-down"] + incidents["store-restored"] === 0;
  return answers && disk.copyIsBehind(database!.stored.position);
}

function cut(world: World, lastMs: number, to: readonly ReplicaId[]): void {
  for (const name of to) world.network.cut[name] = true;
  world.clock.after(lastMs, () => {
    for (const name of to) world.network.cut[name] = false;
    world.network.wake();
  });
}
