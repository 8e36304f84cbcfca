import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { within } from "../../src/clock.ts";
import { systemClock } from "../../src/system_clock.ts";
import { FileLocks } from "../../src/membership/file_lock.ts";
import { PostgresStore } from "../../src/store/postgres.ts";
import { payment, statusOf, TestPostgres } from "../cluster/harness.ts";
import { CADDY, needs, needsOf, NO_CADDY, optional } from "../support/permissions.ts";
import { freePort } from "../support/free_port.ts";
import { newFolder, Started, usersOf } from "./start.ts";
import { until } from "../support/until.ts";
import { PAIR } from "../support/pair.ts";

const real = needs("net", "run", "read", "write", "env", "sys");

/** Longer than a cluster takes to stop, in milliseconds. */
const STOPPED_MS = 30_000;

/** Pays `count` times; asserts that each payment is acknowledged. */
async function pay(started: Started, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    assert.equal(await statusOf(fetch(`${started.url}/payments`, payment(crypto.randomUUID()))), 202);
  }
}

/** Starts a cluster that has to end by itself, with one line and 1. */
async function refusal(env: Record<string, string>, folder?: string): Promise<string> {
  await using started = new Started(folder ?? await newFolder(), { LOG_LEVEL: "off", ...env });
  assert.equal((await started.end()).code, 1);
  assert.deepEqual(usersOf(started.folder), []);
  return started.logged.trimEnd().replaceAll(started.folder, "FOLDER");
}

/** What a shell may have that libpq, `pg` and the programs of PostgreSQL heed. */
const SHELL = {
  ...{ PGHOST: "nowhere.invalid", PGHOSTADDR: "192.0.2.1", PGPORT: "1", PGUSER: "nobody", PGDATABASE: "nothing" },
  ...{
    PGPASSWORD: "wrong",
    PGPASSFILE: "/nowhere",
    PGSERVICE: "none",
    PGSERVICEFILE: "/nowhere",
    PGSSLMODE: "require",
  },
  ...{ PGSSLNEGOTIATION: "direct", PGOPTIONS: "-c default_transaction_read_only=on", PGAPPNAME: "x" },
  ...{ PGREPLICATION: "database", PGCLIENT_ENCODING: "EUC_JP", PGCLIENTENCODING: "EUC_JP", PGCONNECT_TIMEOUT: "1" },
  ...{ PGDATA: "/nowhere", PGTZ: "nowhere", PGSSLROOTCERT: "/nowhere", LC_ALL: "xx_XX.UTF-8", LANG: "xx_XX.UTF-8" },
};

Deno.test("no variable of libpq's in the shell keeps payments from the embedded Postgres", real, async () => {
  await using started = await Started.start(await newFolder(), SHELL);
  const account = Deno.uid() === 0 ? ", as nobody, since it refuses to run as root" : "";
  assert.ok(started.said.includes(`\nPostgres: embedded, in ${started.folder}/postgres${account}\n`), started.said);
  await pay(started, 20);
  // what is stored may not be settled yet
  await until(async () => await started.settled() === 20 && await started.stored() === 20);
  assert.equal((await started.readyz()).store, "ready");
  assert.equal((await started.end("SIGTERM")).code, 0);
  const again = await Started.start(started.folder, SHELL);
  assert.equal(await again.settled(), 20);
  assert.equal((await again.end("SIGTERM")).code, 0);
});

Deno.test("a store that does not come up ends start with one line and 1", real, async () => {
  assert.equal(
    await refusal({ DATABASE_URL: "postgres://me:secret@127.0.0.1:1/galo" }),
    "galo: Postgres at 127.0.0.1:1, database galo: nothing listens there",
  );
  assert.equal(
    await refusal({ DATABASE_URL: "postgres://me:secret@127.0.0.1/galo?sslmode=prefer" }),
    "galo: DATABASE_URL: sslmode=prefer is not supported: write disable, require, verify-ca or verify-full",
  );
  await using postgres = await TestPostgres.start();
  const store = new PostgresStore({ url: postgres.url, roster: PAIR });
  const to = { logId: crypto.randomUUID(), position: 1, hash: 0, doubtedUptimeMs: null };
  await store.write({ from: await store.stored(), to, replacesAll: false, payments: [] });
  await store.close();
  await postgres.query("alter database postgres set default_transaction_read_only = on");
  assert.equal(
    await refusal({ DATABASE_URL: postgres.url }),
    `galo: Postgres at ${postgres.folder}, database postgres: the database is read-only`,
  );
  const folder = await newFolder();
  await Deno.writeTextFile(`${folder}/postgres`, "no folder");
  assert.match(await refusal({}, folder), /^galo: PostgreSQL cannot use FOLDER\/postgres: [^\n]+$/);
});

