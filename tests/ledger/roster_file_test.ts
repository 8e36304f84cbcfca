import assert from "node:assert/strict";
import { keepRoster } from "../../src/ledger/roster_file.ts";
import { needs } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";

Deno.test("a folder remembers whose log it has: names are added or removed at the end", needs("read", "write"), () => {
  using temp = new TempFolder();
  const folder = temp.path;
  const refused = (names: string[], known: string) =>
    assert.throws(() => keepRoster(folder, names, [1]), {
      name: "StartError",
      message: `REPLICAS: the log in ${folder} is of REPLICAS=${known}: names are only added or removed at the end`,
    });
  // a log of an earlier version
  refused(["b", "a"], "a,b");
  assert.deepEqual(keepRoster(folder, ["a"], [1]), ["a", "b"]);
  assert.deepEqual(keepRoster(folder, ["one", "two"], []), ["one", "two"]);
  refused(["two", "one"], "one,two");
  assert.deepEqual(keepRoster(folder, ["one"], [1]), ["one", "two"]);
  refused(["one", "three"], "one,two");
  keepRoster(folder, ["one", "two", "three"], [1]);
  refused(["one", "two", "four"], "one,two,three");
});
