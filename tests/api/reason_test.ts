import assert from "node:assert/strict";
import { progressOf } from "../../src/api/reason.ts";
import { accepted, dispatched, released, settled, suspect } from "../../src/payment/fact.ts";
import { ID, NOW } from "./fake_payments.ts";

const TAKEN = accepted(ID, 1990, NOW, "a");

Deno.test("says how far a payment has come and why it went there", () => {
  const sent = dispatched(TAKEN, "a", "fallback", NOW + 900, "patience-over");
  assert.equal(
    progressOf(sent, NOW + 1000),
    "Sent to the fallback processor 100 ms ago, not known to be booked yet: it had waited for as long as is worth the fallback's fee.",
  );
  assert.equal(
    progressOf(released(sent, "refused", false), NOW + 1000),
    "Waiting for 1000 ms, attempt 1 at the fallback processor was not booked: the processor refused it.",
  );
  assert.equal(
    progressOf(settled(sent, "fallback", NOW + 900, 1990, sent.reason), NOW + 1000),
    "Booked at the fallback processor: it had waited for as long as is worth the fallback's fee.",
  );
});

Deno.test("says until when a booking may be under way that is not known", () => {
  const doubtful = suspect(TAKEN, NOW + 500);
  assert.equal(
    progressOf(doubtful, NOW + 499),
    "Waiting for its first attempt for 499 ms: no processor was chosen yet; until 2025-07-15T12:34:56.500Z a booking may still be under way.",
  );
  assert.equal(
    progressOf(doubtful, NOW + 500),
    "Waiting for its first attempt for 500 ms: no processor was chosen yet.",
  );
});

Deno.test("says no negative age when the clocks of two replicas differ", () => {
  assert.equal(progressOf(TAKEN, NOW - 5), "Waiting for its first attempt for 0 ms: no processor was chosen yet.");
});