Deno.test("a Postgres that cannot start is tried again and again, logged once, and nothing is lost", real, async () => {
  await using started = await Started.start(await newFolder());
  await pay(started, 10);
  await until(async () => await started.stored() === 10);
  const data = `${started.folder}/postgres/data`;
  await Deno.chmod(data, 0o777);
  Deno.kill(await started.postgres(), "SIGKILL");
  const why = `PostgreSQL does not start: data directory "${data}" has invalid permissions`;
  const ended = `ERROR: Postgres ended, and restarts until it runs: ${why}`;
  await until(() => started.lines.length === 1);
  assert.deepEqual(started.lines, [ended]);
  await until(async () => (await started.readyz()).store === "unavailable");
  await pay(started, 30);
  await Deno.chmod(data, 0o700);
  await until(async () => (await started.readyz()).store === "ready");
  await until(async () => await started.stored() === 40);
  await until(() => started.lines.length === 2);
  assert.deepEqual(started.lines, [ended, "INFO: Postgres runs again"]);

  // one that can start at once is back at once
  Deno.kill(await started.postgres(), "SIGKILL");
  await until(() => started.lines.length === 4);
  assert.deepEqual(started.lines.slice(2), [
    "ERROR: Postgres ended, and restarted",
    "INFO: Postgres runs again",
  ]);
  await pay(started, 5);
  await until(async () => await started.stored() === 45);
});

Deno.test("a Postgres that runs again but cannot be used is not logged as back", real, async () => {
  await using started = await Started.start(await newFolder());
  await pay(started, 1);
  await until(async () => await started.stored() === 1);
  await started.query("alter database postgres set default_transaction_read_only = on");
  Deno.kill(await started.postgres(), "SIGKILL");
  await until(() => started.lines.length === 2);
  const why = `Postgres at ${started.folder}/postgres, database postgres: the database is read-only`;
  assert.deepEqual(started.lines, [
    "ERROR: Postgres ended, and restarted",
    `ERROR: Postgres runs again, but cannot be used: ${why}`,
  ]);
});

Deno.test("start ends while its replicas cannot begin yet", real, async () => {
  const folder = await newFolder();
  // as if another replica opened the log
  const lock = new FileLocks(folder).tryAcquire("log")!;
  await using started = new Started(folder);
  const waiting = ["a", "b"].map((name) => `${folder}/process-${name}.lock`);
  await until(() => waiting.every((path) => existsSync(path)));
  const status = await within(systemClock, STOPPED_MS, started.end("SIGTERM"));
  if (!status) started.process.kill("SIGKILL");
  lock.release();
  assert.equal(status?.code, 0);
  assert.deepEqual([usersOf(folder), started.logged.includes("galo:")], [[], false]);
});

Deno.test("start ends while its Postgres does not start", real, async () => {
  await using started = await Started.start(await newFolder());
  await Deno.chmod(`${started.folder}/postgres/data`, 0o777);
  Deno.kill(await started.postgres(), "SIGKILL");
  await until(() => started.lines.length === 1);
  // the store is away, so its payments are only in the log; nothing was cut off
  await started.end("SIGTERM");
  assert.deepEqual(usersOf(started.folder), []);
});

