/** The model of the engine keeps the contract that real servers keep. @module */
import type { Stream } from "../../src/ledger/stream.ts";
import { streamContract, type StreamEngine } from "../ledger/stream_contract.ts";
import { until } from "../support/until.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Engine } from "./engine.ts";
import { Life } from "./life.ts";
import { Prng } from "./prng.ts";

/** Hosts of the servers are below, so that a test's streams lose their server and not their host. */
const FIRST_HOST = 3;

streamContract("the simulation's engine", () => {
  const clock = new VirtualClock();
  const running = clock.running();
  const none = { lost: 0, late: 0, ackLost: 0, busy: 0, stale: 0, survives: 1 };
  const world = {
    clock,
    fault: (_: string, value: number) => value,
    saw: (_: string, value: number) => value,
    committed() {},
  };
  const engine = new Engine(world, new Prng(1), { wayMs: 1, ...none });
  const life = new Life("a", 1, () => {});
  let opened: Stream[] = [];
  const leader = () => engine.servers.find((server) => server.leads && server.alive)!.host;
  const streams: StreamEngine = {
    begin: (first) => Promise.resolve(void engine.create(first)),
    open() {
      const stream = engine.open(life, FIRST_HOST + opened.length);
      opened.push(stream);
      return Promise.resolve(stream);
    },
    async leave() {
      await Promise.all(opened.map((stream) => stream.close()));
      opened = [];
      await streams.restore();
    },
    fill: () => Promise.resolve(void (engine.full = true)),
    killLeader: () => Promise.resolve(engine.kill(leader())),
    killServing: () => Promise.resolve(engine.kill(engine.entry(FIRST_HOST)!.host)),
    stopLeader: () => Promise.resolve(engine.cutOff(leader())),
    async restore() {
      engine.full = false;
      for (const { host } of engine.servers) {
        engine.heal(host);
        engine.revive(host);
      }
      await until(() => engine.servers.some(({ leads }) => leads));
    },
    remove: () => Promise.resolve(engine.delete()),
    async forget(work) {
      const { length } = engine.stream!.all;
      await work();
      engine.shorten(engine.stream!.all.length - length);
    },
    until: (is) => until(is),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
  return Promise.resolve(streams);
});
