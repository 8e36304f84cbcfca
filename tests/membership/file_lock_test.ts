/** The lock between real processes. @module */
import assert from "node:assert/strict";
import { FileLocks } from "../../src/membership/file_lock.ts";
import { needs } from "../support/permissions.ts";
import { testLocks } from "./locks_contract.ts";
import { MemoryLocks } from "./memory_locks.ts";
import { TempFolder } from "../support/temp_folder.ts";

const processes = needs("run", "read", "write");
const files = needs("read", "write");

/** A process that holds the lock `x` of a folder, or has found it taken. */
class Holder implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #lines: ReadableStreamDefaultReader<string>;
  #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #text = "";

  constructor(folder: string) {
    const script = new URL("lock_holder.ts", import.meta.url).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      // it needs no packages, and must not wait for any
      args: ["run", "--no-config", `--allow-read=${folder}`, `--allow-write=${folder}`, script, folder, "x"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stdin = this.#child.stdin.getWriter();
  }

  async line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#lines.read();
      assert.equal(done, false, "the process ended");
      this.#text += value;
    }
    const [line, ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return line!;
  }

  /** Lets the process go on to its next step. */
  async next(): Promise<string> {
    await this.#stdin.write(new Uint8Array(1));
    return await this.line();
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Kills the process and waits for its death. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#child.status;
  }

  /** Waits until the kernel has really stopped the process. */
  async stopped(): Promise<void> {
    const state = () => Deno.readTextFileSync(`/proc/${this.#child.pid}/stat`).split(") ")[1]![0];
    while (state() !== "T") await new Promise((resolve) => setTimeout(resolve, 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill().catch(() => {/* dead already */});
    await this.#lines.cancel();
    await this.#stdin.abort().catch(() => {});
  }
}

testLocks("FileLocks", processes, () => {
  const folder = new TempFolder();
  const children: Holder[] = [];
  return {
    locks: () => new FileLocks(folder.path),
    async holder() {
      const child = new Holder(folder.path);
      children.push(child);
      return { held: await child.line() === "held", kill: () => child.kill() };
    },
    delete: (name) => Deno.remove(`${folder.path}/${name}.lock`),
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
      folder[Symbol.dispose]();
    },
  };
});

testLocks("MemoryLocks", { ignore: false }, () => {
  const locks = new MemoryLocks<symbol>();
  const process = () => Symbol();
  return {
    locks: () => locks.of(process()),
    holder() {
      const one = process();
      const held = locks.of(one).tryAcquire("x") !== undefined;
      return Promise.resolve({ held, kill: () => Promise.resolve(locks.drop(one)) });
    },
    delete: (name) => Promise.resolve(locks.delete(name)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});

Deno.test("the lock is held by a process that is paused", processes, async () => {
  using folder = new TempFolder();
  await using first = new Holder(folder.path);
  await first.line();
  first.signal("SIGSTOP");
  await first.stopped();
  assert.equal(new FileLocks(folder.path).tryAcquire("x"), undefined);
  first.signal("SIGCONT");
  assert.equal(await first.next(), "released");
});

Deno.test("the lock is free once it is released while its holder lives on", processes, async () => {
  using folder = new TempFolder();
  await using first = new Holder(folder.path);
  await first.line();
  assert.equal(await first.next(), "released");
  const held = new FileLocks(folder.path).tryAcquire("x")!;
  held.release();
});

Deno.test("a file that cannot be locked is not left open", files, () => {
  using folder = new TempFolder();
  const { tryLockSync, close } = Deno.FsFile.prototype;
  let closed = 0;
  Deno.FsFile.prototype.tryLockSync = () => {
    throw new Error("no locks available");
  };
  Deno.FsFile.prototype.close = function () {
    closed++;
    close.call(this);
  };
  try {
    assert.throws(() => new FileLocks(folder.path).tryAcquire("x"), { message: "no locks available" });
    assert.equal(closed, 1);
  } finally {
    Object.assign(Deno.FsFile.prototype, { tryLockSync, close });
  }
});

Deno.test("only the owner may read and write the file", {
  ...files,
  ignore: files.ignore || Deno.build.os === "windows",
}, async () => {
  using folder = new TempFolder();
  const held = new FileLocks(folder.path).tryAcquire("x")!;
  assert.equal((await Deno.stat(`${folder.path}/x.lock`)).mode! & 0o777, 0o600);
  held.release();
});

Deno.test("a lock whose file was replaced by another lock's is not valid, nor is that one", files, async () => {
  using folder = new TempFolder();
  const lock = new FileLocks(folder.path);
  const [first, second] = [lock.tryAcquire("x")!, lock.tryAcquire("y")!];
  await Deno.rename(`${folder.path}/y.lock`, `${folder.path}/x.lock`);
  assert.deepEqual([first.valid, second.valid], [false, false]);
  for (const held of [first, second]) held.release();
});

Deno.test("a lock whose holder lets go leaves its file, so that there is one of it", files, async () => {
  using folder = new TempFolder();
  const lock = new FileLocks(folder.path);
  const first = lock.tryAcquire("x")!;
  const { ino } = await Deno.stat(`${folder.path}/x.lock`);
  first.release();
  const second = lock.tryAcquire("x")!;
  assert.equal((await Deno.stat(`${folder.path}/x.lock`)).ino, ino);
  second.release();
});

Deno.test("a folder that is missing is an error", files, () => {
  using folder = new TempFolder();
  assert.throws(() => new FileLocks(`${folder.path}/none`).tryAcquire("x"), Deno.errors.NotFound);
});
