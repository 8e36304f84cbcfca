/** The table of DESIGN.md, promise 1, row by row. @module */
import assert from "node:assert/strict";
import type { Outcome } from "../../src/routing/processor_client.ts";
import type { Ended } from "../../src/processor/http.ts";
import { outcomeOf } from "../../src/processor/outcome.ts";

const TABLE: readonly [string, readonly Partial<Ended>[], Outcome][] = [
  ["2xx with JSON is booked", [{ status: 200, text: "{}" }, { status: 201, text: ' {"message":"<p>"}\n' }], {
    kind: "booked",
  }],
  ["422 is booked earlier", [{ status: 422 }], { kind: "already-booked" }],
  ["429 is refused, the processor being full", [{ status: 429 }], { kind: "refused", why: "processor-full" }],
  ["500 is failed", [{ status: 500 }, { status: 500, text: "{}" }, { status: 500, text: "failed" }], {
    kind: "refused-as-far-as-known",
  }],
  ["a failure to connect at all is refused", [{ sent: false, error: "connect ECONNREFUSED" }], {
    kind: "refused",
    why: "unreachable",
    error: "connect ECONNREFUSED",
  }],
  ["a timeout or a reset is unknown", [{ sent: true, error: "reset" }], { kind: "unknown", error: "reset" }],
];

for (const [name, endings, outcome] of TABLE) {
  Deno.test(`outcomeOf(): ${name}`, () => {
    for (const ending of endings) assert.deepEqual(outcomeOf(ending), outcome);
  });
}

Deno.test("outcomeOf(): 3xx and any other 4xx is rejected, under its status", () => {
  for (const status of [300, 302, 307, 399, 400, 401, 403, 404, 407, 421, 423, 428, 430, 451]) {
    assert.deepEqual(outcomeOf({ status }), { kind: "refused", why: "rejected", status });
  }
});

Deno.test("outcomeOf(): 2xx without JSON, and 500 with a page, are unknown: the processor did not make that", () => {
  const pages = ["<html>We are down</html>", " \n<!DOCTYPE html>"];
  for (const text of [...pages, "", "OK", "Maintenance", '{"message":', "[]", "null"]) {
    assert.deepEqual(outcomeOf({ status: 200, text }), { kind: "unknown", error: "status 200 without JSON" });
  }
  assert.deepEqual(outcomeOf({ status: 204 }), { kind: "unknown", error: "status 204 without JSON" });
  for (const text of pages) {
    assert.deepEqual(outcomeOf({ status: 500, text }), { kind: "unknown", error: "status 500" });
  }
});

Deno.test("outcomeOf(): 202 promises nothing, 409 says that the id is in use, 425, 460 and 499 are a proxy's: unknown", () => {
  for (const status of [202, 409, 425, 460, 499]) {
    assert.deepEqual(outcomeOf({ status }), { kind: "unknown", error: `status ${status}` });
  }
});

Deno.test("outcomeOf(): 408 and every 5xx but 500 come from something in between, and are unknown, as is any other status", () => {
  for (const status of [408, 501, 502, 503, 504, 507, 520, 599, 0, 100, 101, 103, 199, 600, 999]) {
    assert.deepEqual(outcomeOf({ status }), { kind: "unknown", error: `status ${status}` });
  }
});
