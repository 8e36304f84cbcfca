import assert from "node:assert/strict";
import { fakeApp, ID, NOW, problemOf } from "./fake_payments.ts";

const purge = (authorization?: string): RequestInit => ({
  method: "POST",
  headers: authorization === undefined ? {} : { authorization },
});

Deno.test("says that the process answers", async () => {
  const answer = await fakeApp().app.request("/livez");
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { alive: true });
});

Deno.test("answers 200 with the state of the replica when it is ready, else 503", async () => {
  const { app, payments } = fakeApp();
  payments.settle(ID, 100, NOW);
  for (const phase of ["starting", "reading", "serving", "draining", "stopped"] as const) {
    payments.phase = phase;
    const answer = await app.request("/readyz");
    assert.equal(answer.status, phase === "serving" ? 200 : 503);
    assert.deepEqual(await answer.json(), payments.readiness());
  }
});

Deno.test("purges for everyone when that is allowed", async () => {
  const { app, payments } = fakeApp({ allowPurge: true });
  payments.settle(ID, 100, NOW);
  const answer = await app.request("/purge-payments", purge());
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { message: "All payments are purged." });
  assert.equal(payments.find(ID), undefined);
});

Deno.test("answers 503 to a purge that the log does not take, saying when to come again", async () => {
  const { app, payments } = fakeApp({ allowPurge: true });
  payments.settle(ID, 100, NOW);
  payments.purges = false;
  for (const [phase, kind] of [["serving", "log-full"], ["reading", "not-serving"], ["draining", "not-serving"]]) {
    payments.phase = phase as typeof payments.phase;
    const answer = await app.request("/purge-payments", purge());
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.equal((await problemOf(answer)).type, `/problems/${kind}`);
  }
  payments.isCutOff = true;
  assert.equal((await problemOf(await app.request("/purge-payments", purge()))).type, "/problems/cut-off");
  assert.ok(payments.book.get(ID));
});

Deno.test("purges for the holder of the token only", async () => {
  const { app, payments } = fakeApp({ adminToken: "s3cret" });
  payments.settle(ID, 100, NOW);
  const others = [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Bearer s3cre",
    "Bearer s3cret1",
    "Bearer S3CRET",
    "Basic s3cret",
    "s3cret",
  ];
  for (const authorization of others) {
    const problem = await problemOf(await app.request("/purge-payments", purge(authorization)));
    assert.equal(problem.status, 403, `${authorization}`);
    assert.equal(problem.type, "/problems/forbidden");
  }
  assert.ok(payments.find(ID));
  for (const authorization of ["Bearer s3cret", "bearer  s3cret"]) {
    assert.equal((await app.request("/purge-payments", purge(authorization))).status, 200, authorization);
  }
  assert.equal(payments.find(ID), undefined);
});

Deno.test("allows no purge when there is no token, or an empty one", async () => {
  for (const options of [{}, { adminToken: "" }]) {
    const { app } = fakeApp(options);
    for (const authorization of [undefined, "Bearer ", "Bearer undefined"]) {
      assert.equal((await app.request("/purge-payments", purge(authorization))).status, 403);
    }
  }
});
