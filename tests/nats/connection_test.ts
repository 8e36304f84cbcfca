import assert from "node:assert/strict";
import { Nats, NatsError } from "../../src/nats/connection.ts";
import { NATS_SERVER, NatsServers, NO_NATS_SERVER } from "../support/nats_servers.ts";
import { needs, needsOf } from "../support/permissions.ts";
Deno.test("x", async () => {
  const says = async (s: any) => {
    try {
      const n = await Nats.connect(s, "t");
      await n.close();
      return "ok " + n.copies;
    } catch (e) {
      console.log(e);
      return String(e);
    }
  };
  await using s = await NatsServers.start({});
  console.log(await says({ servers: s.addresses, tls: false }));
  console.log(await says({ servers: s.addresses, tls: true }));
  console.log(await says({ servers: ["127.0.0.1:1", ...s.addresses], tls: false }));
  console.log(await says({ servers: ["127.0.0.1:1"], tls: false }));
  console.log(await says({ servers: ["nosuchhost.invalid:1"], tls: false }));
  await using p = await NatsServers.start({ lines: "authorization: { user: u, password: geheim }" });
  console.log(await says({ servers: p.addresses, tls: false }));
  console.log(await says({ servers: p.addresses, tls: false, user: "u", pass: "falsch" }));
  console.log(await says({ servers: p.addresses, tls: false, user: "u", pass: "geheim" }));
  console.log(await says({ servers: p.addresses, tls: false, token: "geheim" }));
  await using q = await NatsServers.start({ jetStream: false });
  console.log(await says({ servers: q.addresses, tls: false }));
  s.pause(0);
  console.log(await says({ servers: s.addresses, tls: false }));
  s.resume(0);
});
