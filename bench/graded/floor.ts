/** What this machine can do at all: the same load against a static answer of the same Caddy. @module */
import { startLoad } from "./generator.ts";
import { Latency, type LatencySummary } from "./latency.ts";
import type { LoadSecond } from "./load_event.ts";
import type { Scenario } from "./scenario.ts";
import { freePort } from "../../tests/support/free_port.ts";
import type { Caddy } from "./system.ts";

const CONNECT_MS = 20;
const CONNECT_TRIES = 250;

/**
 * Runs the scenario's load, without outages and audits, against `respond 202`.
 * @param told called once a second
 */
export async function measureFloor(
  scenario: Scenario,
  caddy: Caddy,
  told: (second: LoadSecond) => void,
): Promise<LatencySummary> {
  const port = freePort();
  const folder = await Deno.makeTempDir({ prefix: "galo-floor-" });
  const config = `${folder}/Caddyfile`;
  await Deno.writeTextFile(
    config,
    `{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n` +
      `http://127.0.0.1:${port} {\n\trespond 202\n}\n`,
  );
  const process = new Deno.Command(caddy.path, {
    args: ["run", "--adapter", "caddyfile", "--config", config],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await untilListening(port);
    const load = startLoad({
      url: `http://127.0.0.1:${port}`,
      amount: scenario.amount / 100,
      durationSeconds: scenario.durationSeconds,
      users: scenario.users,
      thinkMs: scenario.thinkMs,
    }, told);
    try {
      const { histogram, failed } = await load.done;
      if (failed > 0) throw new Error(`the floor: ${failed} requests to a static answer failed`);
      const latency = new Latency();
      latency.addEncoded(histogram);
      return latency.summary();
    } finally {
      await load.stop();
    }
  } finally {
    process.kill("SIGTERM");
    await process.status;
    await Deno.remove(folder, { recursive: true });
  }
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < CONNECT_TRIES; tries++) {
    try {
      (await Deno.connect({ port, hostname: "127.0.0.1" })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, CONNECT_MS));
    }
  }
  throw new Error(`the floor: Caddy does not listen on ${port}`);
}
