import assert from "node:assert/strict";
import type { Batch, Store, Stored, StoreError } from "../../src/store/store.ts";
import { PostgresStore } from "../../src/store/postgres.ts";
import { serverOf, storeError } from "../../src/store/trouble.ts";
import { batch, loaded, pending } from "./contract.ts";
import { connect, needsServer, TestServer, withStores } from "./test_server.ts";
import { PAIR } from "../support/pair.ts";

const server = new TestServer();
if (!needsServer.ignore) {
  Deno.test.beforeAll(async () => {
    await server.start();
    await server.query(await server.database("postgres"), "create role locked login password 'right'");
    await server.stop();
    const rules = `${server.folder}/postgres/data/pg_hba.conf`;
    await Deno.writeTextFile(rules, `local all locked scram-sha-256\n${await Deno.readTextFile(rules)}`);
    await server.start();
  });
  Deno.test.afterAll(() => server.end());
}

/** Writes one payment more. */
async function write(store: Store, n = 1): Promise<Stored> {
  const from: Batch["from"] = await store.stored();
  return await store.write(batch(from, from.position + 1, [pending(n)]));
}

/** What is said when a store of `url` is to write, without the place. */
async function refusal(url: string, options = {}): Promise<string> {
  const store = new PostgresStore({ url, roster: PAIR, ...options });
  try {
    await write(store);
    return "none";
  } catch (error) {
    const { name, kind, message } = error as StoreError;
    assert.equal(name, "StoreError");
    assert.match(message, /^Postgres at (.*), database \w+: [^\n]+$/);
    assert.ok(!/secret|wrong|right/.test(message.replace("the password is wrong", "")), message);
    return `${kind}: ${message.replace(/^.*, database \w+: /, "")}`;
  } finally {
    await store.close();
  }
}

async function count(store: Store): Promise<number> {
  return (await loaded(store)).rows.size;
}

Deno.test("a wrong or missing password is said plainly", needsServer, async () => {
  assert.equal(await refusal(await server.database("postgres", "locked:wrong")), "refused: the password is wrong");
  assert.equal(await refusal(await server.database("postgres", "locked")), "refused: it asks for a password");
  assert.equal(
    await refusal(await server.database("postgres", "locked:right")),
    "refused: the user lacks a privilege",
  );
});

Deno.test("a pooler that refuses time limits is recognised, and its error says what to set", () => {
  const { message } = storeError({ code: "08P01", message: "unsupported startup parameter: statement_timeout" }, "x");
  assert.equal(
    message,
    "Postgres at x: it is a pooler, whose ignore_startup_parameters must name statement_timeout and " +
      "idle_in_transaction_session_timeout",
  );
});

Deno.test("a missing user is said plainly", () => {
  const { message } = storeError(
    { code: "28000", message: "no PostgreSQL user name specified in startup packet" },
    "x",
  );
  assert.equal(message, "Postgres at x: it asks for a user");
});

Deno.test("a missing database is said plainly", needsServer, async () => {
  assert.equal(await refusal(await server.database("nowhere")), "refused: the database does not exist");
});

Deno.test("a read-only database is said plainly, and written again once it is not", needsServer, async () => {
  const url = await server.database();
  const [{ name }] = await server.query(url, "select current_database() as name") as [{ name: string }];
  const readOnly = async (on: boolean) => {
    const elsewhere = await server.database("postgres");
    await server.query(elsewhere, `alter database ${name} set default_transaction_read_only = ${on}`);
  };
  await readOnly(true);
  assert.equal(await refusal(url), "refused: the database is read-only");
  await readOnly(false);
  assert.equal(await refusal(url), "none");
  await readOnly(true);
  assert.equal(await refusal(url), "refused: the database is read-only");
});

Deno.test("tables of a newer version are not touched, and the error says so", needsServer, async () => {
  const url = await server.database();
  assert.equal(await refusal(url), "none");
  await server.query(url, "update store_state set schema_version = 99");
  const store = new PostgresStore({ url, roster: PAIR });
  const line = "the tables are of version 99, this Galo knows up to 6: run the newer Galo";
  await assert.rejects(store.stored(), { kind: "refused", message: line });
  await store.close();
});

Deno.test("a code of a newer version is said plainly", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const store = make();
    await write(store);
    await server.query(url, "update payment set reason = 99");
    await assert.rejects(count(store), { kind: "refused", message: /the code 99, of a newer version/ });
  });
});

