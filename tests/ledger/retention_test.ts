import assert from "node:assert/strict";
import { positionOf } from "../../src/ledger/log.ts";
import { Retention } from "../../src/ledger/retention.ts";
import { begin } from "./side.ts";
import { MemorySegments } from "./memory_segments.ts";

/** Three segments, from the fifth on, read up to the second record of the last. */
function setup(segmentsMax = 3) {
  const files = new MemorySegments();
  for (const segment of [5, 6, 7]) begin(files, segment);
  const ledger = { position: positionOf(7, 1) };
  return { files, ledger, retention: new Retention(files, ledger, segmentsMax) };
}

Deno.test("segments that end before a position are deleted, and the one that it is in is kept", () => {
  const { files, retention } = setup();
  retention.trim(positionOf(6, 0), Infinity);
  assert.deepEqual(files.list(), [6, 7]);
  assert.equal(retention.segments, 2);
  retention.trim(positionOf(5, 9), Infinity);
  assert.deepEqual(files.list(), [6, 7], "an earlier position deletes nothing more");
});

Deno.test("what this replica has not read yet is kept, even if the peer has read it", () => {
  const { files, ledger, retention } = setup();
  ledger.position = positionOf(6, 3);
  retention.trim(Infinity, Infinity);
  assert.deepEqual(files.list(), [6, 7]);
});

Deno.test("what the peer has not read yet is kept, whatever the store holds", () => {
  const { files, retention } = setup();
  retention.trim(Infinity, positionOf(6, 3));
  assert.deepEqual(files.list(), [6, 7]);
});

Deno.test("a log is over its limit with more segments than it may have, and no longer once some are deleted", () => {
  const { ledger, retention } = setup(3);
  assert.equal(retention.isOverLimit, false);
  ledger.position = positionOf(8, 0);
  assert.deepEqual([retention.segments, retention.isOverLimit], [4, true]);
  retention.trim(positionOf(6, 0), Infinity);
  assert.deepEqual([retention.segments, retention.isOverLimit], [3, false]);
});

Deno.test("where there is no segment yet the log begins with the first", () => {
  const retention = new Retention(new MemorySegments(), { position: positionOf(0, 0) }, 2);
  assert.deepEqual([retention.segments, retention.isOverLimit], [1, false]);
});
