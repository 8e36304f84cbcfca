import assert from "node:assert/strict";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { connect, needsServer } from "../store/test_server.ts";
import { optional } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";

const asRoot = needsServer.ignore || Deno.uid() === 0
  ? needsServer
  : optional("only root gives a folder to another account");

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  using temp = new TempFolder();
  const folder = temp.path;
  await test(folder);
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = await connect(url);
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

Deno.test("an embedded PostgreSQL keeps what it holds, also where it was killed", needsServer, async () => {
  await withFolder(async (folder) => {
    const first = await startEmbeddedPostgres(`${folder}/postgres`);
    await query(first.url, "create table kept as select 42 as value");
    const client = await connect(first.url);
    Deno.kill(first.pid, "SIGKILL");
    await first.exited;
    const second = await startEmbeddedPostgres(`${folder}/postgres`);
    assert.deepEqual(await query(second.url, "select value from kept"), [{ value: 42 }]);
    assert.equal(second.url, first.url, "the URL stays the same");
    await client.end();
    await second.stop();
    await second.exited;
  });
});

Deno.test("an embedded PostgreSQL stops although a client is connected", needsServer, async () => {
  await withFolder(async (folder) => {
    const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
    const client = await connect(postgres.url);
    await client.query("begin");
    await postgres.stop();
    await client.end();
  });
});

Deno.test(
  "an embedded PostgreSQL whose parent process was killed is ended, and started again",
  needsServer,
  async () => {
    await withFolder(async (folder) => {
      const starter = `import { startEmbeddedPostgres } from ${
        JSON.stringify(import.meta.resolve("../../src/local/embedded.ts"))
      };
      console.log((await startEmbeddedPostgres(${JSON.stringify(`${folder}/postgres`)})).pid);`;
      await Deno.writeTextFile(`${folder}/starter.ts`, starter);
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const args = ["run", "-A", "--quiet", "--config", config, `${folder}/starter.ts`];
      const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const orphan = Number((await reader.read()).value);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
      assert.notEqual(postgres.pid, orphan);
      await postgres.stop();
    });
  },
);

/** Ends a server as the machine's death does. @returns its file with its number, and what else is in that */
async function killed(postgres: EmbeddedPostgres, folder: string): Promise<{ path: string; lines: string[] }> {
  Deno.kill(postgres.pid, "SIGKILL");
  await postgres.exited;
  const path = `${folder}/data/postmaster.pid`;
  const lines = (await Deno.readTextFile(path)).split("\n");
  assert.equal(Number(lines[0]), postgres.pid);
  return { path, lines };
}

Deno.test("PostgreSQL starts although another process has the number of the server before", needsServer, async () => {
  await withFolder(async (folder) => {
    const home = `${folder}/postgres`;
    const first = await startEmbeddedPostgres(home);
    await query(first.url, "create table kept as select 42 as value");
    const { path, lines: [, ...lines] } = await killed(first, home);
    // PostgreSQL takes no notice of other users' processes
    const { uid, gid } = await Deno.stat(home);
    const other = new Deno.Command("sleep", { args: ["1000"], cwd: "/", uid: uid!, gid: gid! }).spawn();
    try {
      for (const text of [[other.pid, ...lines].join("\n"), "", "no number"]) {
        await Deno.writeTextFile(path, text);
        await Deno.writeTextFile(`${home}/.s.PGSQL.5432.lock`, text);
        const again = await startEmbeddedPostgres(home);
        assert.deepEqual(await query(again.url, "select value from kept"), [{ value: 42 }]);
        assert.equal(again.url, first.url);
        await killed(again, home);
      }
      other.kill("SIGCONT");
    } finally {
      other.kill("SIGKILL");
      assert.equal((await other.status).signal, "SIGKILL");
    }
  });
});

Deno.test("the copy of a folder leaves the server of the folder alone", needsServer, async () => {
  await withFolder(async (folder) => {
    const original = await startEmbeddedPostgres(`${folder}/postgres`);
    await query(original.url, "create table kept as select 42 as value");
    await query(original.url, "checkpoint");
    const args = ["-a", `${folder}/postgres`, `${folder}/copy`];
    assert.equal((await new Deno.Command("cp", { args }).output()).success, true);
    const copy = await startEmbeddedPostgres(`${folder}/copy`);
    for (const { url } of [original, copy]) {
      assert.deepEqual(await query(url, "select value from kept"), [{ value: 42 }]);
    }
    await Promise.all([original.stop(), copy.stop()]);
  });
});

