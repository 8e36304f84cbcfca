import assert from "node:assert/strict";
import { BODY_BYTES_MAX } from "../../src/api/payments.ts";
import { paymentAnswer } from "../../src/api/schemas.ts";
import { fakeApp, ID, NOW, post, problemOf } from "./fake_payments.ts";

const VALID = { correlationId: ID, amount: 19.9 };

/** A body that is valid JSON of `bytes` bytes. */
function padded(bytes: number): string {
  const text = JSON.stringify({ ...VALID, pad: "" });
  return text.replace('"pad":""', `"pad":"${"x".repeat(bytes - text.length)}"`);
}

/** A body that comes in chunks, without its length being declared. */
function chunked(chunks: Iterable<Uint8Array<ArrayBuffer>>): RequestInit {
  return {
    method: "POST",
    body: ReadableStream.from(chunks),
    headers: { "content-type": "application/json" },
  };
}

const encoder = new TextEncoder();

Deno.test("answers 202 with the payment's place and no body", async () => {
  const { app, payments } = fakeApp();
  const answer = await app.request("/payments", post(VALID));
  assert.equal(answer.status, 202);
  assert.deepEqual([...answer.headers], [["location", `/payments/${ID}`]]);
  assert.equal(answer.body, null);
  assert.equal(payments.book.get(ID)?.cents, 1990);
});

Deno.test("answers 202 again when the same payment comes again, in either case of its id", async () => {
  const { app, payments } = fakeApp();
  for (const id of [ID, ID.toUpperCase(), ID]) {
    const answer = await app.request("/payments", post({ ...VALID, correlationId: id }));
    assert.equal(answer.status, 202);
    assert.equal(answer.headers.get("location"), `/payments/${ID}`);
  }
  assert.equal(payments.book.pending.size, 1);
});

Deno.test("answers 409 when the id is in use with another amount", async () => {
  const { app } = fakeApp();
  await app.request("/payments", post(VALID));
  const answer = await app.request("/payments", post({ correlationId: ID.toUpperCase(), amount: 19.91 }));
  assert.deepEqual(await problemOf(answer), {
    type: "/problems/conflict",
    title: "The id is in use with another amount",
    status: 409,
    detail: `Payment ${ID} is known with another amount`,
    instance: `/payments/${ID}`,
  });
});

Deno.test("takes every amount that is whole cents, however JSON writes it", async () => {
  const literals: [string, number][] = [
    ["0.01", 1],
    ["19.90", 1990],
    ["19.900000000000000000000", 1990],
    ["20.05", 2005],
    ["1.15", 115],
    ["7", 700],
    ["1990e-2", 1990],
    ["1.99E+1", 1990],
    ["100000000000", 10_000_000_000_000],
    ["99999999999.99", 9_999_999_999_999],
  ];
  for (const [literal, cents] of literals) {
    const { app, payments } = fakeApp();
    const answer = await app.request("/payments", post(`{"correlationId":"${ID}","amount":${literal}}`));
    assert.equal(answer.status, 202, literal);
    assert.equal(payments.book.get(ID)?.cents, cents, literal);
  }
});