/** A small disk of a test's own. */
class Disk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "galo-disk-" });

  constructor(size: string) {
    const args = ["-t", "tmpfs", "-o", `size=${size},mode=0711`, "tmpfs", this.folder];
    const { success, stderr } = new Deno.Command("mount", { args, stderr: "piped" }).outputSync();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  }

  /** Writes until there is no room. */
  fill(): void {
    const args = ["if=/dev/zero", `of=${this.folder}/full`, "bs=4k"];
    assert.equal(new Deno.Command("dd", { args, stderr: "null" }).outputSync().success, false);
  }

  clear(): void {
    Deno.removeSync(`${this.folder}/full`);
  }

  [Symbol.dispose](): void {
    new Deno.Command("umount", { args: ["-l", this.folder] }).outputSync();
    Deno.removeSync(this.folder);
  }
}

const FLOOD = "select pg_logical_emit_message(true, '', repeat('x', 1 << 20)) from generate_series(1, 60)";

function mounts(): boolean {
  try {
    using _disk = new Disk("1m");
    return true;
  } catch {
    return false;
  }
}

const mounting = real.ignore || mounts() ? real : optional("this user may not mount a small disk, as root may");

Deno.test("a Postgres whose disk is full comes back when there is room, and nothing is lost", mounting, async () => {
  using disk = new Disk("80m");
  const folder = await newFolder();
  await Deno.mkdir(`${disk.folder}/postgres`);
  await Deno.symlink(`${disk.folder}/postgres`, `${folder}/postgres`);
  await using started = await Started.start(folder);
  await pay(started, 10);
  await until(async () => await started.stored() === 10);
  disk.fill();
  // it ends itself once its own log finds no room any more
  await assert.rejects(started.query(FLOOD));
  await until(() => started.lines.length === 1);
  assert.match(started.lines[0]!, /^ERROR: Postgres ended, and restarts until it runs: .*No space left/);
  await pay(started, 200);
  await until(async () => (await started.readyz()).store === "unavailable");
  disk.clear();
  await until(async () => await started.stored().catch(() => 0) === 210);
  await until(() => started.lines.length === 2);
  assert.equal(started.lines[1], "INFO: Postgres runs again");
  assert.equal((await started.end("SIGTERM")).code, 0);
});

Deno.test(
  "what is acknowledged is stored, even if the disk of the whole folder was full meanwhile",
  mounting,
  async () => {
    using disk = new Disk("100m");
    await using started = await Started.start(`${disk.folder}/galo`);
    await pay(started, 10);
    disk.fill();
    await assert.rejects(started.query(FLOOD));
    await until(() => started.lines.length === 1);
    let acknowledged = 10;
    for (let n = 0; n < 200; n++) {
      const status = await statusOf(fetch(`${started.url}/payments`, payment(crypto.randomUUID())));
      assert.ok(status === 202 || status === 503, `${status}`);
      if (status === 202) acknowledged++;
    }
    disk.clear();
    await until(async () => await started.stored().catch(() => 0) === acknowledged);
    await pay(started, 10);
    await until(async () => await started.stored() === acknowledged + 10);
    assert.equal((await started.end("SIGTERM")).code, 0);
  },
);

for (const name of ["SIGHUP", "SIGQUIT", "SIGUSR2", "SIGALRM"] as const) {
  Deno.test(`${name} ends all of it with 0, Postgres too`, real, async () => {
    await using started = await Started.start(await newFolder());
    await pay(started, 1);
    assert.equal((await started.end(name)).code, 0);
    assert.deepEqual(usersOf(started.folder), []);
  });
}

Deno.test("what nohup starts outlives its terminal", real, async () => {
  await using started = await Started.start(await newFolder(), {}, ["nohup"]);
  // a shell whose terminal is closed sends it to all of a job
  for (const pid of usersOf(started.folder)) Deno.kill(Number(pid), "SIGHUP");
  Deno.kill(await started.postgres(), "SIGKILL");
  await until(() => started.lines.length === 2);
  assert.deepEqual(started.lines, ["ERROR: Postgres ended, and restarted", "INFO: Postgres runs again"]);
  await pay(started, 1);
  assert.equal((await started.end("SIGTERM")).code, 0);
  assert.deepEqual(usersOf(started.folder), []);
});

