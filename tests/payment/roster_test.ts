import assert from "node:assert/strict";
import { REPLICAS_MAX, Roster } from "../../src/payment/roster.ts";

Deno.test("a roster gives names their places as codes, and finds the peers of each", () => {
  const roster = new Roster(["one", "two", "three"]);
  assert.deepEqual(["one", "two", "three"].map((name) => roster.codeOf(name)), [0, 1, 2]);
  assert.deepEqual([0, 1, 2].map((code) => roster.nameOf(code)), ["one", "two", "three"]);
  assert.deepEqual(roster.peersOf("two"), ["one", "three"]);
  assert.deepEqual(new Roster(["a"]).peersOf("a"), []);
});

Deno.test("a code that is in no roster any more has a name of its own, which leads back to it", () => {
  for (const names of [["a"], ["b", "d"], ["one", "two"], Array.from({ length: REPLICAS_MAX }, (_, i) => `r${i}`)]) {
    const roster = new Roster(names);
    const all = Array.from({ length: REPLICAS_MAX }, (_, code) => roster.nameOf(code)!);
    assert.equal(new Set(all).size, REPLICAS_MAX);
    assert.deepEqual(all.map((name) => roster.codeOf(name)), all.map((_, code) => code));
  }
  // as it was called before there were rosters
  assert.equal(new Roster(["a"]).nameOf(1), "b");
  assert.deepEqual([new Roster(["b"]).nameOf(1), new Roster(["b"]).nameOf(31)], ["#2", "#32"]);
  assert.equal(new Roster(["a"]).nameOf(REPLICAS_MAX), undefined);
});

Deno.test("a name that was removed from the end stays the name of its code", () => {
  const roster = new Roster(["one"], ["one", "two", "d"]);
  assert.deepEqual([roster.removed, roster.peersOf("one")], [["two", "d"], []]);
  assert.deepEqual([0, 1, 2, 3].map((code) => roster.nameOf(code)), ["one", "two", "d", "#4"]);
  assert.deepEqual(["one", "two", "d", "#4"].map((name) => roster.codeOf(name)), [0, 1, 2, 3]);
  assert.deepEqual(new Roster(["one", "two"], ["one"]).removed, []);
});

Deno.test("a name that nobody knows has no code: an invariant", () => {
  assert.throws(() => new Roster(["a", "b"]).codeOf("third"), /^Error: invariant: third is no replica of a,b$/);
});
