import assert from "node:assert/strict";
import { needsNats } from "../support/nats_servers.ts";
import { needsOf } from "../support/permissions.ts";
import { until } from "../support/until.ts";
import { seeded } from "../../src/local/seeded.ts";
import { whyNoHosts } from "./host_network.ts";
import { HostsTest } from "./hosts_rounds.ts";

const why = needsNats.ignore ? undefined : whyNoHosts();
const hostsCanBe = needsOf(needsNats, () => why === undefined, `no hosts can be made here: ${why}`);

Deno.test("three hosts charge once and lose nothing", hostsCanBe, async (t) => {
  await using test = await HostsTest.start();
  await t.step("when one is cut off, it takes nothing, and the others settle what it had taken", () => cutOff(test));
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  console.log(`seed ${seed}: deno task test:hosts --seed ${seed} goes on for 20 rounds`);
  await t.step("when hosts are cut off, stand still and die under load", () => test.round(seeded(seed)));
  console.log(test.tally);
});

/** Replica `a` reaches processors and Postgres, and no other host. */
async function cutOff(test: HostsTest): Promise<void> {
  const { hosts } = test;
  const processors = Object.values(hosts.processors);
  for (const processor of processors) processor.setFailing(true);
  const taken = Array.from({ length: 20 }, () => crypto.randomUUID());
  for (const id of taken) assert.equal(await test.pay("a", id), 202);
  await hosts.network.cut("a", false);
  let readiness: { ready: boolean; notes: string[] } | undefined;
  await until(async () => {
    readiness = await (await hosts.replica("a").request("/readyz")).json();
    return readiness!.ready === false;
  });
  assert.match(readiness!.notes.join("\n"), /log/);
  const refused = crypto.randomUUID();
  await until(async () => await test.pay("a", refused) === 503);
  for (const processor of processors) processor.setFailing(false);
  await until(() => taken.every((id) => processors.some(({ books }) => books.booked.has(id))));
  // it may be taken once the log is heard again, and not before
  assert.deepEqual(processors.map(({ books }) => books.delivered.has(refused)), [false, false]);
  await hosts.network.heal("a");
  await hosts.untilWell();
  await test.check({ asked: new Set([...taken, refused]), accepted: new Set(taken) });
}
