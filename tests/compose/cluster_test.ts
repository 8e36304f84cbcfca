import assert from "node:assert/strict";
import { readConfig } from "../../src/config.ts";
import { needsNats as real } from "../support/nats_servers.ts";
import { needs } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";

const FILE = new URL("../../compose.cluster.yaml", import.meta.url);
const PASSWORD = "${NATS_PASSWORD:-galo}";

/** The file as Compose reads it where no password is set. */
const text = async () => (await Deno.readTextFile(FILE)).replaceAll(PASSWORD, "galo");

Deno.test("each replica of compose.cluster.yaml names all servers, its own host's first", needs("read"), async () => {
  const settings = [...(await text()).matchAll(/REPLICA: (h\d), LOG: "([^"]+)"/g)];
  assert.equal(settings.length, 3);
  for (const [n, [, replica, LOG]] of settings.entries()) {
    assert.equal(replica, `h${n + 1}`);
    const servers = [0, 1, 2].map((next) => `n${(n + next) % 3 + 1}:4222`);
    assert.deepEqual(readConfig({ LOG: LOG! }).LOG, { servers, tls: false, user: "galo", pass: "galo" });
  }
});

Deno.test(
  "the servers of compose.cluster.yaml sync what they acknowledge, and their configuration is valid",
  real,
  async () => {
    const [, block] = /^ {4}content: \|\n((?: {6}.*\n)+)/m.exec(await text())!;
    assert.match(block!, /^ *jetstream: \{.* sync_interval: always \}$/m);
    using folder = new TempFolder();
    const path = `${folder.path}/nats.conf`;
    await Deno.writeTextFile(path, block!.replaceAll("/data", `${folder.path}/data`));
    const check = async () => {
      const { success, stderr } = await new Deno.Command("nats-server", { args: ["-t", "--config", path] }).output();
      return [success, new TextDecoder().decode(stderr)];
    };
    assert.match(`${await check()}`, /^true,.* is valid/);
    await Deno.writeTextFile(path, "jetstreams: {}\n", { append: true });
    assert.match(`${await check()}`, /^false,.*unknown field/);
  },
);
