import assert from "node:assert/strict";
import { Roster } from "../../src/payment/roster.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { PostgresStore } from "../../src/store/postgres.ts";
import { batch, byId, loaded, LOG, NOTHING, pending, settled, testStore } from "./contract.ts";
import { connect, needsServer, TestServer, withStores } from "./test_server.ts";
import { PAIR } from "../support/pair.ts";

const server = new TestServer();
if (!needsServer.ignore) {
  Deno.test.beforeAll(() => server.start());
  Deno.test.afterAll(() => server.end());
}

testStore("PostgresStore", needsServer, async () => {
  const url = await server.database();
  const stores: PostgresStore[] = [];
  return {
    store() {
      const store = new PostgresStore({ url, roster: PAIR });
      stores.push(store);
      return store;
    },
    close: async () => void await Promise.all(stores.map((store) => store.close())),
  };
});

/** The tables as version 2 of them was, with rows as the program of that time wrote them. */
async function versionTwo(url: string, epoch: number): Promise<void> {
  const rows = (await Deno.readTextFile(new URL("version_two.sql", import.meta.url))).replaceAll("$EPOCH", `${epoch}`);
  await server.query(url, rows);
}

Deno.test(
  "tables of version 2 are brought to this one: settled payments stay, pending ones are in doubt",
  needsServer,
  async () => {
    const url = await server.database();
    await versionTwo(url, 4);
    await withStores(url, async (make) => {
      const [first, second] = [make(), make()];
      const both = await Promise.all([first.stored(), second.stored()]);
      assert.deepEqual(both, [NOTHING, NOTHING]);
      const { rows } = await loaded(first);
      const inDoubt = { position: 0, doubtedUptimeMs: 0 };
      const bound = { attempt: 2, processor: "fallback", requestedAt: 1_751_328_000_500 } as const;
      assert.deepEqual(
        rows,
        byId([
          pending(1, { ...inDoubt, acceptedAt: 1_751_328_000_001, owner: "a" }),
          pending(2, {
            ...inDoubt,
            ...bound,
            acceptedAt: 1_751_328_000_002,
            stage: "dispatched",
            reason: "default-slow",
          }),
          pending(3, { ...inDoubt, ...bound, acceptedAt: 1_751_328_000_003, stage: "released", reason: "unreachable" }),
          settled(4, { acceptedAt: 1_751_328_000_004, requestedAt: 1_751_328_000_600, cents: 2_000 }),
          settled(5, { acceptedAt: 1_751_328_000_005, requestedAt: 1_751_328_000_400, reason: "already-booked" }),
        ]),
      );
      assert.equal(
        await first.story(settled(4).id),
        "1,1,1751328000300,0,0,1;2,1,1751328000350,0,0,11;3,1,1751328000600,0,0,12",
      );
      const onwards = batch(NOTHING, 10, [settled(1)]);
      assert.deepEqual(await second.write(onwards), onwards.to);
      assert.equal((await loaded(first)).rows.get(settled(1).id)?.stage, "settled");
    });
    const tables = await server.query(
      url,
      "select string_agg(table_name, ' ' order by table_name) as names from information_schema.tables where table_schema = 'public'",
    );
    assert.deepEqual(tables, [{ names: "payment payment_audit store_state" }]);
  },
);

Deno.test("replicas that start at once find the tables made once", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const stores = [make(), make(), make(), make()];
    const first = batch(NOTHING, 10, [settled(1)]);
    const said = await Promise.all(stores.map((store, n) => n < 2 ? store.stored() : store.write(first)));
    assert.deepEqual(said.slice(2), [first.to, first.to]);
    assert.deepEqual(await server.query(url, "select schema_version, log, position, hash from store_state"), [
      { schema_version: 6, log: LOG, position: "10", hash: "71" },
    ]);
    assert.deepEqual((await loaded(stores[0]!)).rows, byId([settled(1)]));
  });
});