Deno.test("answers 422 naming the field and the value when an amount is not valid", async () => {
  const cases: [literal: string, value: unknown, complaint: string][] = [
    ['"19.90"', "19.90", 'must be a number: "19.90"'],
    ["null", null, "must be a number: null"],
    ["true", true, "must be a number: true"],
    ["[19.9]", "[19.9]", 'must be a number: "[19.9]"'],
    ["NaN", "NaN", 'must be a number: "NaN"'],
    ["-Infinity", "-Infinity", 'must be a number: "-Infinity"'],
    ["1e999", "Infinity", 'must be a number: "Infinity"'],
    ["0", 0, "must be greater than zero: 0"],
    ["-0", 0, "must be greater than zero: 0"],
    ["-19.9", -19.9, "must be greater than zero: -19.9"],
    ["0.001", 0.001, "must have at most two decimals: 0.001"],
    ["19.999", 19.999, "must have at most two decimals: 19.999"],
    ["19.900000000000000001", "19.900000000000000001", 'must have at most two decimals: "19.900000000000000001"'],
    ["1990000000000000000001e-20", "1990000000000000000001e-20", ""],
    ["100000000000.01", 100_000_000_000.01, "must not be greater than 100000000000: 100000000000.01"],
    ["100000000000.000000001", "100000000000.000000001", ""],
    ["9007199254740993", 9007199254740992, ""],
    ["1e300", 1e300, ""],
  ];
  for (const [literal, value, complaint] of cases) {
    const { app, payments } = fakeApp();
    const answer = await app.request("/payments", post(`{"amount":${literal},"correlationId":"${ID}"}`));
    assert.equal(answer.status, 422, literal);
    const problem = await problemOf(answer);
    assert.equal(problem.type, "/problems/invalid-payment");
    assert.equal(problem.field, "amount");
    assert.equal(problem.value, value);
    if (complaint) assert.equal(problem.detail, `amount ${complaint}`);
    assert.equal(payments.book.pending.size, 0);
  }
});

Deno.test("answers 422 naming the field when it is missing, the id first", async () => {
  const { app } = fakeApp();
  for (
    const [body, field] of [[{ correlationId: ID }, "amount"], [{ amount: 1 }, "correlationId"], [
      {},
      "correlationId",
    ]] as const
  ) {
    const problem = await problemOf(await app.request("/payments", post(body)));
    assert.equal(problem.status, 422);
    assert.equal(problem.detail, `${field} is missing`);
    assert.equal(problem.field, field);
    assert.equal("value" in problem, false);
  }
});

Deno.test("answers 422 naming the value when the id is no UUID", async () => {
  const { app } = fakeApp();
  for (const id of ["", "4a7901b8", `${ID}\n`, ` ${ID}`, `{${ID}}`, ID.replaceAll("-", ""), 7, null, false]) {
    const problem = await problemOf(await app.request("/payments", post({ ...VALID, correlationId: id })));
    assert.equal(problem.status, 422);
    assert.equal(problem.field, "correlationId");
    assert.equal(problem.value, id);
    assert.equal(problem.detail, `correlationId must be a UUID: ${JSON.stringify(id)}`);
  }
});

Deno.test("echoes no more than the beginning of a value", async () => {
  const { app } = fakeApp();
  const cut = async (correlationId: unknown) =>
    (await problemOf(await app.request("/payments", post({ ...VALID, correlationId })))).value;
  assert.equal(await cut("x".repeat(3000)), `${"x".repeat(64)}…`);
  assert.equal(await cut({ nested: "y".repeat(3000) }), `{"nested":"${"y".repeat(53)}…`);
  assert.equal(await cut(`${"x".repeat(63)}😀`), `${"x".repeat(63)}\ufffd…`);
});

Deno.test("answers 400 when a name stands twice in the body, and takes nothing", async () => {
  const { app, payments } = fakeApp();
  const id = `"correlationId":"${ID}"`;
  const bodies = [
    `{${id},"amount":100.00,"amount":0.01}`,
    `{${id},"amount":1,"amo\\u0075nt":1}`,
    `{${id},${id.toUpperCase().replace("CORRELATIONID", "correlationId")},"amount":1}`,
    `{${id},"amount":1,"note":1,"note":2}`,
    `{${id},"amount":1,"more":[{"deep":{"x":1,"x":2}}]}`,
  ];
  for (const body of bodies) {
    const problem = await problemOf(await app.request("/payments", post(body)));
    assert.deepEqual([problem.status, problem.type], [400, "/problems/repeated-name"], body);
  }
  assert.equal(payments.book.pending.size, 0);
  const body = `{${id},"amount":1,"more":{"amount":2,"correlationId":"x:y"}}`;
  assert.equal((await app.request("/payments", post(body))).status, 202);
});

