import assert from "node:assert/strict";
import { type Left, Tenure, TRY_MS } from "../../src/peer/tenure.ts";
import type { HeldLock } from "../../src/membership/lock.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** Lock files: who holds them, and what is written in them. */
class LockFiles {
  readonly notes = new Map<string, string>();
  readonly held = new Set<string>();

  tryAcquire(name: string): HeldLock | undefined {
    if (this.held.has(name)) return undefined;
    this.held.add(name);
    return {
      left: this.notes.get(name) ?? "",
      write: (note) => void this.notes.set(name, note),
      release: () => {
        this.notes.set(name, "");
        this.held.delete(name);
      },
    };
  }
}

function setUp() {
  const clock = new VirtualClock();
  const lock = new LockFiles();
  const events: string[] = [];
  const tenure = new Tenure({ self: "a", hasPeer: true, lock, clock }, {
    began: (left: Left) => events.push(`began ${left}`),
    tookOver: (left: Left) => events.push(`took over ${left}`),
    yielded: () => events.push("yielded"),
  });
  return { clock, lock, events, tenure };
}

Deno.test("a replica acts for its peer only once it holds the peer's lock", async () => {
  const { clock, lock, events, tenure } = setUp();
  lock.held.add("b");
  tenure.start();
  assert.deepEqual([tenure.owns("a"), tenure.owns("b")], [true, false]);
  lock.held.delete("b");
  await clock.advance(TRY_MS);
  assert.equal(tenure.owns("b"), true);
  assert.deepEqual(events, ["began ", "took over "]);
});

Deno.test("the peer gets its lock back when it is linked, once this replica has recovered", () => {
  const { lock, events, tenure } = setUp();
  lock.notes.set("b", "alone");
  tenure.start();
  tenure.linked();
  assert.equal(lock.notes.get("b"), "alone", "the next holder still has to know");
  assert.equal(tenure.owns("b"), true);
  tenure.recovered();
  assert.equal(lock.notes.get("b"), "");
  assert.deepEqual(events, ["began ", "took over alone", "yielded"]);
});

Deno.test("a replica that does not stop clean leaves its note", () => {
  const { lock, tenure } = setUp();
  tenure.start();
  tenure.stop(false);
  assert.equal(lock.notes.get("a"), "alone");
});