Deno.test(
  "what is loaded while a purge commits belongs to the position that is returned, before it or after it",
  needsServer,
  async () => {
    const url = await server.database();
    await withStores(url, async (make) => {
      const store = make();
      await store.write(batch(NOTHING, 10, [settled(1)]));
      const purge = await connect(url);
      await purge.query("begin; truncate payment; update store_state set position = 20");
      const loading = loaded(store);
      const waiting = "select from pg_locks where relation = 'payment'::regclass and not granted";
      while ((await purge.query(waiting)).rowCount !== 1);
      await purge.query("commit");
      await purge.end();
      const { stored, rows } = await loading;
      assert.deepEqual([stored.position, rows.size], [20, 0]);
    });
  },
);

Deno.test("a store whose state is lost is unavailable until it is there again", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const store = make();
    const state = await store.stored();
    await server.query(url, "create table kept as table store_state; delete from store_state");
    await assert.rejects(store.stored(), {
      name: "StoreError",
      kind: "unavailable",
      message: /its table store_state is empty/,
    });
    await server.query(url, "insert into store_state table kept");
    assert.deepEqual(await store.stored(), state);
  });
});

Deno.test("the audit names the owners of any roster, and rows of other replicas are refused", needsServer, async () => {
  const url = await server.database();
  const roster = (...names: string[]) => new Roster(names);
  const owners = () => server.query(url, "select owner from payment_audit order by id");
  const store = (names: string[]) => new PostgresStore({ url, roster: roster(...names) });
  const all: PostgresStore[] = [];
  const opened = (...names: string[]) => {
    all.push(store(names));
    return all.at(-1)!;
  };
  try {
    const payments = ["one", "third"].map((owner, n) => pending(n, { owner }));
    await opened("one", "two", "third").write(batch(NOTHING, 10, payments));
    assert.deepEqual(await owners(), [{ owner: "one" }, { owner: "third" }]);
    const why = { kind: "refused", message: /of REPLICAS=one,two,third: names may be added at the end only$/ };
    await assert.rejects(opened("two", "one", "third").stored(), why);
    await assert.rejects(opened("one", "third").stored(), why);
    // names that are removed at the end stay, since rows have them; another one cannot take their place
    assert.equal((await opened("one").stored()).position, 10);
    await assert.rejects(opened("one", "2").stored(), why);
    assert.equal((await opened("one", "two", "third", "four").stored()).position, 10);
    assert.deepEqual(await server.query(url, "select replicas from store_state"), [
      { replicas: ["one", "two", "third", "four"] },
    ]);
    const shown: Payment[] = [];
    await opened("one", "two", "third").load((payment) => shown.push(payment));
    assert.deepEqual(shown.map(({ owner }) => owner).sort(), ["one", "third"]);
  } finally {
    await Promise.all(all.map((one) => one.close()));
  }
});

Deno.test("the audit shows amounts, names and times to the millisecond", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const released = { stage: "released", processor: "default", reason: "failed", acceptedAt: 0 } as const;
    const payments = [settled(1), pending(2, { acceptedAt: -8_640_000_000_000_000 }), pending(3, released)];
    await make().write(batch(NOTHING, 10, payments));
    const rows = await server.query(
      url,
      "select amount::float8, stage, processor, requested_at, accepted_at, owner, reason from payment_audit order by id",
    );
    const requested_at = new Date(1_751_328_000_457);
    const accepted_at = new Date(1_751_328_000_124);
    assert.deepEqual(rows, [
      {
        amount: 19.9,
        stage: "settled",
        processor: "fallback",
        requested_at,
        accepted_at,
        owner: "b",
        reason: "booked",
      },
      {
        ...{ amount: 19.9, stage: "accepted", processor: null, requested_at: null, accepted_at: null },
        ...{ owner: "b", reason: "accepted" },
      },
      {
        ...{ amount: 19.9, stage: "released", processor: "default", requested_at: null, accepted_at: null },
        ...{ owner: "b", reason: "failed" },
      },
    ]);
  });
});

