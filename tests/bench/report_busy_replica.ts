/**
 * A replica as `main.ts replica` starts it, with a handicap: every payment that is taken in costs 5 ms of busy work. For
 * the test of the bottleneck report only.
 * @module
 */
import { readConfig } from "../../src/config.ts";
import { startReplica } from "../../src/process.ts";
import { Replica } from "../../src/replica.ts";

const BUSY_MS = 5;

const accept = Replica.prototype.accept;
Replica.prototype.accept = function (id, cents) {
  for (const startMs = performance.now(); performance.now() - startMs < BUSY_MS;);
  return accept.call(this, id, cents);
};

const host = await startReplica(readConfig());
Deno.addSignalListener("SIGTERM", async () => {
  await host.stop();
  Deno.exit(0);
});
await host.serving;
console.log("ready");
// ends when the process that started this one does
for await (const _ of Deno.stdin.readable);
await host.stop();
Deno.exit(0);
