/** The simulation's ports, where nothing goes wrong, keep the same contracts as the real ones. @module */
import type { ReplicaId } from "../../src/payment/fact.ts";
import type { Store } from "../../src/store/store.ts";
import { testClock } from "../clock_contract.ts";
import { logContract } from "../ledger/log_contract.ts";
import { testLocks } from "../membership/locks_contract.ts";
import { testTransport } from "../peer/transport_contract.ts";
import { IMPATIENT_MS, PATIENT_MS, testClient } from "../processor/client_contract.ts";
import { testStore } from "../store/contract.ts";
import { SimulatedClient } from "./client.ts";
import { clockOf } from "./clock.ts";
import { Life } from "./life.ts";
import { drawPlan, FAULT_KINDS } from "./plan.ts";
import { World } from "./world.ts";

/** A world without faults. */
function calm(): World {
  const plan = drawPlan(1, { without: FAULT_KINDS });
  return new World({ ...plan, replicas: 2, store: true, settings: { ...plan.settings, horizonMs: 60_000 } }, false);
}

let lives = 0;
/** A process in it, which runs no replica. */
function process(world: World, replica: ReplicaId = "a"): Life {
  return new Life(replica, ++lives, (life) => world.locks.drop(life));
}

testClock("the simulation's clock", () => {
  const world = calm();
  return Object.assign(world.clock.running(), { clock: clockOf(world.clock, process(world), () => 0) });
});

logContract("in the simulation", () => {
  const world = calm();
  return { files: () => world.disk.of(process(world)), [Symbol.dispose]() {} };
});

testLocks("the simulation's locks", { ignore: false }, () => {
  const world = calm();
  const locks = (life = process(world)) => world.locks.of(life, life.may);
  return {
    locks: () => locks(),
    holder() {
      const life = process(world);
      const held = locks(life).tryAcquire("x") !== undefined;
      return Promise.resolve({ held, kill: () => Promise.resolve(life.die()) });
    },
    delete: (name) => Promise.resolve(world.locks.delete(name)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});

testStore("the simulation's store", { ignore: false }, () => {
  const world = calm();
  const running = world.clock.running();
  const store = (): Store => world.database!.of(process(world));
  return Promise.resolve({ store, close: () => Promise.resolve(running[Symbol.asyncDispose]()) });
});

testTransport("the simulation's network", () => {
  const world = calm();
  return Object.assign(world.clock.running(), {
    listening: world.network.of(process(world, "a")),
    dialling: world.network.of(process(world, "b")),
  });
});

testClient("the simulation's client", () => {
  const world = calm();
  return Promise.resolve(Object.assign(world.clock.running(), {
    client: new SimulatedClient(world, process(world), PATIENT_MS),
    impatient: new SimulatedClient(world, process(world), IMPATIENT_MS),
    set: (processor: "default" | "fallback", state: object) => void Object.assign(world.processors[processor], state),
  }));
});
