import assert from "node:assert/strict";
import { payment, statusOf } from "./cluster/harness.ts";
import { usersOf } from "./local/start.ts";
import { CADDY, needs, needsOf, NO_CADDY } from "./support/permissions.ts";
import { freePort } from "./support/free_port.ts";
import { NatsServers, needsNats } from "./support/nats_servers.ts";
import { TempFolder } from "./support/temp_folder.ts";
import { until } from "./support/until.ts";

const real = needs("net", "run", "read", "write", "env");
const MAIN = new URL("../main.ts", import.meta.url).pathname;

function galo(args: string[], env: Record<string, string> = {}, permissions = ["-A"]): Deno.Command {
  const all = ["run", ...permissions, "--no-prompt", "--quiet", MAIN, ...args];
  return new Deno.Command(Deno.execPath(), {
    args: all,
    env: { NO_COLOR: "1", ...env },
    stdout: "piped",
    stderr: "piped",
  });
}

/** The one line of a start that fails with this exit code. */
async function failure(
  args: string[],
  env: Record<string, string> = {},
  { code = 2, permissions = ["-A"] } = {},
): Promise<string> {
  const { code: actual, stdout, stderr } = await galo(args, { LOG_LEVEL: "off", ...env }, permissions).output();
  assert.equal(actual, code);
  assert.equal(new TextDecoder().decode(stdout), "");
  const said = new TextDecoder().decode(stderr).trim();
  assert.equal(said.includes("\n"), false, said);
  return said;
}

Deno.test("--help lists commands and settings and ends with 0", real, async () => {
  const { code, stdout } = await galo(["--help"]).output();
  assert.equal(code, 0);
  const help = new TextDecoder().decode(stdout);
  for (const word of ["start", "replica", "processor", "PATIENCE_MS", "DATABASE_URL"]) {
    assert.ok(help.includes(word), word);
  }
});

