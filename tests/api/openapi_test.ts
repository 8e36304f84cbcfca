import { Validator } from "@seriousme/openapi-schema-validator";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Ajv2020 } from "ajv/dist/2020.js";
import { CENTS_MAX, centsOf } from "../../src/payment/money.ts";
import { BODY_BYTES_MAX } from "../../src/api/payments.ts";
import { PROBLEMS } from "../../src/api/problem.ts";
import { needs } from "../support/permissions.ts";
import { DOCUMENT, type Document, isValid, seen } from "./documented.ts";
import type { Edge } from "../../src/api/app.ts";
import { fakeApp, ID, post } from "./fake_payments.ts";

/** The answers that any request may get. */
const STATUS_OF: Readonly<Record<string, string>> = {
  BadHost: "400",
  UnknownPath: "404",
  MethodNotAllowed: "405",
  BodyTooLong: "413",
  Unavailable: "503",
};

const VALID = { correlationId: ID, amount: 19.9 };

Deno.test("the document is valid OpenAPI 3.1", needs("read"), async () => {
  const validator = new Validator();
  // it resolves references in place
  const result = await validator.validate(JSON.parse(JSON.stringify(DOCUMENT)));
  assert.deepEqual(result, { valid: true });
  assert.equal(validator.version, "3.1");
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.equal(DOCUMENT.info.version, version);
  // some linters refuse a document that does not say whether its operations need authorisation
  assert.deepEqual(DOCUMENT.security, []);
});

