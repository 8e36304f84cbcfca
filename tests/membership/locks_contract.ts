/** The contract of all {@link Locks}. @module */
import assert from "node:assert/strict";
import type { Locks } from "../../src/membership/lock.ts";

/** Locks of a folder that a test has to itself. */
export interface Folder extends AsyncDisposable {
  /** the locks as one process sees them */
  locks(): Locks;
  /** another process, which holds the lock `x`, or has found it taken */
  holder(): Promise<{ readonly held: boolean; kill(): Promise<void> }>;
  /** deletes a lock's file, as a person might */
  delete(name: string): Promise<void>;
}

const TESTS: Readonly<Record<string, (folder: Folder) => void | Promise<void>>> = {
  async "of two processes only the first has a lock"(folder) {
    const [first, second] = [await folder.holder(), await folder.holder()];
    assert.deepEqual([first.held, second.held], [true, false]);
    assert.equal(folder.locks().tryAcquire("x"), undefined);
    await Promise.all([first.kill(), second.kill()]);
  },

  async "a lock is free when its holder has been killed"(folder) {
    await (await folder.holder()).kill();
    const held = folder.locks().tryAcquire("x")!;
    assert.equal(held.valid, true);
    held.release();
  },

  "a process does not get the same lock twice, but another one"(folder) {
    const [locks, others] = [folder.locks(), folder.locks()];
    const held = locks.tryAcquire("x")!;
    for (const taken of [locks, others]) assert.equal(taken.tryAcquire("x"), undefined);
    const other = others.tryAcquire("y")!;
    held.release();
    const again = others.tryAcquire("x")!;
    assert.deepEqual([again.valid, other.valid], [true, true]);
    for (const one of [again, other]) one.release();
  },

  async "a lock is valid until its file is deleted, and what another then gets is its own"(folder) {
    const locks = folder.locks();
    const [first, second] = [locks.tryAcquire("x")!, locks.tryAcquire("y")!];
    assert.deepEqual([first.valid, second.valid], [true, true]);
    await folder.delete("x");
    assert.equal(first.valid, false);
    // the next process gets another file, and its lock is valid
    const again = folder.locks().tryAcquire("x")!;
    assert.deepEqual([first.valid, again.valid, second.valid], [false, true, true]);
    first.release();
    assert.deepEqual([again.valid, locks.tryAcquire("x")], [true, undefined]);
    for (const held of [second, again]) held.release();
  },
};

/** Runs every test of the contract on locks of a folder from `make`. */
export function testLocks(name: string, options: { ignore: boolean }, make: () => Folder): void {
  for (const [says, test] of Object.entries(TESTS)) {
    Deno.test(`${name}: ${says}`, options, async () => {
      await using folder = make();
      await test(folder);
    });
  }
}
