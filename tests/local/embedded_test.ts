import assert from "node:assert/strict";
import { startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { connect, needsServer } from "../store/test_server.ts";

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "galo-test-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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
    assert.equal(second.url, first.url, "whoever knew the URL finds it again");
    await client.end();
    await second.stop();
    await second.exited;
  });
});

Deno.test("an embedded PostgreSQL stops although somebody is connected", needsServer, async () => {
  await withFolder(async (folder) => {
    const postgres = await startEmbeddedPostgres(`${folder}/postgres`);
    const client = await connect(postgres.url);
    await client.query("begin");
    await postgres.stop();
    await client.end();
  });
});

Deno.test("an embedded PostgreSQL whose starter was killed is ended, and started again", needsServer, async () => {
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
    await postgres.stop();
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