Deno.test("answers 400 when the body is no JSON object", async () => {
  const { app } = fakeApp();
  const bodies = [
    "",
    " ",
    "null",
    "7",
    '"text"',
    "[]",
    JSON.stringify([VALID]),
    "{",
    `${JSON.stringify(VALID)},`,
    "amount=19.9",
  ];
  bodies.push(`{"x":NaN,"amount":1,"correlationId":"${ID}"}`, `{"x":{"amount":NaN},"amount":1}`, `["amount":NaN]`);
  for (const body of bodies) {
    const problem = await problemOf(await app.request("/payments", post(body)));
    assert.equal(problem.status, 400, body);
    assert.equal(problem.type, "/problems/malformed-body", body);
  }
});

Deno.test("answers 400 when the body is not UTF-8", async () => {
  const { app } = fakeApp();
  const bytes = encoder.encode(JSON.stringify({ ...VALID, note: "?" }));
  bytes[bytes.lastIndexOf(63)] = 0xff;
  const problem = await problemOf(await app.request("/payments", { method: "POST", body: bytes }));
  assert.equal(problem.status, 400);
  assert.equal(problem.detail, "The body is not UTF-8");
});

Deno.test("takes unknown keys, also those named like JavaScript's own", async () => {
  const { app, payments } = fakeApp();
  const body = `{"__proto__":{"amount":"x"},"constructor":{"prototype":{"polluted":1}},"toString":1,
    "correlationId":"${ID}","amount":19.90}`;
  const answer = await app.request("/payments", post(body));
  assert.equal(answer.status, 202);
  assert.equal(payments.book.get(ID)?.cents, 1990);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  const inherited = await app.request("/payments", post(`{"__proto__":${JSON.stringify(VALID)}}`));
  assert.equal((await problemOf(inherited)).detail, "correlationId is missing");
});

Deno.test("answers at once when 4 KiB are nested as deeply as they can be", async () => {
  const { app } = fakeApp();
  const arrays = "[".repeat(2000) + "]".repeat(2000);
  const objects = '{"a":'.repeat(600) + "1" + "}".repeat(600);
  for (const nested of [arrays, objects]) {
    const ignored = await app.request("/payments", post(`{"correlationId":"${ID}","amount":1,"x":${nested}}`));
    assert.equal(ignored.status, 202);
    const wrong = await app.request("/payments", post(`{"correlationId":"${ID}","amount":${nested}}`));
    assert.equal((await problemOf(wrong)).field, "amount");
  }
  assert.equal((await app.request("/payments", post("[".repeat(4096)))).status, 400);
});

Deno.test("takes a body of 4 KiB and answers 413 to a longer one, whether its length is declared or not", async () => {
  for (const [size, status] of [[BODY_BYTES_MAX, 202], [BODY_BYTES_MAX + 1, 413]] as const) {
    const { app } = fakeApp();
    const body = padded(size);
    const headers = { "content-type": "application/json", "content-length": String(size) };
    assert.equal((await app.request("/payments", { method: "POST", body, headers })).status, status);
    const bytes = encoder.encode(body);
    const answer = await app.request("/payments", chunked([bytes.subarray(0, 1000), bytes.subarray(1000)]));
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get("connection"), status === 413 ? "close" : null);
  }
});

Deno.test("reads an over-long body no further than the limit", async () => {
  const { app, payments } = fakeApp();
  let read = 0;
  let ended = false;
  function* endless() {
    try {
      for (;; read++) yield new Uint8Array(1024).fill(32);
    } finally {
      ended = true;
    }
  }
  const problem = await problemOf(await app.request("/payments", chunked(endless())));
  assert.equal(problem.status, 413);
  assert.equal(problem.detail, "A payment has at most 4096 bytes");
  assert.ok(read <= 6, `${read} KiB were read`);
  assert.ok(ended);
  assert.equal(payments.book.pending.size, 0);
});