Deno.test("a typo in a setting, an option or a command is one clear line and exit code 2", real, async () => {
  assert.match(await failure([], { PATIENCE_MS: "soon" }), /^galo: PATIENCE_MS: "soon" is not valid \(ms\)/);
  assert.match(await failure(["--prot", "1"]), /^galo: Unknown option '--prot'/);
  assert.equal(await failure(["strat"]), 'galo: unknown command "strat": see --help');
  assert.match(await failure(["processor", "--port", "x"]), /^galo: --port: "x" is not a number from 0 to 65535$/);
  assert.equal(
    await failure([], { ACK: "peer" }),
    "galo: ACK=peer was removed: write ACK=log, which loses nothing when all replicas die",
  );
  const processors = { PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" };
  assert.equal(
    await failure(["replica"], { ...processors, ACK: "store" }),
    "galo: ACK: store needs a DATABASE_URL; without one write log",
  );
  assert.equal(await failure([], { LISTEN: "/run/galo.sock" }), "galo: LISTEN: `start` takes payments on a port");
  assert.match(await failure(["--hosts", "4"]), /^galo: --hosts: "4" is neither 3 nor 5$/);
  assert.match(await failure([], { LOG: "nats://127.0.0.1:1" }), /^galo: LOG: `start` brings its own: write /);
  assert.equal(
    await failure(["--hosts", "3"], { REPLICAS: "x,y" }),
    "galo: REPLICAS: `start --hosts` names its replicas itself",
  );
  assert.match(await failure([], { PORT: "80" }), /^galo: PORT was removed: write LISTEN, such as LISTEN=/);
  assert.equal(await failure(["replica"]), "galo: PROCESSOR_DEFAULT_URL and PROCESSOR_FALLBACK_URL: not set");
});

Deno.test("an option of another command is one clear line and exit code 2", real, async () => {
  const cases = {
    "--host 127.0.0.1 --port 8080": "--host: an option of `processor`, not of `start`: write LISTEN=ADDRESS:PORT",
    "replica --port 8080": "--port: an option of `processor`, not of `replica`: write LISTEN=ADDRESS:PORT",
    "start --fee 0.1": "--fee: an option of `processor`, not of `start`",
    "replica --hosts 3": "--hosts: an option of `start`, not of `replica`",
    "audit --fee 0.1": "--fee: an option of `processor`, not of `audit`",
    "audit --port 8080": "--port: an option of `processor`, not of `audit`",
    "processor --url http://127.0.0.1:1": "--url: an option of `audit`, not of `processor`",
    "processor --deep": "--deep: an option of `audit`, not of `processor`",
    "processor --stand-in-port 8001": "--stand-in-port: an option of `start`, not of `processor`",
  };
  // where an option is taken, the start ends at once all the same
  const env = { LISTEN: "/run/galo.sock", FEES: "x" };
  for (const [args, line] of Object.entries(cases)) {
    assert.equal(await failure(args.split(" "), env), `galo: ${line}`);
  }
});

Deno.test(
  "NATS servers that cannot be used end a replica with one line and 1, and no password is shown",
  needsNats,
  async () => {
    await using servers = await NatsServers.start({ lines: "authorization: { user: ann, password: geheim }" });
    const [address] = servers.addresses;
    const processors = { PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" };
    assert.equal(
      await failure(["replica"], { ...processors, LOG: `nats://ann:falsch@${address}` }, { code: 1 }),
      `galo: LOG: the NATS server at ${address} refuses the user ann or its password`,
    );
  },
);

Deno.test("a replica whose NATS servers do not answer says so in one line, and can be stopped", real, async () => {
  using folder = new TempFolder();
  const env = {
    ...{ PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" },
    ...{
      LOG: `nats://ann:geheim@127.0.0.1:${freePort()}`,
      LISTEN: `${folder.path}/a.sock`,
      DATA_DIR: `${folder.path}/data`,
    },
  };
  const replica = galo(["replica"], env).spawn();
  let said = "";
  for await (const text of replica.stderr.pipeThrough(new TextDecoderStream()).values({ preventCancel: true })) {
    said += text;
    if (said.split("\n").length > 2) break;
  }
  const [starting, waits] = said.split("\n").map((line) => line && JSON.parse(line));
  assert.deepEqual([starting.message, starting.properties.log], ["starting", "nats"]);
  assert.deepEqual([waits.level, waits.message], ["WARN", "the start waits"]);
  assert.match(waits.properties.why, /^no NATS server can be used: 127\.0\.0\.1:\d+: connection refused$/);
  replica.kill("SIGTERM");
  assert.equal((await replica.status).code, 0);
  await replica.stdout.cancel();
  // it keeps nothing there
  assert.throws(() => Deno.statSync(`${folder.path}/data`), Deno.errors.NotFound);
});

Deno.test("what would not be sent to the router is refused in one line by audit", real, async () => {
  const settings = {
    ...{ PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" },
    DATABASE_URL: "postgres://127.0.0.1:1/galo",
  };
  for (const url of ["http://me:secret@h", "http://h/?x=1", "http://h/#x"]) {
    assert.equal(
      await failure(["audit", "--url", url], settings),
      "galo: --url: a user, password, query or fragment is never sent: remove it",
    );
  }
  assert.equal(
    await failure(["audit", "--url", "localhost"], settings),
    "galo: --url: not an http or https URL",
  );
});

/** Settings of an audit whose four sides are at one place. */
function auditAt(place: string): Record<string, string> {
  return {
    ...{ PROCESSOR_DEFAULT_URL: `http://${place}`, PROCESSOR_FALLBACK_URL: `http://${place}` },
    DATABASE_URL: `postgres://${place}/galo`,
  };
}

Deno.test("an audit without --to ends before what calls and batches may still change", real, async () => {
  const settings = { ...auditAt("127.0.0.1:1"), REQUEST_TIMEOUT_MS: "600000", STORE_INTERVAL_MS: "10000" };
  assert.equal(
    await failure(["audit", "--from", new Date(Date.now() - 60_000).toISOString()], settings),
    "galo: --from: is later than --to, which is 612 s ago if it is left out",
  );
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} ends an audit whose sides do not answer with one line and exit code 2`, real, async () => {
    using silent = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const place = `127.0.0.1:${silent.addr.port}`;
    const audit = galo(["audit", "--url", `http://${place}`], auditAt(place)).spawn();
    using _asked = await silent.accept();
    audit.kill(signal);
    const { code, stdout, stderr } = await audit.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.deepEqual([code, text(stdout), text(stderr)], [2, "", "galo audit: stopped before it was done\n"]);
  });
}

for (
  const [what, name] of [
    ["its process's lock", "process-a.lock"],
    ["its own lock", "a.lock"],
    ["the log's lock", "log.lock"],
    ["a segment of the log", "log/000000000001.log"],
    ["the folder of the log", "log"],
  ] as const
) {
  Deno.test(`a replica ends with one clear line where ${what} is not as it should be`, real, async () => {
    using temp = new TempFolder();
    const folder = temp.path;
    // unlike rights, this keeps root out as well
    if (name === "log") await Deno.writeTextFile(`${folder}/log`, "");
    else await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    const env = {
      ...{ PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" },
      ...{ DATA_DIR: folder, LISTEN: `${folder}/a.sock`, REPLICAS: "a", LOG_LEVEL: "warning" },
    };
    const ended = await galo(["replica"], env).output();
    const said = new TextDecoder().decode(ended.stderr).trim();
    assert.equal(ended.code, 1, said);
    assert.equal(said.includes("\n"), false, said);
    assert.ok(said.includes(`${folder}/${name}`) && !said.includes("    at "), said);
  });
}

Deno.test("a taken port is one clear line and exit code 1", real, async () => {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  using temp = new TempFolder();
  const folder = temp.path;
  const env = { LISTEN: `${port}`, DATA_DIR: folder };
  assert.equal(await failure([], env, { code: 1 }), `galo: cannot listen on 127.0.0.1:${port}: the address is taken`);
  assert.equal(
    await failure(["processor", "--port", `${port}`], {}, { code: 1 }),
    `galo: cannot listen on port ${port}: the address is taken`,
  );
});

Deno.test("a missing permission is one clear line and exit code 1", real, async () => {
  assert.match(await failure([], {}, { code: 1, permissions: [] }), /^galo: .*permission/);
});

Deno.test("a stdout that takes nothing stops nothing", real, async () => {
  const port = freePort();
  const galo = [Deno.execPath(), "run", "-A", "--quiet", MAIN, "processor", "--host", "127.0.0.1", "--port", `${port}`];
  // each write fails there, as on a full disk
  const args = ["-c", 'exec "$0" "$@" > /dev/full', ...galo];
  const process = new Deno.Command("sh", { args, stderr: "piped" }).spawn();
  const health = () => statusOf(fetch(`http://127.0.0.1:${port}/payments/service-health`));
  await until(() => health().then((status) => status === 200, () => false));
  process.kill("SIGTERM");
  const { code, stderr } = await process.output();
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
});

Deno.test("start is a whole cluster from an empty folder, and SIGTERM ends all of it with 0", real, async () => {
  using temp = new TempFolder();
  const folder = temp.path;
  const env = { LISTEN: "0", DATA_DIR: folder, LOG_LEVEL: "warning" };
  const process = galo(["start", "--stand-in-port", "0"], env).spawn();
  let said = "";
  let warned = "";
  const reading = Promise.all([
    (async () => {
      for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) said += text;
    })(),
    (async () => {
      for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) warned += text;
    })(),
  ]);
  await until(() => said.includes("Ctrl-C"));
  const url = /2 replicas on (http:\S+)/.exec(said)![1]!;
  const id = crypto.randomUUID();
  assert.equal(await statusOf(fetch(`${url}/payments`, payment(id))), 202);
  await until(async () => (await (await fetch(`${url}/payments/${id}`)).json()).state === "settled");
  assert.deepEqual(await (await fetch(`${url}/payments-summary`)).json(), {
    default: { totalRequests: 1, totalAmount: 19.9 },
    fallback: { totalRequests: 0, totalAmount: 0 },
  });
  assert.equal(warned, "", "nothing to worry about");

  process.kill("SIGTERM");
  assert.equal((await process.status).code, 0);
  await reading;
  await assert.rejects(fetch(`${url}/livez`));
  // nothing is left that uses the folder
  assert.deepEqual(usersOf(folder), []);

  // the next start finds what was settled
  const again = galo(["start", "--stand-in-port", "0"], env).spawn();
  const [line] = [again.stdout.pipeThrough(new TextDecoderStream())];
  let heard = "";
  for await (const text of line) {
    heard += text;
    if (heard.includes("Ctrl-C")) break;
  }
  const second = /2 replicas on (http:\S+)/.exec(heard)![1]!;
  assert.equal((await (await fetch(`${second}/payments-summary`)).json()).default.totalRequests, 1);
  again.kill("SIGINT");
  assert.equal((await again.status).code, 0);
  await again.stderr.cancel();
});

Deno.test(
  "a first start logs no warning; a replica that is killed is started again, a line for each",
  real,
  async () => {
    using temp = new TempFolder();
    const folder = temp.path;
    const env = { LISTEN: "0", DATA_DIR: folder };
    const process = galo(["start", "--stand-in-port", "0"], env).spawn();
    let [said, logged] = ["", ""];
    const reading = [
      process.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
        new WritableStream({ write: (text) => void (said += text) }),
      ),
      process.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
        new WritableStream({ write: (text) => void (logged += text) }),
      ),
    ];
    const lines = () => logged.split("\n").slice(0, -1).map((line) => JSON.parse(line));
    const told = (logger: string, message: string) =>
      lines().filter((line) => line.logger === logger && line.message === message).length;
    await until(() => said.includes("Ctrl-C"));
    const url = /2 replicas on (http:\S+)/.exec(said)![1]!;
    // either one answers
    const peers = async () => Object.values((await (await fetch(`${url}/readyz`)).json()).peers);
    await until(async () => `${await peers()}` === "linked");
    assert.deepEqual(lines().filter(({ level }) => level !== "INFO"), []);

    const ids = Array.from({ length: 50 }, () => crypto.randomUUID());
    const statuses = await Promise.all(ids.map((id) => statusOf(fetch(`${url}/payments`, payment(id)))));
    assert.deepEqual(new Set(statuses), new Set([202]));
    Deno.kill(replicaIn(folder, "b"), "SIGKILL");
    await until(() => told("galo.replica.b", "payments are taken") === 2);
    assert.equal(told("galo.cluster", "replica b ended with SIGKILL: starting it again"), 1);
    const total = async () => (await (await fetch(`${url}/payments-summary`)).json()).default.totalRequests;
    // a connection to the dead one may be tried first
    await until(async () => await total().catch(() => 0) === ids.length);

    process.kill("SIGTERM");
    assert.equal((await process.status).code, 0);
    await Promise.all(reading);
    for (const id of ["a", "b"]) {
      assert.equal(
        told(`galo.replica.${id}`, "stopped; the next start finds everything"),
        1,
      );
    }
  },
);

