import assert from "node:assert/strict";
import fc from "fast-check";
import { formatLogId, parseLogId } from "../../src/ledger/log_id.ts";

Deno.test("an identity of a log names its own part, its parent's and its cluster's", () => {
  assert.deepEqual(parseLogId("aabbccdd-0f0e-0d0c-8333-444455556666"), {
    ...{ own: 0xaabbccdd, parent: 0x0f0e0d0c, cluster: "8333-444455556666" },
  });
});

Deno.test("an identity of a log is the same once it was taken apart and put together again", () => {
  fc.assert(fc.property(fc.uuid(), (uuid) => assert.equal(formatLogId(parseLogId(uuid)), uuid)));
});