Deno.test("answers 400 when the caller goes away before the body's end", async () => {
  const { app } = fakeApp();
  function* broken() {
    yield encoder.encode('{"correlationId":');
    throw new Error("connection reset");
  }
  const problem = await problemOf(await app.request("/payments", chunked(broken())));
  assert.equal(problem.status, 400);
  assert.equal(problem.detail, "The body ended before it was complete");
});

Deno.test("takes every media type of JSON, and answers 415 to any other", async () => {
  const { app } = fakeApp();
  for (
    const type of [
      "application/json",
      "APPLICATION/JSON",
      "application/json; charset=utf-8",
      "application/vnd.galo.payment+json",
      "application/json;v=1",
    ]
  ) {
    assert.equal((await app.request("/payments", post(VALID, type))).status, 202, type);
  }
  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonp",
      "text/json",
      "application/json2; x=json",
      "",
    ]
  ) {
    const problem = await problemOf(await app.request("/payments", post(VALID, type)));
    assert.equal(problem.status, 415, type);
    assert.equal(problem.type, "/problems/not-json");
  }
  const undeclared = { method: "POST", body: encoder.encode(JSON.stringify(VALID)) };
  assert.equal((await app.request("/payments", undeclared)).status, 202);
});

Deno.test("answers 415 to a body that is declared as compressed, and says what is taken", async () => {
  const { app, payments } = fakeApp();
  const coded = (coding: string) => ({
    method: "POST",
    headers: { "content-encoding": coding },
    body: encoder.encode(JSON.stringify(VALID)),
  });
  for (const coding of ["gzip", "br", "zstd", "identity, gzip"]) {
    const response = await app.request("/payments", coded(coding));
    assert.equal(response.headers.get("accept-encoding"), "identity");
    assert.deepEqual(await problemOf(response), {
      type: "/problems/not-json",
      ...{ title: "The body is declared as something other than JSON", status: 415 },
      detail: "A payment must come without Content-Encoding",
    });
  }
  assert.equal(payments.book.pending.size, 0);
  assert.equal((await app.request("/payments", coded("Identity"))).status, 202);
});

Deno.test("answers 503 when a payment is not acknowledged, saying when to come again where that helps", async () => {
  const { app, payments } = fakeApp();
  const cases = [
    ["queue-full", "1", null],
    ["log-full", "1", null],
    ["memory-full", "1", null],
    ["uncovered", "1", null],
    ["cut-off", "1", null],
    ["not-serving", "1", "close"],
    ["total-full", null, null],
  ] as const;
  for (const [refusal, retryAfter, connection] of cases) {
    payments.refusal = refusal;
    payments.waits = refusal === "uncovered";
    const answer = await app.request("/payments", post(VALID));
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("retry-after"), retryAfter);
    assert.equal(answer.headers.get("connection"), connection);
    assert.equal((await problemOf(answer)).type, `/problems/${refusal}`);
  }
});

Deno.test("says which limit is reached when a payment is not taken", async () => {
  const { app, payments } = fakeApp();
  const detail = async (refusal: "queue-full" | "log-full" | "memory-full") => {
    payments.refusal = refusal;
    return (await problemOf(await app.request("/payments", post(VALID)))).detail;
  };
  assert.equal(await detail("queue-full"), "The payment was not taken: QUEUE_MAX payments are waiting already");
  assert.equal(
    await detail("log-full"),
    "The payment was not taken: the log has reached LOG_MAX_MB, or its disk is full",
  );
  assert.equal(
    await detail("memory-full"),
    "The payment was not taken: this replica's memory has no room for more payments",
  );
});

Deno.test("answers 202 once the acknowledgement is there when that takes time", async () => {
  const { app, payments } = fakeApp();
  payments.waits = true;
  assert.equal((await app.request("/payments", post(VALID))).status, 202);
  assert.equal((await app.request("/payments", post({ ...VALID, amount: 20 }))).status, 409);
});