Deno.test(
  "start --caddy puts Caddy in front of replicas on sockets",
  needsOf(real, () => CADDY !== undefined, NO_CADDY),
  async () => {
    using temp = new TempFolder();
    const folder = temp.path;
    const args = ["start", "--caddy", CADDY!, "--stand-in-port", "0"];
    const process = galo(args, { LISTEN: "0", DATA_DIR: folder, LOG_LEVEL: "warning" }).spawn();
    let said = "";
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      said += text;
      if (said.includes("Ctrl-C")) break;
    }
    const url = /2 replicas behind Caddy on (http:\S+)/.exec(said)![1]!;
    const answer = await fetch(`${url}/payments`, payment(crypto.randomUUID()));
    assert.deepEqual([answer.status, answer.headers.get("via")], [202, "1.1 Caddy"]);
    for (const id of ["a", "b"]) assert.equal(Deno.lstatSync(`${folder}/${id}.sock`).isSocket, true);
    process.kill("SIGTERM");
    assert.equal((await process.status).code, 0);
    await process.stderr.cancel();
  },
);

/** The process of a replica that keeps its data in this folder. */
function replicaIn(folder: string, id: string): number {
  const of = ({ name }: Deno.DirEntry) => {
    try {
      const environment = Deno.readTextFileSync(`/proc/${name}/environ`).split("\0");
      return environment.includes(`DATA_DIR=${folder}`) && environment.includes(`REPLICA=${id}`);
    } catch {
      return false;
    }
  };
  return Number([...Deno.readDirSync("/proc")].find((entry) => /^\d+$/.test(entry.name) && of(entry))!.name);
}