/** The operations of the document that an app with these options serves, which are its routes. */
async function operationsOf(options: Partial<Edge>): Promise<string[]> {
  const { app } = fakeApp(options);
  const routes = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) =>
    `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`
  );
  const { paths }: Document = await (await app.request("/openapi.json")).json();
  const operations = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`)
  );
  assert.deepEqual(operations.sort(), [...new Set(routes)].sort());
  return operations;
}

Deno.test("the document has every route of its listener, and no other", async () => {
  const all = await operationsOf({});
  const open = await operationsOf({ internal: false });
  assert.deepEqual(all.filter((route) => !open.includes(route)), ["GET /", "GET /live", "GET /metrics"]);
  assert.equal(open.length, all.length - 3);
});

Deno.test("the document has every problem, under its status", () => {
  const answers = [
    ...Object.values(DOCUMENT.paths).flatMap((operations) =>
      Object.values(operations).flatMap(({ responses }) => Object.entries(responses))
    ),
    ...Object.entries(DOCUMENT.components.responses).map(([name, answer]) => [STATUS_OF[name], answer] as const),
  ];
  const told = answers.flatMap(([status, answer]) =>
    typesOf(answer).filter((type) => type).map((type) => `${type} ${status}`)
  );
  const known = Object.entries(PROBLEMS).map(([kind, [status]]) => `/problems/${kind} ${status}`);
  assert.deepEqual([...new Set(told)].sort(), known.sort());
});

Deno.test("everything in the document is answered", needs("read"), async () => {
  seen.clear();
  const { app, payments, watching } = fakeApp({ adminToken: "s3cret" });
  const bearer = { method: "POST", headers: { authorization: "Bearer s3cret" } };
  const requests: (readonly [path: string, init?: RequestInit, set?: Partial<typeof payments>])[] = [
    ["/nowhere"],
    ["/livez", { headers: { host: "x/metrics?" } }],
    ["/metrics"],
    ["/payments", { method: "DELETE" }],
    ["/payments", post(VALID)],
    ["/payments", post({ ...VALID, amount: 20 })],
    ["/payments", post({ ...VALID, amount: 0 })],
    ["/payments", post("{")],
    ["/payments", post(`{"amount":1,"amount":2}`)],
    ["/payments", post(VALID, "text/plain")],
    ["/payments", post(" ".repeat(BODY_BYTES_MAX + 1))],
    ...([
      ...["queue-full", "log-full", "memory-full", "total-full"],
      ...["uncovered", "cut-off", "not-serving"],
    ] as const).map((refusal) => ["/payments", post(VALID), { refusal }] as const),
    [`/payments/${ID}`],
    ["/payments/7"],
    [`/payments/${ID}`, {}, { isCutOff: true }],
    [`/payments/${ID.replace("4", "5")}`, {}, { phase: "reading" }],
    ["/payments-summary"],
    ["/payments-summary?from=7"],
    ["/payments-summary", {}, { phase: "reading" }],
    ["/payments-summary", {}, { isCutOff: true }],
    ["/purge-payments", bearer],
    ["/purge-payments", bearer, { purges: false }],
    ["/purge-payments", bearer, { isCutOff: true }],
    ["/purge-payments", bearer, { purges: false, phase: "draining" }],
    ["/purge-payments", { method: "POST" }],
    ["/livez"],
    ["/readyz"],
    ["/readyz", {}, { phase: "reading" }],
    ["/openapi.json"],
    ["/openapi.json", { headers: { "if-none-match": "*" } }],
    ["/docs"],
    ["/docs/start.js"],
    ["/docs/nothing.js"],
    ["/"],
    ["/live"],
    ["/watch/live.js"],
    ["/watch/nothing.js"],
  ];
  const error = new Error("planned");
  requests.push(["/payments", post(VALID), { error }], ["/purge-payments", bearer, { error }]);
  requests.push([`/payments/${ID}`, {}, { error }], ["/payments-summary", {}, { error }]);
  for (const [path, init, set = {}] of requests) {
    const usual = { refusal: undefined, phase: "serving", isCutOff: false, purges: true, error: undefined };
    Object.assign(payments, usual, set);
    await (await app.request(path, init)).body?.cancel();
  }
  while (watching.watch({ tell() {}, end() {} })) { /* until no more may watch */ }
  await (await app.request("/live")).body?.cancel();
  const told = Object.values(DOCUMENT.paths).flatMap((operations) =>
    Object.values(operations).flatMap(({ operationId, responses }) =>
      Object.entries(responses).flatMap(([status, answer]) =>
        typesOf(answer).map((type) => `${operationId} ${status}${type && ` ${type}`}`)
      )
    )
  );
  told.push("BadHost 400 /problems/bad-host");
  told.push("UnknownPath 404 /problems/unknown-path", "MethodNotAllowed 405 /problems/method-not-allowed");
  assert.deepEqual([...seen].sort(), told.sort());
});

/** The problems that an answer may be; one that is no problem has the empty type. */
function typesOf(answer: (typeof DOCUMENT)["components"]["responses"][string]): string[] {
  const schema = answer.content?.["application/problem+json"]?.schema as
    | { allOf: [unknown, { properties: { type: { enum: string[] } } }] }
    | undefined;
  return schema?.allOf[1].properties.type.enum ?? [""];
}

const cents = fc.integer({ min: 1, max: 1e9 }).map((cents) => cents / 100);
const wrong = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(0, -0, -1, 0.001, 1e300, CENTS_MAX / 100 + 1, "1", `${ID}0`, ""),
);

/** Bodies that are payments, or almost. */
const bodies = fc.record({
  correlationId: fc.oneof({ weight: 3, arbitrary: fc.uuid() }, fc.uuid().map((id) => id.toUpperCase()), wrong),
  amount: fc.oneof({ weight: 3, arbitrary: cents }, fc.double({ noNaN: true }), wrong),
  more: fc.jsonValue(),
}, { requiredKeys: [] });

Deno.test("a validator with its default options takes every whole number of cents, and nothing else", () => {
  const { amount } =
    (DOCUMENT as unknown as { components: { schemas: { NewPayment: { properties: { amount: object } } } } })
      .components.schemas.NewPayment.properties;
  const validate = new Ajv2020().compile(amount);
  const dear = Array.from({ length: 100 }, (_, back) => CENTS_MAX - back);
  for (const cents of [...Array.from({ length: 10_000 }, (_, before) => before + 1), ...dear]) {
    assert.ok(validate(cents / 100), `${cents / 100}`);
  }
  for (const none of [0, -0.01, CENTS_MAX / 100 + 0.01, "19.9", null]) assert.ok(!validate(none), `${none}`);
});

// no schema can say with how many decimals a double was written
const hasCents = ({ amount }: { amount?: unknown }) => typeof amount !== "number" || centsOf(amount) !== undefined;

Deno.test("the app takes what the document calls a payment, if its amount is whole cents, and nothing else", async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const { app } = fakeApp();
      const sent = JSON.parse(JSON.stringify(body));
      const answer = await app.request("/payments", post(sent));
      await answer.body?.cancel();
      assert.equal(answer.status, isValid("NewPayment", sent) && hasCents(sent) ? 202 : 422);
      taken += Number(answer.status === 202);
    }),
    { numRuns: 400, seed: 1 },
  );
  assert.ok(taken > 50 && taken < 350, `${taken} of 400 were payments`);
});

Deno.test("the summary takes what the document calls an instant, if that exists, and nothing else", async () => {
  const { app } = fakeApp();
  const [{ schema }] = DOCUMENT.paths["/payments-summary"]!.get!.parameters as [{ schema: { pattern: string } }];
  const pattern = new RegExp(schema.pattern);
  const text = fc.oneof(
    fc.stringMatching(pattern),
    fc.date({ noInvalidDate: true }).map((at) => at.toISOString()),
    fc.string(),
  );
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(text, async (text) => {
      const answer = await app.request(`/payments-summary?from=${encodeURIComponent(text)}`);
      await answer.body?.cancel();
      statuses.add(answer.status);
      if (!pattern.test(text)) assert.equal(answer.status, 400, text);
    }),
    { numRuns: 400, seed: 1 },
  );
  assert.deepEqual(statuses, new Set([200, 400]));
});
