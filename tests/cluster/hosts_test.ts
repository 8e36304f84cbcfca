import { NATS_SERVER, NO_NATS_SERVER } from "../support/nats_servers.ts";
import { needs, needsOf } from "../support/permissions.ts";
import { seeded } from "../../src/local/seeded.ts";
import { whyNoHosts } from "./host_network.ts";
import { HostsTest } from "./hosts_rounds.ts";

const real = needs("net", "run", "read", "write", "env", "sys");
const why = real.ignore ? undefined : NATS_SERVER ? whyNoHosts() : NO_NATS_SERVER;

Deno.test({
  name: "no cut, standstill or death of a host charges twice or loses what was acknowledged",
  ...needsOf(real, () => why === undefined, `no hosts can be made here: ${why}`),
  async fn() {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    console.log(`seed ${seed}: deno task test:hosts --seed ${seed} goes on for 20 rounds`);
    await using test = await HostsTest.start();
    await test.round(seeded(seed));
    console.log(test.tally);
  },
});
