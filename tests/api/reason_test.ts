import assert from "node:assert/strict";
import { progressOf } from "../../src/api/reason.ts";
import { Facts } from "../support/facts.ts";
import { ID, NOW } from "./fake_payments.ts";

Deno.test("says how far a payment has come and why it went there", () => {
  const facts = new Facts();
  facts.accept(ID, 1990, NOW);
  assert.equal(
    progressOf(facts.dispatch(ID, "fallback", "patience-over", NOW + 900), NOW + 1000),
    "Bound to the fallback processor 100 ms ago, not known to be booked yet: it had waited for PATIENCE_MS.",
  );
  assert.equal(
    progressOf(facts.release(ID, "failed"), NOW + 1000),
    "Waiting for 1000 ms, attempt 1 at the fallback processor was not booked: the processor refused it.",
  );
  facts.dispatch(ID, "fallback", "patience-over", NOW + 950);
  assert.equal(
    progressOf(facts.settle(ID, "patience-over"), NOW + 1000),
    "Booked at the fallback processor: it had waited for PATIENCE_MS.",
  );
});

Deno.test("says that the log may have lost its newest facts", () => {
  const facts = new Facts();
  facts.accept(ID, 1990, NOW);
  facts.doubt(1_000);
  assert.equal(
    progressOf(facts.book.get(ID)!, NOW + 499),
    "Waiting for its first attempt for 499 ms: no processor is chosen yet; the log may have lost its newest facts, so both processors are asked first.",
  );
});

Deno.test("says no negative age when the clocks of two replicas differ", () => {
  assert.equal(
    progressOf(new Facts().accept(ID, 1990, NOW), NOW - 5),
    "Waiting for its first attempt for 0 ms: no processor is chosen yet.",
  );
});
