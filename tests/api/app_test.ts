import { z } from "@zod/zod";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { paymentAnswer, paymentBody, problemAnswer, summaryAnswer, summaryQuery } from "../../src/api/schemas.ts";
import { needs } from "../support/permissions.ts";
import { fakeApp, ID, post, problemOf } from "./fake_payments.ts";

/** What every path of the app knows beside OPTIONS. */
const PATHS: readonly (readonly [path: string, allow: string])[] = [
  ["/payments", "POST, OPTIONS"],
  [`/payments/${ID}`, "GET, HEAD, OPTIONS"],
  ["/payments-summary", "GET, HEAD, OPTIONS"],
  ["/purge-payments", "POST, OPTIONS"],
  ["/livez", "GET, HEAD, OPTIONS"],
  ["/readyz", "GET, HEAD, OPTIONS"],
  ["/", "GET, HEAD, OPTIONS"],
  ["/live", "GET, HEAD, OPTIONS"],
];

Deno.test("answers 404 when nothing is at a path", async () => {
  const { app } = fakeApp();
  for (
    const path of ["/payments/", `/payments/${ID}/x`, "/Payments", "/payments-summary/", "/favicon.ico", "/*"]
  ) {
    for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
      const problem = await problemOf(await app.request(path, { method }));
      assert.equal(problem.status, 404, path);
      assert.equal(problem.type, "/problems/unknown-path");
    }
  }
});

Deno.test("answers 405 with what is allowed when a path does not allow the method", async () => {
  const { app } = fakeApp();
  for (const [path, allow] of PATHS) {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"]) {
      if (allow.includes(method)) continue;
      const answer = await app.request(path, { method });
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.equal(answer.headers.get("allow"), allow);
      assert.equal((await problemOf(answer)).detail, `This path allows ${allow}`);
    }
  }
});

Deno.test("answers OPTIONS with what is allowed, and HEAD like GET without a body", needs("read"), async () => {
  const { app } = fakeApp();
  for (const [path, allow] of PATHS) {
    const options = await app.request(path, { method: "OPTIONS" });
    assert.equal(options.status, 204);
    assert.equal(options.headers.get("allow"), allow);
    const get = await app.request(path);
    const head = await app.request(path, { method: "HEAD" });
    assert.equal(head.status, get.status, path);
    assert.deepEqual([...head.headers], [...get.headers]);
    assert.equal(head.body, null);
    await get.body?.cancel();
  }
});

Deno.test("answers 500 without internals and logs the error when something unexpected is thrown", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { records: (record) => void records.push(record) },
    loggers: [{ category: "galo", sinks: ["records"] }, { category: ["logtape", "meta"], lowestLevel: "fatal" }],
  });
  try {
    const { app, payments, broken } = fakeApp({ allowPurge: true });
    payments.error = new Error("password=hunter2");
    const requests = [["/payments", post({ correlationId: ID, amount: 1 })], ["/payments-summary", {}]] as const;
    for (const [path, init] of requests) {
      const answer = await app.request(path, init);
      assert.deepEqual(await problemOf(answer), {
        type: "/problems/internal",
        title: "Something went wrong here",
        status: 500,
        detail: "The request could not be answered",
      });
    }
    assert.deepEqual(records.map(({ category, level, properties }) => [category, level, properties]), [
      [["galo", "http"], "error", { method: "POST", path: "/payments", error: payments.error }],
      [["galo", "http"], "error", { method: "GET", path: "/payments-summary", error: payments.error }],
    ]);
    assert.deepEqual(broken, []);
  } finally {
    await reset();
  }
});

Deno.test("passes a broken invariant on, so that the replica stops", async () => {
  const { app, payments, broken } = fakeApp();
  payments.error = new Error("invariant: 0.5 is not a whole number of cents");
  const answer = await app.request("/payments", post({ correlationId: ID, amount: 1 }));
  assert.deepEqual(broken, [payments.error]);
  assert.equal((await problemOf(answer)).status, 500);
});

Deno.test("every schema can be written as JSON Schema of OpenAPI 3.1", () => {
  for (const schema of [paymentBody, summaryQuery]) z.toJSONSchema(schema, { io: "input" });
  for (const schema of [paymentAnswer, summaryAnswer, problemAnswer]) z.toJSONSchema(schema);
  const { properties, required } = z.toJSONSchema(paymentBody, { io: "input" });
  assert.deepEqual(required, ["correlationId", "amount"]);
  assert.deepEqual(properties!.amount, {
    type: "number",
    exclusiveMinimum: 0,
    maximum: 100_000_000_000,
    description: "decimal, with at most two decimals",
  });
});