Deno.test(
  "a start after one that was killed ends its Caddy, which holds the port, but not that of one that runs",
  needsOf(real, () => CADDY !== undefined, NO_CADDY),
  async () => {
    const folder = await newFolder();
    const env = { LISTEN: `127.0.0.1:${freePort()}`, CADDY: CADDY! };
    const first = await Started.start(folder, env);
    const second = new Started(folder, env);
    assert.equal((await second.end()).code, 1);
    assert.equal(second.logged, `galo: another process uses the Caddy in ${folder}/caddy\n`);
    const caddy = (await Deno.readTextFile(`${folder}/caddy/pid`)).trim();
    first.process.kill("SIGKILL");
    await first.process.status;
    assert.ok(usersOf(`${folder}/caddy/pid`).includes(caddy));
    const again = await Started.start(folder, env);
    assert.ok(!usersOf(`${folder}/caddy/pid`).includes(caddy));
    await pay(again, 5);
    again.process.kill("SIGKILL");
    await again.process.status;
    // also where the replicas share the port
    await using last = await Started.start(folder, { LISTEN: env.LISTEN });
    assert.deepEqual(usersOf(`${folder}/caddy/pid`), []);
    await until(async () => await last.settled() === 5);
    assert.equal((await last.end("SIGTERM")).code, 0);
    assert.deepEqual(usersOf(folder), []);
  },
);

for (const env of [{}, ...CADDY === undefined ? [] : [{ CADDY, REPLICAS: "a,b,third" }]]) {
  Deno.test(
    `payments are taken where LISTEN says and nowhere else${"CADDY" in env ? ", by Caddy before three replicas" : ""}`,
    real,
    async () => {
      await using started = await Started.start(await newFolder(), { LISTEN: "127.0.0.2:0", ...env });
      await pay(started, 6);
      const replicas = "CADDY" in env ? "3 replicas behind Caddy on" : "2 replicas on";
      assert.ok(started.said.includes(`${replicas} ${started.url}`), started.said);
      const { peers } = await started.readyz();
      assert.equal(Object.keys(peers as Record<string, string>).length, "CADDY" in env ? 2 : 1);
      const { hostname, port } = new URL(started.url);
      assert.equal(hostname, "127.0.0.2");
      assert.ok(started.said.includes(`\n  curl -i http://127.0.0.2:${port}/payments --json `), started.said);
      const elsewhere = Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
      await assert.rejects(elsewhere, Deno.errors.ConnectionRefused);
      assert.equal((await started.end("SIGTERM")).code, 0);
    },
  );
}

Deno.test("a folder may have any name", real, async () => {
  const name = `a,b "c" 'd' \\e %66 {f} $g é\u{1f4b6}`;
  await using started = await Started.start(await newFolder(name), CADDY === undefined ? {} : { CADDY });
  await pay(started, 5);
  await until(async () => await started.stored() === 5);
  assert.equal((await started.end("SIGTERM")).code, 0);
  assert.deepEqual(usersOf(started.folder), []);
});

Deno.test("a folder's path may be as long as a socket's path allows, and a longer one is refused", real, async () => {
  const of = async (bytes: number) => {
    const parent = await newFolder("é");
    const name = "d".repeat(bytes - new TextEncoder().encode(`${parent}/`).length);
    await Deno.mkdir(`${parent}/${name}`);
    return `${parent}/${name}`;
  };
  for (const bytes of [92, 102, 200]) {
    assert.equal(
      await refusal({}, await of(bytes)),
      "galo: DATA_DIR: FOLDER is too long for a socket in it: at most 91 bytes",
    );
  }
  await using started = await Started.start(await of(91));
  await pay(started, 5);
  const postgres = () => Number(usersOf(`${started.folder}/postgres/data`)[0]);
  const first = postgres();
  Deno.kill(first, "SIGKILL");
  // found again where it was
  await until(() => started.lines.length === 2);
  await pay(started, 5);
  assert.notEqual(postgres(), first);
  await until(async () => (await started.readyz()).store === "ready");
  assert.equal((await started.end("SIGTERM")).code, 0);
});