Deno.test("a full disk is said plainly", needsServer, async () => {
  const url = await server.database();
  assert.equal(await refusal(url), "none");
  await server.query(
    url,
    `create function disk_full() returns trigger language plpgsql as
       $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$;
     create trigger disk_full before insert on payment for each row execute function disk_full()`,
  );
  assert.equal(await refusal(url), "refused: the disk is full");
});

Deno.test("a server that is not there is said plainly", needsServer, async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  const tcp = `postgres://galo:secret@127.0.0.1:${port}/galo`;
  const accepting = listener.accept();
  assert.equal(await refusal(tcp, { connectTimeoutMs: 50 }), "unavailable: it does not answer");
  (await accepting).close();
  listener.close();
  assert.equal(await refusal(tcp), "unavailable: nothing listens there");
  assert.equal(await refusal(`postgres://galo:secret@localhost:${port}/galo`), "unavailable: nothing listens there");
  assert.equal(await refusal(`postgres://galo:secret@/galo?host=/nowhere`), "unavailable: nothing listens there");
});

Deno.test("a server killed while idle is missed at the next call, and found again", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const store = make();
    await store.stored();
    await write(store);
    await server.kill();
    await assert.rejects(write(store), { kind: "unavailable" });
    await assert.rejects(count(store), { kind: "unavailable", message: /: nothing listens there$/ });
    await server.start();
    await write(store, 2);
    assert.equal(await count(store), 2);
  });
});

Deno.test("a server killed in the middle of everything fails it, and is found again", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const store = make();
    const from = await store.stored();
    const other = await connect(url);
    await other.query("begin; lock table payment");
    const writing = store.write(batch(from, 1, [pending(1)]));
    const loading = count(store);
    const ended = Promise.all([
      assert.rejects(writing, { kind: "unavailable", message: /: the connection was lost$/ }),
      assert.rejects(loading, { kind: "unavailable", message: /: the connection was lost$/ }),
    ]);
    const waiting = "select from pg_locks where relation = 'payment'::regclass and not granted";
    while ((await other.query(waiting)).rowCount !== 2);
    await server.kill();
    await ended;
    await other.end();
    await server.start();
    await write(store);
    assert.equal(await count(store), 1);
  });
});

Deno.test("a mistake of ours is not taken for trouble of the store's", () => {
  const mistake = new TypeError("undefined is not a function");
  assert.equal(storeError(mistake, "here"), mistake);
});

Deno.test("what a server says in several lines becomes one", () => {
  const error = Object.assign(new Error("relation is odd\nin line 1"), { code: "42P01" });
  const { kind, message } = storeError(error, "here") as StoreError;
  assert.deepEqual([kind, message], ["refused", "Postgres at here: relation is odd (42P01)"]);
});

Deno.test("a server is named without user and password", needsServer, () => {
  assert.equal(serverOf("postgres://me:secret@db:5433/galo").where, "db:5433, database galo");
  assert.equal(serverOf("postgres://me:secret@db/galo").where, "db:5432, database galo");
  assert.equal(serverOf("postgres://me:secret@/galo?host=%2Frun%2Fpg").where, "/run/pg, database galo");
  assert.equal(serverOf("postgres://me:secret@db").where, "db:5432, database me");
  assert.equal(serverOf("postgres://a%40b@/?host=/run/pg").where, "/run/pg, database a@b");
  assert.equal(serverOf("postgres://db/?user=you").where, "db:5432, database you");
  assert.equal(serverOf("postgres://db/d?user=me@secret").where, "db:5432, database d");
  assert.throws(() => serverOf("me:secret at db").where, { message: /^DATABASE_URL is no URL of the form/ });
});

Deno.test("a server that DATABASE_URL leaves to the shell is named as pg finds it", needsServer, () => {
  try {
    const port = "5433";
    Deno.env.set("PGPORT", port);
    for (const [host, where] of [["/run/pg", "/run/pg"], ["there", "there:5433"]] as const) {
      Deno.env.set("PGHOST", host);
      for (const url of ["postgres:///galo", "postgres://me@/galo"]) {
        assert.deepEqual(serverOf(url), { where: `${where}, database galo`, host, port });
      }
      assert.equal(serverOf("postgres://me@db/galo").where, "db:5433, database galo");
    }
  } finally {
    for (const name of ["PGHOST", "PGPORT"]) Deno.env.delete(name);
  }
});
