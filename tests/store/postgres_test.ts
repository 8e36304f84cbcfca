import assert from "node:assert/strict";
import fc from "fast-check";
import { Book } from "../../src/payment/book.ts";
import { accepted, dispatched, type Fact, settled } from "../../src/payment/fact.ts";
import type { Store } from "../../src/store/store.ts";
import { PAGE, PostgresStore } from "../../src/store/postgres.ts";
import { anyFact, contradictingFact } from "../payment/arbitrary.ts";
import { connect, needsServer, TestServer, withStores } from "./test_server.ts";

const server = new TestServer();
if (!needsServer.ignore) {
  Deno.test.beforeAll(() => server.start());
  Deno.test.afterAll(() => server.end());
}

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const TAKEN = accepted(ID, 1990, 1_751_328_000_123, "b");
const BOOKED = settled(
  dispatched(TAKEN, "a", "fallback", 1_751_328_000_456, "default-slow"),
  "fallback",
  1_751_328_000_456,
  1990,
  "booked",
);

async function loaded(store: Store): Promise<Fact[]> {
  const facts: Fact[] = [];
  await store.load((page) => facts.push(...page));
  return facts;
}

function byId(facts: Iterable<Fact>): Map<string, Fact> {
  return new Map(Array.from(facts, (fact) => [fact.id, fact]));
}

Deno.test("every field of a fact is loaded exactly as it was written", needsServer, async () => {
  await withStores(await server.database(), async (make) => {
    const store = make();
    let epoch = 0;
    const facts = fc.uniqueArray(anyFact, { selector: ({ id }) => id, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(facts, async (facts) => {
        await store.purge(++epoch);
        await store.write(epoch, facts);
        assert.deepEqual(byId(await loaded(store)), byId(facts));
      }),
      { numRuns: 40 },
    );
  });
});

Deno.test(
  "facts written in any order, repeatedly and in any batches are the fold of the book",
  needsServer,
  async () => {
    await withStores(await server.database(), async (make) => {
      const [first, second] = [make(), make()];
      let epoch = 0;
      const batches = fc.array(fc.array(contradictingFact, { maxLength: 6 }), { maxLength: 6 })
        .chain((batches) => fc.tuple(fc.constant(batches), fc.shuffledSubarray(batches)));
      await fc.assert(
        fc.asyncProperty(batches, async ([batches, again]) => {
          await first.purge(++epoch);
          await Promise.all([
            (async () => {
              for (const batch of batches) await first.write(epoch, batch);
            })(),
            (async () => {
              for (const batch of again) await second.write(epoch, batch.toReversed());
            })(),
          ]);
          const book = new Book();
          for (const fact of batches.flat()) book.fold(fact);
          assert.deepEqual(byId(await loaded(first)), byId(book.facts()));
        }),
        { numRuns: 60 },
      );
    });
  },
);

Deno.test(
  "a newer epoch's facts stand above older ones, and those of an older one are ignored",
  needsServer,
  async () => {
    await withStores(await server.database(), async (make) => {
      const [first, second] = [make(), make()];
      await first.write(0, [BOOKED]);
      await second.write(2, [TAKEN]);
      assert.deepEqual(await loaded(first), [TAKEN]);
      await first.write(1, [BOOKED]);
      await first.write(0, [{ ...BOOKED, id: ID.replace("4", "5") }]);
      assert.deepEqual(await loaded(first), [TAKEN]);
      assert.equal((await first.open("a")).epoch, 2);
      await first.purge(1);
      assert.deepEqual(await loaded(first), [TAKEN], "an older epoch does not begin again");
      await first.purge(3);
      assert.deepEqual(await loaded(second), []);
      assert.equal((await second.open("b")).epoch, 3);
    });
  },
);

Deno.test("payments are loaded in pages, settled ones by requestedAt and after the pending", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const store = make();
    await store.write(0, [TAKEN]);
    const settledCount = 2 * PAGE;
    await server.query(
      url,
      `insert into payment (id, epoch, cents, accepted_at_ms, owner, stage, attempt, processor, requested_at_ms, doubt,
         doubt_until_ms, reason)
       select gen_random_uuid(), 0, 1, 0, 0, 3, 1, i % 2, (i * 7919) % ${settledCount}, 0, 0, 12
       from generate_series(1, ${settledCount}) i`,
    );
    const pages: Fact[][] = [];
    await store.load((page) => pages.push([...page]));
    assert.deepEqual(pages.map(({ length }) => length), [1, PAGE, PAGE]);
    const times = pages.slice(1).flat().map(({ requestedAt }) => requestedAt);
    assert.deepEqual(times, Array.from({ length: settledCount }, (_, i) => i));
  });
});

Deno.test(
  "what a reader throws while payments are loaded comes out as it is, and the store goes on",
  needsServer,
  async () => {
    await withStores(await server.database(), async (make) => {
      const store = make();
      await store.write(0, [TAKEN]);
      const broken = new Error("invariant: broken");
      await assert.rejects(
        store.load(() => {
          throw broken;
        }),
        (error) => error === broken,
      );
      assert.deepEqual(await loaded(store), [TAKEN]);
    });
  },
);