Deno.test(
  "a statement that waits too long is given up with its write, and the next one works",
  needsServer,
  async () => {
    const url = await server.database();
    const store = new PostgresStore({ url, roster: PAIR, statementTimeoutMs: 50 });
    assert.deepEqual(await store.stored(), NOTHING);
    const other = await connect(url);
    await other.query("begin; lock table payment");
    const first = batch(NOTHING, 10, [pending(1)]);
    await assert.rejects(store.write(first), { kind: "unavailable", message: /: it took too long$/ });
    await other.end();
    assert.deepEqual(await loaded(store), { stored: NOTHING, rows: new Map() });
    assert.deepEqual(await store.write(first), first.to);
    assert.deepEqual(await loaded(store), { stored: first.to, rows: byId([pending(1)]) });
    await store.close();
  },
);

Deno.test("a settled payment's story is stored with it, and stays when it is written again", needsServer, async () => {
  const url = await server.database();
  const { id } = settled(1);
  const stories = new Map([[id, "1,1,1751328000456,0,1,2;3,1,1751328000500,0,1,12"]]);
  const store = new PostgresStore({ url, roster: PAIR, story: (id) => stories.get(id) });
  const other = new PostgresStore({ url, roster: PAIR });
  try {
    assert.equal(await store.story(id), undefined);
    const first = batch(NOTHING, 10, [pending(1)]);
    await store.write(first);
    assert.equal(await store.story(id), undefined, "it is not settled");
    const second = batch(first.to, 20, [settled(1)]);
    await store.write(second);
    assert.equal(await store.story(id), stories.get(id));
    // a replica that lost its memory
    const third = batch(second.to, 30, [settled(1)]);
    await other.write(third);
    assert.equal(await other.story(id), stories.get(id));
    await other.write(batch(third.to, 40, [settled(1)], true));
    assert.equal(await store.story(id), undefined, "it was forgotten in between");
  } finally {
    await Promise.all([store.close(), other.close()]);
  }
});

Deno.test(
  "a read-only database can be read, and a check for writing is refused",
  needsServer,
  async () => {
    const url = await server.database();
    await withStores(url, async (make) => {
      await make().write(batch(NOTHING, 10, [settled(1)]));
      const [, name] = /\/(test_\d+)\?/.exec(url)!;
      await server.query(url, `alter database ${name} set default_transaction_read_only = on`);
      const store = make();
      const refused = { kind: "refused", message: /: the database is read-only$/ };
      assert.equal((await store.stored()).position, 10);
      assert.deepEqual((await loaded(store)).rows, byId([settled(1)]));
      await assert.rejects(store.stored(true), refused);
      await assert.rejects(store.write(batch({ logId: LOG, position: 10 }, 20, [])), refused);
    });
  },
);

Deno.test(
  "goes on without names where a connection has statements of the same names, as a pooler's has",
  needsServer,
  async () => {
    const url = await server.database();
    await server.query(
      url,
      `create function prepare() returns event_trigger language plpgsql as
       $$ begin execute 'prepare advance as select 1'; execute 'prepare story as select 1'; end $$;
     create event trigger prepare on login execute function prepare();`,
    );
    await withStores(url, async (make) => {
      const [writer, reader] = [make(), make()];
      const first = batch(NOTHING, 10, [pending(1)]);
      await assert.rejects(writer.write(first), /prepared statement "advance" already exists \(42P05\)$/);
      assert.deepEqual(await writer.write(first), first.to);
      assert.deepEqual(await loaded(writer), { stored: first.to, rows: byId([pending(1)]) });
      await assert.rejects(reader.story(pending(1).id), /prepared statement "story" already exists \(42P05\)$/);
      assert.equal(await reader.story(pending(1).id), undefined);
    });
  },
);