Deno.test("a server that stopped is not signalled once more: its number may be another's", needsServer, async () => {
  await withFolder(async (folder) => {
    const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
    await Promise.all([postgres.stop(), postgres.stop()]);
    await postgres.stop();
  });
});

Deno.test("a URL names every part, so that no variable of the shell replaces one", needsServer, async () => {
  await withFolder(async (folder) => {
    const name = `a, b;"c" 'd' \\e %41+&?#=@:é`;
    const postgres = await startEmbeddedPostgres(`${folder}/${name}`);
    const host = encodeURIComponent(`${await Deno.realPath(folder)}/${name}`);
    assert.equal(postgres.url, `postgres://galo@/postgres?host=${host}&port=5432&sslmode=disable`);
    assert.deepEqual(await query(postgres.url, "select 1 as value"), [{ value: 1 }]);
    const [{ conf }] = await query(postgres.url, "select current_setting('lc_messages') as conf") as [{ conf: string }];
    assert.equal(conf, "C");
    await postgres.stop();
  });
});

Deno.test("settings in the folder do not hide that a server is ready", needsServer, async () => {
  await withFolder(async (folder) => {
    const first = await startEmbeddedPostgres(folder);
    await first.stop();
    const own = "logging_collector = on\nlog_min_messages = panic\nport = 1\nlisten_addresses = '*'\n";
    await Deno.writeTextFile(`${folder}/data/postgresql.auto.conf`, own);
    const again = await startEmbeddedPostgres(folder);
    assert.deepEqual(await query(again.url, "select 1 as value"), [{ value: 1 }]);
    await again.stop();
  });
});

Deno.test("a folder of another user is served as that user, like those of earlier versions", asRoot, async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/postgres`, { mode: 0o700 });
    await Deno.chown(`${folder}/postgres`, 1, 1);
    for (const create of ["create table kept as select 42 as value", "select"]) {
      const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
      await query(postgres.url, create);
      assert.deepEqual(await query(postgres.url, "select value from kept"), [{ value: 42 }]);
      assert.equal((await Deno.stat(`${folder}/postgres/data/PG_VERSION`)).uid, 1);
      assert.equal(postgres.account, "user 1");
      await postgres.stop();
    }
  });
});

Deno.test("a folder that cannot be used is refused in one line", needsServer, async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    for (const path of [`${folder}/file`, `${folder}/file/below`]) {
      await assert.rejects(startEmbeddedPostgres(path), ({ name, kind, message }) => {
        assert.deepEqual([name, kind, message.split("\n").length], ["StoreError", "refused", 1]);
        return message.startsWith(`PostgreSQL cannot use ${path}: `);
      });
    }
  });
});

Deno.test("a folder is used by one process at a time", needsServer, async () => {
  await withFolder(async (folder) => {
    const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
    const message = `another process uses the PostgreSQL in ${await Deno.realPath(folder)}/postgres`;
    await assert.rejects(startEmbeddedPostgres(`${folder}/postgres`), { kind: "refused", message });
    await postgres.stop();
  });
});

Deno.test("a socket whose path would be too long is put elsewhere", needsServer, async () => {
  await withFolder(async (folder) => {
    const postgres = await startEmbeddedPostgres(`${folder}/${"p".repeat(90)}`);
    assert.deepEqual(await query(postgres.url, "select 1 as value"), [{ value: 1 }]);
    const sockets = new URL(postgres.url.replace("@/", "@localhost/")).searchParams.get("host")!;
    assert.ok(sockets.length < 90);
    // the URL stays the same
    Deno.kill(postgres.pid, "SIGKILL");
    await postgres.exited;
    // a lock with the number of another process of the same user: of this one, if that is not root
    await Deno.writeTextFile(`${sockets}/.s.PGSQL.5432.lock`, `${Deno.pid}\n`);
    const again = await startEmbeddedPostgres(`${folder}/${"p".repeat(90)}`, undefined, postgres.sockets);
    assert.equal(again.url, postgres.url);
    assert.deepEqual(await query(again.url, "select 1 as value"), [{ value: 1 }]);
    await again.stop();
    await assert.rejects(Deno.stat(sockets), Deno.errors.NotFound);
  });
});

Deno.test("a server that cannot start says why in one line", needsServer, async () => {
  await withFolder(async (folder) => {
    const first = await startEmbeddedPostgres(`${folder}/postgres`);
    await first.stop();
    await Deno.writeTextFile(`${folder}/postgres/data/PG_VERSION`, "11\n");
    await assert.rejects(startEmbeddedPostgres(`${folder}/postgres`), {
      kind: "refused",
      message: "PostgreSQL does not start: database files are incompatible with server",
    });
  });
});