Deno.test("replicas that start at once find the tables made once", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    const [a, b, ...others] = [make(), make(), make(), make()];
    const [first, second] = await Promise.all([
      a!.open("a"),
      b!.open("b"),
      ...others.map((store) => store.write(0, [BOOKED])),
    ]);
    assert.deepEqual([first!.epoch, second!.epoch], [0, 0]);
    assert.deepEqual(await server.query(url, "select schema_version, epoch from store_state"), [
      { schema_version: 2, epoch: "0" },
    ]);
    assert.deepEqual(await loaded(a!), [BOOKED]);
  });
});

Deno.test("the audit shows amounts, names and times to the millisecond", needsServer, async () => {
  const url = await server.database();
  await withStores(url, async (make) => {
    await make().write(0, [BOOKED, { ...TAKEN, id: ID.replace("4", "5"), acceptedAt: -8_640_000_000_000_000 }]);
    const rows = await server.query(
      url,
      "select amount::float8, stage, processor, requested_at, accepted_at, owner, reason from payment_audit order by id",
    );
    const requested_at = new Date(1_751_328_000_456);
    const accepted_at = new Date(1_751_328_000_123);
    assert.deepEqual(rows, [
      {
        amount: 19.9,
        stage: "settled",
        processor: "fallback",
        requested_at,
        accepted_at,
        owner: "a",
        reason: "booked",
      },
      {
        amount: 19.9,
        stage: "accepted",
        processor: null,
        requested_at: null,
        accepted_at: null,
        owner: "b",
        reason: "accepted",
      },
    ]);
  });
});

Deno.test("open() tells how the last life ended", needsServer, async (t) => {
  const url = await server.database();
  /** Ends every connection of a database, as the death of whoever holds them does. */
  const cutOff = () =>
    server.query(
      url,
      "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
  const life = (name: string, test: (make: () => Store) => Promise<void>) =>
    t.step(name, async () => {
      await withStores(url, test);
      // the server may need a moment to notice that somebody has gone
      await cutOff();
    });

  await life("to both that nothing was ever stored, also to the second while the first runs", async (make) => {
    const [a, b] = [make(), make()];
    assert.deepEqual(await a.open("a"), { epoch: 0, state: "empty" });
    assert.deepEqual(await b.open("b"), { epoch: 0, state: "empty" });
    await a.purge(4);
    assert.deepEqual(await a.open("a"), { epoch: 4, state: "empty" }, "the same again, with the epoch of now");
    await Promise.all([a.close(true), b.close(true)]);
  });
  await life("clean, when both had stopped in good order", async (make) => {
    const [a, b] = [make(), make()];
    const found = await Promise.all([a.open("a"), b.open("b")]);
    assert.deepEqual(found, [{ epoch: 4, state: "clean" }, { epoch: 4, state: "clean" }]);
    await a.close(true);
    // b dies
  });
  await life("crashed, when one had not: to both", async (make) => {
    const [a, b] = [make(), make()];
    assert.equal((await a.open("a")).state, "crashed");
    assert.equal((await b.open("b")).state, "crashed");
    await b.close(true);
    // a dies
  });
  await life("clean, when the peer of a dead one had stopped in good order later", async (make) => {
    const b = make();
    assert.equal((await b.open("b")).state, "crashed");
    await b.close(true);
    assert.equal((await make().open("a")).state, "clean");
    // a dies
  });
  await life("crashed, when a replica that was cut off for a while died after its peer had stopped", async (make) => {
    const [a, b] = [make(), make()];
    await Promise.all([a.open("a"), b.open("b")]);
    await cutOff();
    await b.close(true);
    await a.write(4, [TAKEN]);
    // a dies
  });
  await life("crashed, then", async (make) => {
    assert.equal((await make().open("b")).state, "crashed");
  });
});

Deno.test("a statement that waits too long is given up, and the next one works", needsServer, async () => {
  const url = await server.database();
  const store = new PostgresStore({ url, statementTimeoutMs: 50 });
  await store.write(0, []);
  const other = await connect(url);
  await other.query("begin; lock table payment");
  await assert.rejects(store.write(0, [TAKEN]), { kind: "unavailable", message: /: it took too long$/ });
  await other.end();
  await store.write(0, [TAKEN]);
  assert.deepEqual(await loaded(store), [TAKEN]);
  await store.close(true);
});

Deno.test(
  "a settled payment's story is stored with it, and stays when the fact is written again",
  needsServer,
  async () => {
    const url = await server.database();
    const stories = new Map([[ID, "1751328000456,0,1,1,1,2;1751328000500,0,3,1,1,12"]]);
    const store = new PostgresStore({ url, story: (id) => stories.get(id) });
    const other = new PostgresStore({ url });
    try {
      assert.equal(await store.story(ID), undefined);
      await store.write(0, [TAKEN]);
      assert.equal(await store.story(ID), undefined, "it is not settled");
      await store.write(0, [BOOKED]);
      assert.equal(await store.story(ID), stories.get(ID));
      // a replica that lost its memory, and the same fact in an epoch of another number
      await other.write(0, [BOOKED]);
      await store.purge(1);
      assert.equal(await store.story(ID), undefined, "it is forgotten");
      await store.write(1, [BOOKED]);
      await other.write(1, [{ ...BOOKED, requestedAt: BOOKED.requestedAt + 1 }]);
      assert.equal(await other.story(ID), stories.get(ID));
    } finally {
      await Promise.all([store.close(false), other.close(false)]);
    }
  },
);
