import assert from "node:assert/strict";
import { FileSegments } from "../../src/ledger/file_segments.ts";
import { LogGoneError, positionOf } from "../../src/ledger/log.ts";
import { SegmentLog } from "../../src/ledger/segment_log.ts";
import { needs } from "../support/permissions.ts";
import { logContract } from "./log_contract.ts";
import { MemorySegments } from "./memory_segments.ts";
import { begin, BOOT, REREADS, Side } from "./side.ts";
import { TempFolder } from "../support/temp_folder.ts";

const disk = needs("read", "write");

logContract("in memory", () => {
  const files = new MemorySegments();
  return { files: () => files, [Symbol.dispose]: () => {} };
});

logContract("in files", () => {
  const home = new TempFolder();
  return { files: () => new FileSegments(home.path), [Symbol.dispose]: () => home[Symbol.dispose]() };
}, disk);

Deno.test("a log leaves no file open, whether it continues, is closed, or does not begin", () => {
  const files = new MemorySegments();
  begin(files);
  {
    using a = new Side(files, 0, { segmentRecords: 2 });
    for (let n = 1; n < 9; n++) a.accept(n);
    assert.equal(files.opened, 1);
  }
  assert.equal(files.opened, 0);
  for (const position of [positionOf(8, 5), positionOf(9, 0)]) {
    const options = { files, boot: BOOT, position, rereads: REREADS, gone() {} };
    assert.throws(() => new SegmentLog(options), LogGoneError);
    assert.equal(files.opened, 0, `at ${position}`);
  }
});

Deno.test("segments of a folder are the files with their numbers, for their owner only", disk, () => {
  using home = new TempFolder();
  const files = new FileSegments(home.path);
  files.create(12, Uint8Array.of(1));
  Deno.writeTextFileSync(`${home.path}/13.log`, "");
  Deno.writeTextFileSync(`${home.path}/000000000014.log.bak`, "");
  assert.deepEqual(files.list(), [12]);
  const { mode } = Deno.statSync(`${home.path}/000000000012.log`);
  if (Deno.build.os !== "windows") assert.equal(mode! & 0o777, 0o600);
});

Deno.test("no draft of a segment is left in the folder, made or not", disk, () => {
  using home = new TempFolder();
  const files = new FileSegments(home.path);
  assert.deepEqual([files.create(1, Uint8Array.of(1)), files.create(1, Uint8Array.of(2))], [true, false]);
  assert.deepEqual(Array.from(Deno.readDirSync(home.path), ({ name }) => name), ["000000000001.log"]);
});

Deno.test("a draft that a killed process left does no harm, also where it is a link to a segment", disk, () => {
  using home = new TempFolder();
  const failed = (error: unknown) => assert.fail(String(error));
  const make = (segment: number) => new FileSegments(home.path, failed, "a").create(segment, Uint8Array.of(segment));
  assert.equal(make(1), true);
  Deno.linkSync(`${home.path}/000000000001.log`, `${home.path}/a.draft`);
  assert.equal(make(2), true);
  const bytes = Array.from(
    Deno.readDirSync(home.path),
    ({ name }) => [name, ...Deno.readFileSync(`${home.path}/${name}`)],
  );
  assert.deepEqual(bytes.sort(), [["000000000001.log", 1], ["000000000002.log", 2]]);
});

Deno.test("a draft that cannot be made or removed is reported, and there is no segment", disk, () => {
  using home = new TempFolder();
  Deno.mkdirSync(`${home.path}/a.draft/full`, { recursive: true });
  const told: unknown[] = [];
  const files = new FileSegments(home.path, (error) => told.push(error), "a");
  assert.deepEqual([files.create(1, Uint8Array.of(1)), files.list()], [false, []]);
  assert.ok(told.length > 0 && told.every((error) => error instanceof Error));
});

Deno.test("a missing folder is an error when it is read, and takes no segment", disk, () => {
  const files = new FileSegments("/nowhere/galo");
  assert.throws(() => files.list(), Deno.errors.NotFound);
  assert.equal(files.create(1, Uint8Array.of(1)), false);
  assert.equal(files.open(1), undefined);
});