/** One line of a story that replica a made. */
function fact(at: string, state: string, attempt: number, processor: string | null, reason: string, why: string) {
  return { at, state, attempt, processor, replica: "a", reason, why };
}

Deno.test("shows a payment that waits", async () => {
  const { app } = fakeApp();
  await app.request("/payments", post(VALID));
  const answer = await app.request(`/payments/${ID.toUpperCase()}`);
  assert.equal(answer.status, 200);
  const story = await answer.json();
  assert.deepEqual(story, {
    correlationId: ID,
    state: "accepted",
    amount: 19.9,
    processor: null,
    requestedAt: null,
    acceptedAt: "2025-07-15T12:34:56.000Z",
    attempts: 0,
    reason: "accepted",
    why: "Waiting for its first attempt for 250 ms: no processor is chosen yet.",
    owner: "a",
    facts: [
      fact("2025-07-15T12:34:56.000Z", "accepted", 0, null, "accepted", "no processor is chosen yet"),
    ],
    complete: true,
    source: "memory",
  });
  paymentAnswer.parse(story);
});

Deno.test("shows where a settled payment is booked, and why there", async () => {
  const { app, payments } = fakeApp();
  payments.settle(ID, 2005, NOW + 7);
  const story = await (await app.request(`/payments/${ID}`)).json();
  assert.deepEqual(story, {
    correlationId: ID,
    state: "settled",
    amount: 20.05,
    processor: "default",
    requestedAt: "2025-07-15T12:34:56.007Z",
    acceptedAt: "2025-07-15T12:34:56.007Z",
    attempts: 1,
    reason: "default-up",
    why: "Booked at the default processor: the default processor was up, and it is the cheaper one.",
    owner: "a",
    facts: [
      fact("2025-07-15T12:34:56.007Z", "accepted", 0, null, "accepted", "no processor is chosen yet"),
      fact(
        "2025-07-15T12:34:56.007Z",
        "settled",
        1,
        "default",
        "default-up",
        "the default processor was up, and it is the cheaper one",
      ),
    ],
    complete: false,
    source: "snapshot",
  });
  paymentAnswer.parse(story);
});

Deno.test("shows the last attempt of a payment that was refused", async () => {
  const { app, payments: { facts } } = fakeApp();
  facts.accept(ID, 100, NOW, "b");
  facts.dispatch(ID, "default", "default-up", NOW + 20, "b");
  facts.release(ID, "processor-full", NOW + 40, "b");
  facts.dispatch(ID, "fallback", "patience-over", NOW + 50, "b");
  facts.release(ID, "failed", NOW + 60, "b");
  const story = paymentAnswer.parse(await (await app.request(`/payments/${ID}`)).json());
  assert.equal(story.state, "released");
  assert.equal(story.processor, "fallback");
  assert.equal(story.attempts, 2);
  assert.equal(story.owner, "b");
});

Deno.test("answers 503 until the store and the log are read", async () => {
  const { app, payments } = fakeApp();
  for (const phase of ["starting", "reading"] as const) {
    payments.phase = phase;
    const answer = await app.request(`/payments/${ID}`);
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.equal((await problemOf(answer)).type, "/problems/not-serving");
    assert.equal((await app.request("/payments/7")).status, 404, "no payment has this id");
  }
  payments.phase = "draining";
  assert.equal((await app.request(`/payments/${ID}`)).status, 404);
});

Deno.test("answers 404 when the payment is unknown or its id is no UUID", async () => {
  const { app } = fakeApp();
  for (const id of [ID, "7", "%00", "%ZZ", "..%2f", "__proto__"]) {
    const problem = await problemOf(await app.request(`/payments/${id}`));
    assert.equal(problem.status, 404, id);
    assert.equal(problem.type, "/problems/unknown-payment", id);
  }
});
