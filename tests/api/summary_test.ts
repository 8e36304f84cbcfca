import assert from "node:assert/strict";
import { summaryAnswer } from "../../src/api/schemas.ts";
import { fakeApp, ID, NOW, problemOf } from "./fake_payments.ts";

const AT = "2025-07-15T12:34:56.000Z";

/** The id of a payment that differs in its last digits. */
function id(n: number): string {
  return ID.slice(0, -4) + String(n).padStart(4, "0");
}

Deno.test("answers with the totals of both processors and nothing else", async () => {
  const { app, payments } = fakeApp();
  for (let n = 0; n < 3; n++) payments.settle(id(n), 1990, NOW + n);
  const answer = await app.request("/payments-summary");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "application/json");
  const text = await answer.text();
  assert.equal(
    text,
    '{"default":{"totalRequests":3,"totalAmount":59.7},"fallback":{"totalRequests":0,"totalAmount":0}}',
  );
  summaryAnswer.parse(JSON.parse(text));
});

Deno.test("counts payments at both ends of a window, to the millisecond", async () => {
  const { app, payments } = fakeApp();
  for (let n = 0; n < 5; n++) payments.settle(id(n), 100, NOW + n);
  const count = async (query: string) =>
    (await (await app.request(`/payments-summary?${query}`)).json()).default.totalRequests;
  const at = (ms: string) => AT.replace(".000", ms);
  assert.equal(await count(`from=${at(".001")}&to=${at(".003")}`), 3);
  assert.equal(await count(`from=${at(".003")}`), 2);
  assert.equal(await count(`to=${at(".003")}`), 4);
  assert.equal(await count(`from=${at(".002")}&to=${at(".002")}`), 1);
  // digits beyond the millisecond narrow the window to whole milliseconds inside
  assert.equal(await count(`from=${at(".0010000001")}&to=${at(".003999999")}`), 2);
  assert.equal(await count(`from=${at(".001000000")}&to=${at(".003000000")}`), 3);
  // a window between two milliseconds is empty, and no mistake
  assert.equal(await count(`from=${at(".0021")}&to=${at(".0029")}`), 0);
  assert.deepEqual(payments.windows.at(-1), [NOW + 3, NOW + 2]);
});

Deno.test("takes a bound that is left out as no bound", async () => {
  const { app, payments } = fakeApp();
  await app.request("/payments-summary");
  await app.request(`/payments-summary?from=${AT}`);
  await app.request(`/payments-summary?to=${AT}&other=1&other=2`);
  assert.deepEqual(payments.windows, [[undefined, undefined], [NOW, undefined], [undefined, NOW]]);
});

Deno.test("takes an empty bound as no bound, as the README says", async () => {
  const { app, payments } = fakeApp();
  const queries = ["from=&to=", "from=", "to=", "from", "from&to", `from=${AT}&to=`, `from=&to=${AT}`];
  for (const query of queries) assert.equal((await app.request(`/payments-summary?${query}`)).status, 200, query);
  const none = [undefined, undefined] as const;
  assert.deepEqual(payments.windows, [none, none, none, none, none, [NOW, undefined], [undefined, NOW]]);
  assert.equal((await app.request("/payments-summary?from=&from=")).status, 400);
});

Deno.test("takes a leap second, and midnight as the end of a day", async () => {
  const { app, payments } = fakeApp();
  const midnight = Date.UTC(2025, 6, 16);
  for (const to of ["2025-07-15T23:59:60Z", "2025-07-15T24:00:00", "2025-07-15T24:00:00Z"]) {
    assert.equal((await app.request(`/payments-summary?to=${to}`)).status, 200, to);
    assert.deepEqual(payments.windows.at(-1), [undefined, midnight]);
  }
});

Deno.test("answers 400 naming the parameter when it is no timestamp", async () => {
  const { app, payments } = fakeApp();
  for (const text of [" ", "yesterday", "2025-02-30", "2025-13-01T00:00:00Z", "1752582896000", "%ZZ"]) {
    for (const field of ["from", "to"]) {
      const problem = await problemOf(await app.request(`/payments-summary?${field}=${text.replace(" ", "%20")}`));
      assert.equal(problem.status, 400, text);
      assert.equal(problem.type, "/problems/invalid-query");
      assert.equal(problem.field, field);
      assert.equal(problem.value, text);
      assert.equal(problem.detail, `${field} must be an ISO 8601 timestamp: ${JSON.stringify(text)}`);
    }
  }
  assert.deepEqual(payments.windows, []);
});

Deno.test("answers 400 when from is after to, even by less than a millisecond", async () => {
  const { app } = fakeApp();
  for (const [from, to] of [["2025-07-16", "2025-07-15"], [AT.replace("000", "0002"), AT.replace("000", "0001")]]) {
    const problem = await problemOf(await app.request(`/payments-summary?from=${from}&to=${to}`));
    assert.equal(problem.status, 400);
    assert.equal(problem.detail, `from must not be after to: "${from}"`);
  }
});

Deno.test("answers 400 when a parameter is repeated, even with the same value", async () => {
  const { app } = fakeApp();
  for (const field of ["from", "to"]) {
    const problem = await problemOf(await app.request(`/payments-summary?${field}=${AT}&${field}=${AT}`));
    assert.equal(problem.status, 400);
    assert.equal(problem.detail, `${field} is given more than once`);
    assert.equal(problem.field, field);
  }
});

Deno.test("answers 503 when the end of the log cannot be read in time", async () => {
  const { app, payments } = fakeApp();
  payments.isCutOff = true;
  for (const path of ["/payments-summary", `/payments/${ID}`]) {
    const answer = await app.request(path);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.equal((await problemOf(answer)).type, "/problems/cut-off");
  }
});

Deno.test("answers 503 until the store and the log are read", async () => {
  const { app, payments } = fakeApp();
  for (const phase of ["starting", "reading"] as const) {
    payments.phase = phase;
    const response = await app.request("/payments-summary");
    assert.equal(response.headers.get("retry-after"), "1");
    const problem = await problemOf(response);
    assert.equal(problem.status, 503);
    assert.equal(problem.type, "/problems/not-serving");
  }
  payments.phase = "draining";
  assert.equal((await app.request("/payments-summary")).status, 200);
});
