/** The table of DESIGN.md, promise 1, row by row. @module */
import assert from "node:assert/strict";
import type { Outcome } from "../../src/routing/processor_client.ts";
import { type Ending, outcomeOf } from "../../src/processor/outcome.ts";

const TABLE: readonly [string, readonly Ending[], Outcome][] = [
  ["2xx is booked", [{ status: 200 }, { status: 201 }, { status: 202 }, { status: 204 }, { status: 299 }], {
    kind: "booked",
  }],
  ["422 is booked earlier", [{ status: 422 }], { kind: "already-booked" }],
  ["429 is refused, the processor being full", [{ status: 429 }], { kind: "refused", why: "processor-full" }],
  [
    "another 4xx is refused",
    [{ status: 400 }, { status: 401 }, { status: 404 }, { status: 408 }, { status: 421 }, { status: 423 }, {
      status: 499,
    }],
    { kind: "refused", why: "refused" },
  ],
  ["a failure to connect at all is refused", [{ unconnected: "connect ECONNREFUSED" }], {
    kind: "refused",
    why: "unreachable",
  }],
  ["5xx is failed", [{ status: 500 }, { status: 502 }, { status: 503 }, { status: 504 }, { status: 599 }], {
    kind: "failed",
  }],
  ["a timeout or a reset is unknown", [{ broken: "reset" }], { kind: "unknown", error: "reset" }],
];

for (const [name, endings, outcome] of TABLE) {
  Deno.test(`outcomeOf(): ${name}`, () => {
    for (const ending of endings) assert.deepEqual(outcomeOf(ending), outcome);
  });
}

Deno.test("outcomeOf(): any other status is unknown", () => {
  for (const status of [0, 100, 101, 199, 300, 302, 307, 399, 600, 999]) {
    assert.deepEqual(outcomeOf({ status }), { kind: "unknown", error: `status ${status}` });
  }
});
