import assert from "node:assert/strict";
import { errorLine } from "../src/errors.ts";

Deno.test("an error is shown by its first line, and a common one in plain words", () => {
  assert.equal(errorLine(new Error("one\ntwo")), "one");
  assert.equal(errorLine("thrown\nas a text"), "thrown");
  assert.deepEqual([errorLine(null), errorLine(undefined)], ["null", "undefined"]);
  assert.equal(
    errorLine(Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" })),
    "the address is taken",
  );
  assert.equal(errorLine(new Deno.errors.AddrInUse("os error 98")), "the address is taken");
  const denied = new Deno.errors.NotCapable("Requires net access\nrun again");
  assert.equal(errorLine(denied), "a permission is missing: Requires net access");
});
