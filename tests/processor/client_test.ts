/** The client against servers that do what servers do when they are broken. @module */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import type { Order, Outcome } from "../../src/routing/processor_client.ts";
import { HttpProcessorClient } from "../../src/processor/client.ts";
import { needs } from "../support/permissions.ts";
import { IMPATIENT_MS, PATIENT_MS, testClient } from "./client_contract.ts";
import { answer, RawServer } from "./raw_server.ts";
import { bothStandIns } from "../support/standins.ts";
import { freePort } from "../support/free_port.ts";

const net = needs("net");
const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const AT = Date.UTC(2025, 6, 1, 12, 0, 0, 7);
/** for calls that are to be answered */
const LONG_MS = 30_000;
/** for calls that are not */
const SHORT_MS = 100;
const PAYMENT: Order = { id: ID, cents: 1990, requestedAt: AT };

function clientOf(url: string, requestTimeoutMs = LONG_MS, connectionsMax = 1) {
  const client = new HttpProcessorClient({ urls: { default: url, fallback: url }, requestTimeoutMs, connectionsMax });
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

/** The outcome of one payment at a server that does this with it, and how often the server got it. */
async function outcomeAt(
  behaviour: (socket: Socket) => void,
  timeoutMs = LONG_MS,
): Promise<{ outcome: Outcome; requests: number }> {
  await using server = await RawServer.start(behaviour);
  await using client = clientOf(server.url, timeoutMs);
  const outcome = await client.pay("default", PAYMENT);
  return { outcome, requests: server.requests.length };
}

/** An address where nothing listens. */
const deadUrl = () => `http://127.0.0.1:${freePort()}`;

const refusedFor = (error: string): Outcome => ({ kind: "refused", why: "unreachable", error });

testClient("HttpProcessorClient", async () => {
  const both = await bothStandIns();
  const urls = { default: both.default.url, fallback: both.fallback.url };
  const clients = [PATIENT_MS, IMPATIENT_MS].map((requestTimeoutMs) =>
    new HttpProcessorClient({ urls, requestTimeoutMs, connectionsMax: 2 })
  );
  return {
    ...{ client: clients[0]!, impatient: clients[1]! },
    set(processor, { delayMs, failing }) {
      both[processor].setDelay(delayMs);
      both[processor].setFailing(failing);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close()));
      await Promise.all([both.default.close(), both.fallback.close()]);
    },
  };
}, net);

Deno.test("pay() posts the payment, amount in decimals and time in milliseconds UTC", net, async () => {
  await using server = await RawServer.start((socket) => socket.write(answer(200)));
  await using client = clientOf(server.url);
  assert.deepEqual(await client.pay("default", PAYMENT), { kind: "booked" });
  const { head, body } = server.requests[0]!;
  assert.equal(body, `{"correlationId":"${ID}","amount":19.9,"requestedAt":"2025-07-01T12:00:00.007Z"}`);
  // some servers send pages, compressed answers or 403 to a client without these headers
  assert.deepEqual(head.split("\r\n"), [
    "POST /payments HTTP/1.1",
    `host: ${new URL(server.url).host}`,
    "accept: application/json",
    "accept-encoding: identity",
    "user-agent: galo",
    "content-type: application/json",
    `content-length: ${body.length}`,
  ]);
});

for (
  const [status, outcome] of [
    [204, { kind: "unknown", error: "status 204 without JSON" }],
    [422, { kind: "already-booked" }],
    [429, { kind: "refused", why: "processor-full" }],
    [404, { kind: "refused", why: "rejected", status: 404 }],
    [302, { kind: "refused", why: "rejected", status: 302 }],
    [500, { kind: "refused-as-far-as-known" }],
    [503, { kind: "unknown", error: "status 503" }],
  ] as const
) {
  Deno.test(`pay() takes status ${status} for ${outcome.kind}, and asks once`, net, async () => {
    const text = status === 204 ? "HTTP/1.1 204 X\r\n\r\n" : answer(status).replace("\r\n", "\r\nlocation: /other\r\n");
    assert.deepEqual(await outcomeAt((socket) => socket.write(text)), { outcome, requests: 1 });
  });
}

Deno.test("pay() is refused if nothing listens", net, async () => {
  await using client = clientOf(deadUrl());
  assert.deepEqual(await client.pay("default", PAYMENT), refusedFor("nothing listens there"));
});

Deno.test("pay() is refused where the host has no address", net, async () => {
  await using client = clientOf("http://no-such-host.invalid:8080");
  const { kind, error } = await client.pay("default", PAYMENT) as Outcome & { error: string };
  assert.equal(kind, "refused");
  assert.match(error, /^failed to lookup address information: /);
});

Deno.test("pay() is unknown where the connection is accepted and closed at once", net, async () => {
  await using server = await RawServer.start(() => {}, (socket) => socket.destroy());
  await using client = clientOf(server.url);
  assert.equal((await client.pay("default", PAYMENT)).kind, "unknown");
  assert.equal(server.connections, 1);
});

for (
  const [what, behaviour] of [
    ["reads and closes", (socket) => socket.end()],
    ["reads and resets", (socket) => socket.resetAndDestroy()],
    ["sends half a status line and closes", (socket) => socket.end("HTTP/1.1 2")],
    ["sends half of its headers and closes", (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-")],
    ["sends what is no HTTP", (socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n")],
    ["sends 103 and closes", (socket) => socket.end("HTTP/1.1 103 Early Hints\r\n\r\n")],
    ["sends 100 and closes", (socket) => socket.end("HTTP/1.1 100 Continue\r\n\r\n")],
    ["switches protocols", (socket) => socket.end("HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")],
  ] satisfies [string, (socket: Socket) => void][]
) {
  Deno.test(`pay() is unknown where the processor ${what}, and nothing is sent again`, net, async () => {
    const { outcome, requests } = await outcomeAt(behaviour);
    assert.deepEqual([outcome.kind, requests], ["unknown", 1]);
  });
}

Deno.test("pay() waits for the answer after a 1xx", net, async () => {
  const text = `HTTP/1.1 103 Early Hints\r\n\r\n${answer(200)}`;
  assert.deepEqual(await outcomeAt((socket) => socket.write(text)), { outcome: { kind: "booked" }, requests: 1 });
});

for (
  const [what, text] of [
    ["a body without an end", "HTTP/1.1 422 X\r\n\r\n"],
    ["a body that is cut off", "HTTP/1.1 422 X\r\ncontent-length: 100\r\n\r\n{"],
    ["a body that is too long", `HTTP/1.1 422 X\r\n\r\n${"x".repeat(1 << 20)}`],
  ] as const
) {
  Deno.test(`pay() believes the status line before ${what}`, net, async () => {
    assert.deepEqual(await outcomeAt((socket) => socket.end(text)), {
      outcome: { kind: "already-booked" },
      requests: 1,
    });
  });
}

for (
  const [what, text] of [
    ["a page", `HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>`],
    ["a page with a byte order mark", `HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n\ufeff<html>`],
    ["a page that is cut off", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n<html>"],
    ["a page that is too long", `HTTP/1.1 200 OK\r\n\r\n<html>${"x".repeat(1 << 20)}`],
    ["a gateway's own 500", "HTTP/1.1 500 X\r\ncontent-length: 6\r\n\r\n<html>"],
    ["a gateway's own 500 with a byte order mark", "HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n\ufeff<html>"],
    ["a gateway's own 500 that is cut off", "HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\n <!doctype html>"],
  ] as const
) {
  Deno.test(`pay() is unknown after ${what}`, net, async () => {
    const status = text.slice(9, 12);
    const error = `status ${status}${status === "200" ? " without JSON" : ""}`;
    assert.deepEqual(await outcomeAt((socket) => socket.end(text)), {
      outcome: { kind: "unknown", error },
      requests: 1,
    });
  });
}

Deno.test("pay() is unknown after a page that never ends, within its time", net, async () => {
  const text = "HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\n<html>";
  const outcome = { kind: "unknown", error: "status 500" } as const;
  assert.deepEqual(await outcomeAt((socket) => socket.write(text), SHORT_MS), { outcome, requests: 1 });
});

Deno.test("pay() believes the status line where the body never ends, within its time", net, async () => {
  const text = "HTTP/1.1 500 X\r\ncontent-length: 100\r\n\r\n{";
  assert.deepEqual(await outcomeAt((socket) => socket.write(text), SHORT_MS), {
    outcome: { kind: "refused-as-far-as-known" },
    requests: 1,
  });
});

Deno.test("pay() is unknown where no answer comes in its time", net, async () => {
  const outcome = { kind: "unknown", error: "no answer within 100 ms" } as const;
  assert.deepEqual(await outcomeAt(() => {}, SHORT_MS), { outcome, requests: 1 });
});

Deno.test("pay() keeps to its time where half an answer comes", net, async () => {
  const outcome = { kind: "unknown", error: "no answer within 100 ms" } as const;
  assert.deepEqual(await outcomeAt((socket) => socket.write("HTTP/1.1 2"), SHORT_MS), { outcome, requests: 1 });
});

for (
  const [what, text] of [
    ["chunks", '5\r\n{"fai\r\n20;x=y\r\nling":true,"minResponseTime":42}\r\n0\r\n\r\n'],
    ["chunks and trailers", '25\r\n{"failing":true,"minResponseTime":42}\r\n0\r\nx: y\r\n\r\n'],
  ] as const
) {
  Deno.test(`an answer in ${what} is read, in pieces of any size, and the connection is used again`, net, async () => {
    const answers = `HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n${text}`;
    await using server = await RawServer.start((socket) => {
      let at = 0;
      const more = () => void (at < answers.length && socket.write(answers[at++]!, more));
      more();
    });
    await using client = clientOf(server.url);
    for (let n = 0; n < 3; n++) {
      assert.deepEqual(await client.health("default"), { failing: true, minResponseMs: 42 });
    }
    assert.deepEqual([server.requests.length, server.connections], [3, 1]);
  });
}

Deno.test("a connection that the server does not keep is not used again", net, async () => {
  const text = "HTTP/1.1 200 X\r\nConnection: close\r\ncontent-length: 2\r\n\r\n{}";
  await using server = await RawServer.start((socket) => socket.write(text));
  await using client = clientOf(server.url);
  for (let n = 0; n < 3; n++) assert.deepEqual(await client.pay("default", PAYMENT), { kind: "booked" });
  assert.deepEqual([server.requests.length, server.connections], [3, 3]);
});

Deno.test("pay() uses a connection again", net, async () => {
  await using server = await RawServer.start((socket) => socket.write(answer(200)));
  await using client = clientOf(server.url);
  for (let n = 0; n < 20; n++) assert.deepEqual(await client.pay("default", PAYMENT), { kind: "booked" });
  assert.equal(server.requests.length, 20);
  assert.equal(server.connections, 1);
});

for (
  const [what, close] of [
    ["closes", (socket: Socket) => socket.end()],
    ["resets", (socket: Socket) => socket.resetAndDestroy()],
  ] as const
) {
  Deno.test(
    `pay() sends nothing twice where the processor ${what} a kept connection just as it is used`,
    net,
    async () => {
      // closed in turns of the event loop that come ever later after the answer: before, while and after the next is
      // sent
      let turns = 0;
      await using server = await RawServer.start((socket) => {
        socket.write(answer(200));
        let left = turns;
        const wait = (): unknown => left-- > 0 ? setTimeout(wait, 0) : close(socket);
        wait();
      });
      await using client = clientOf(server.url);
      for (turns = 0; turns < 6; turns++) {
        for (let n = 0; n < 30; n++) {
          const before = server.requests.length;
          const outcome = await client.pay("default", PAYMENT);
          const received = server.requests.length - before;
          // a booked payment arrived once; an unknown one arrived at most once
          if (outcome.kind === "booked") assert.equal(received, 1);
          else {
            assert.equal(outcome.kind, "unknown");
            assert.ok(received <= 1, `sent ${received} times`);
          }
        }
      }
    },
  );
}

Deno.test("pay() sends nothing again over a new connection if a kept one ends during the call", net, async () => {
  const used = new Set<number>();
  let resets = 0;
  await using server = await RawServer.start((socket, _, { connection }) => {
    if (!used.has(connection)) return void socket.write(answer(200), () => used.add(connection));
    resets++;
    socket.resetAndDestroy();
  });
  await using client = clientOf(server.url);
  const kinds: string[] = [];
  for (let n = 0; n < 40; n++) kinds.push((await client.pay("default", PAYMENT)).kind);
  assert.equal(server.requests.length, 40);
  assert.ok(resets > 0);
  assert.equal(kinds.filter((kind) => kind === "unknown").length, resets);
});

Deno.test(
  "pay() never sends a payment that it has called refused while that waited for a connection",
  net,
  async () => {
    await using server = await RawServer.start((socket, _, { body }) => {
      if (body.includes(ID)) socket.write(answer(200));
    });
    await using client = clientOf(server.url, SHORT_MS, 1);
    // five places: of the others the most run out of time before one is free
    const ids = Array.from({ length: 500 }, () => crypto.randomUUID());
    const outcomes = await Promise.all(ids.map((id) => client.pay("default", { ...PAYMENT, id })));
    const refused = ids.filter((_, n) => outcomes[n]!.kind === "refused");
    assert.ok(refused.length > 0);
    for (const outcome of outcomes) assert.ok(outcome.kind === "unknown" || outcome.kind === "refused");
    // places are free again: what comes on them is this one, not those that are over
    while ((await client.pay("default", PAYMENT)).kind !== "booked");
    const received: string[] = server.requests.map(({ body }) => JSON.parse(body).correlationId).filter((id) =>
      id !== ID
    );
    assert.deepEqual(refused.filter((id) => received.includes(id)), []);
    assert.equal(new Set(received).size, received.length);
  },
);

Deno.test("pay() is refused, and says so, where there is no TLS", { ...net, sanitizeResources: true }, async () => {
  await using server = await RawServer.start(() => {}, (socket) => socket.write(answer(400)));
  await using client = clientOf(server.url.replace("http:", "https:"));
  const refused = refusedFor("TLS: received corrupt message of type InvalidContentType");
  assert.deepEqual(await client.pay("default", PAYMENT), refused);
});

Deno.test("pay() says that a connection was reset", net, async () => {
  const { outcome } = await outcomeAt((socket) => socket.resetAndDestroy());
  assert.deepEqual(outcome, { kind: "unknown", error: "the connection was reset" });
});

Deno.test("pay() is refused, in its time, if no connection is made", { ...net, sanitizeResources: true }, async () => {
  // a TLS handshake that is never answered
  await using server = await RawServer.start(() => {});
  await using client = clientOf(server.url.replace("http:", "https:"), SHORT_MS);
  assert.deepEqual(await client.pay("default", PAYMENT), refusedFor(`no answer within ${SHORT_MS} ms`));
  assert.deepEqual([server.connections, server.requests.length], [1, 0]);
});

Deno.test("pay() after close() is refused", net, async () => {
  await using server = await RawServer.start((socket) => socket.write(answer(200)));
  const client = clientOf(server.url);
  await client.close();
  assert.deepEqual(await client.pay("default", PAYMENT), refusedFor("the client is closed"));
  assert.equal(server.requests.length, 0);
});

Deno.test("close() ends what is in flight as unknown", net, async () => {
  const { promise: came, resolve } = Promise.withResolvers<void>();
  await using server = await RawServer.start(() => resolve());
  const client = clientOf(server.url);
  const paying = client.pay("default", PAYMENT);
  await came;
  await client.close();
  assert.equal((await paying).kind, "unknown");
});

Deno.test("each processor has a URL of its own", net, async () => {
  await using first = await RawServer.start((socket) => socket.write(answer(200)));
  await using second = await RawServer.start((socket) => socket.write(answer(500)));
  const urls = { default: first.url, fallback: second.url };
  await using client = Object.assign(
    new HttpProcessorClient({ urls, requestTimeoutMs: LONG_MS, connectionsMax: 1 }),
    { async [Symbol.asyncDispose]() {} },
  );
  assert.deepEqual(await client.pay("default", PAYMENT), { kind: "booked" });
  assert.deepEqual(await client.pay("fallback", PAYMENT), { kind: "refused-as-far-as-known" });
  await client.close();
});

Deno.test("a path in a URL goes before those of the API", net, async () => {
  await using server = await RawServer.start((socket) => socket.write(answer(200)));
  await using client = clientOf(`${server.url}/processors/first/`);
  await client.pay("default", PAYMENT);
  await client.health("default");
  assert.deepEqual(server.requests.map(({ head }) => head.split("\r\n")[0]), [
    "POST /processors/first/payments HTTP/1.1",
    "GET /processors/first/payments/service-health HTTP/1.1",
  ]);
});

/** What a client says of one answer to a GET. */
async function asked<T>(
  text: string,
  ask: (client: HttpProcessorClient) => Promise<T>,
  timeoutMs = LONG_MS,
): Promise<[T, string]> {
  await using server = await RawServer.start((socket) => text.includes("\r\n\r\n") ? socket.end(text) : undefined);
  await using client = clientOf(server.url, timeoutMs);
  const said = await ask(client);
  return [said, server.requests[0]!.head.split("\r\n")[0]!];
}

const lookup = (client: HttpProcessorClient) => client.lookup("default", ID);
const LOOKUP = `GET /payments/${ID} HTTP/1.1`;

for (
  const [what, requestedAt] of [
    ["UTC", "2025-07-01T12:00:00.007Z"],
    ["no zone, which is UTC", "2025-07-01T12:00:00.007"],
    ["more digits than milliseconds have", "2025-07-01T12:00:00.0079999"],
    ["more digits and UTC", "2025-07-01T12:00:00.007999Z"],
    ["another zone", "2025-07-01T14:00:00.007+02:00"],
  ] as const
) {
  Deno.test(`lookup() finds a payment whose time has ${what}`, net, async () => {
    const text = answer(200, { correlationId: ID, amount: 19.9, requestedAt });
    assert.deepEqual(await asked(text, lookup), [{ kind: "found", cents: 1990, requestedAt: AT }, LOOKUP]);
  });
}

Deno.test("lookup() takes 404 for absent", net, async () => {
  assert.deepEqual(await asked(answer(404), lookup), [{ kind: "absent" }, LOOKUP]);
});

Deno.test("lookup() does not take a page for people as the processor's answer", net, async () => {
  const page = (status: number) => {
    const text = "<html><title>404 Not Found</title></html>";
    return `HTTP/1.1 ${status} X\r\ncontent-type: text/html\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
  };
  const said = async (status: number) => (await asked(page(status), lookup))[0];
  assert.deepEqual(await said(404), { kind: "unclear", error: "status 404 without JSON" });
  assert.deepEqual(await said(200), { kind: "unclear", error: "the answer is no JSON object" });
  assert.deepEqual(await said(502), { kind: "unanswered", error: "status 502" });
});

Deno.test(
  "lookup() does not understand a 404 in plain text, and takes one with JSON or without a body for absent",
  net,
  async () => {
    const said = async (text: string) =>
      (await asked(`HTTP/1.1 404 X\r\ncontent-length: ${text.length}\r\n\r\n${text}`, lookup))[0];
    const unclear = { kind: "unclear", error: "status 404 without JSON" };
    for (const text of ["default backend - 404", "404 page not found\n", "Not Found"]) {
      assert.deepEqual(await said(text), unclear);
    }
    for (const text of ["", "\r\n", "{}", `{"message":"Not found"}`]) {
      assert.deepEqual(await said(text), {
        kind: "absent",
      });
    }
  },
);

Deno.test("pay(), lookup() and health() read over a byte order mark", net, async () => {
  const marked = (body: unknown) => {
    const text = `\ufeff${JSON.stringify(body)}`;
    return `HTTP/1.1 200 X\r\ncontent-length: ${new TextEncoder().encode(text).length}\r\n\r\n${text}`;
  };
  const booking = marked({ correlationId: ID, amount: 19.9, requestedAt: new Date(AT).toISOString() });
  assert.deepEqual((await asked(booking, lookup))[0], { kind: "found", cents: 1990, requestedAt: AT });
  const booked = { outcome: { kind: "booked" }, requests: 1 };
  assert.deepEqual(await outcomeAt((socket) => socket.write(marked({ message: "ok" }))), booked);
  const health = (client: HttpProcessorClient) => client.health("default");
  const [said] = await asked(marked({ failing: false, minResponseTime: 5 }), health);
  assert.deepEqual(said, { failing: false, minResponseMs: 5 });
});

Deno.test("lookup() understands an answer that is nested deeper than the stack is", net, async () => {
  const deep = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  const said = async (amount: string, more: string) => {
    const text = `{"correlationId":"${ID}","amount":${amount},"requestedAt":"2025-07-01T12:00:00Z","x":{"y":${more}}}`;
    return (await asked(`HTTP/1.1 200 X\r\ncontent-length: ${text.length}\r\n\r\n${text}`, lookup))[0];
  };
  const objects = `${'{"":'.repeat(10_000)}1${"}".repeat(10_000)}`;
  const found = { kind: "found", cents: 1990, requestedAt: Date.UTC(2025, 6, 1, 12) };
  for (const more of [deep(30_000), objects]) assert.deepEqual(await said("19.9", more), found);
  assert.deepEqual(await said(deep(30_000), "1"), { kind: "unclear", error: 'amount is ["…"]' });
  assert.deepEqual(await said(objects, "1"), { kind: "unclear", error: 'amount is {"":"…"}' });
  assert.deepEqual(await said("19.9", `{"a":1,"b":${deep(30_000)},"a":2}`), {
    kind: "unclear",
    error: "a name is in it twice",
  });
});

Deno.test("lookup() is unanswered by a status that passes, and unclear by any other", net, async () => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    assert.deepEqual(await asked(answer(status), lookup), [{ kind: "unanswered", error: `status ${status}` }, LOOKUP]);
  }
  for (const status of [204, 301, 401, 403, 405]) {
    const text = status === 204 ? "HTTP/1.1 204 X\r\n\r\n" : answer(status);
    assert.deepEqual(await asked(text, lookup), [{ kind: "unclear", error: `status ${status}` }, LOOKUP]);
  }
});

Deno.test("lookup() understands other forms of an answer, and says what it does not understand", net, async () => {
  const words = { correlation_id: ID.toUpperCase(), AMOUNT: "19.90", requested_at: "2025-07-01 12:00:00.007" };
  assert.deepEqual((await asked(answer(200, words), lookup))[0], { kind: "found", cents: 1990, requestedAt: AT });
  const error = "correlationId is not the one that was asked for";
  const other = { ...words, correlation_id: crypto.randomUUID() };
  assert.deepEqual((await asked(answer(200, other), lookup))[0], { kind: "unclear", error });
});

for (
  const [header, more] of [
    ["Retry-After: 2", { retryAfterMs: 2_000 }],
    ["retry-after:   120 ", { retryAfterMs: 120_000 }],
    ["Retry-After: 2.542", { retryAfterMs: 2_542 }],
    ["Retry-After: -2", {}],
    ["Retry-After: soon", {}],
    ["Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", {}],
    ["X-Retry-After: 2", {}],
  ] as const
) {
  Deno.test(`pay() and lookup() return ${JSON.stringify(more)} for an answer with ${header}`, net, async () => {
    const text = (status: number) => answer(status).replace("\r\n", `\r\n${header}\r\n`);
    const full = { kind: "refused", why: "processor-full", ...more };
    assert.deepEqual(await outcomeAt((socket) => socket.write(text(429))), { outcome: full, requests: 1 });
    const unknown = { kind: "unknown", error: "status 503", ...more };
    assert.deepEqual(await outcomeAt((socket) => socket.write(text(503))), { outcome: unknown, requests: 1 });
    assert.deepEqual((await asked(text(503), lookup))[0], { kind: "unanswered", error: "status 503", ...more });
  });
}

Deno.test("pay() and lookup() ignore Retry-After unless the call is refused", net, async () => {
  const text = (status: number) => answer(status).replace("\r\n", "\r\nRetry-After: 30\r\n");
  for (
    const [status, outcome] of [
      [200, { kind: "booked" }],
      [202, { kind: "unknown", error: "status 202" }],
      [301, { kind: "refused", why: "rejected", status: 301 }],
    ] as const
  ) {
    assert.deepEqual(await outcomeAt((socket) => socket.write(text(status))), { outcome, requests: 1 });
  }
  assert.deepEqual((await asked(text(301), lookup))[0], { kind: "unclear", error: "status 301" });
});

Deno.test("lookup() is unanswered by an answer that is cut off, too long, or never comes", net, async () => {
  const body = JSON.stringify({ correlationId: ID, amount: 19.9, requestedAt: "2025-07-01T12:00:00Z" });
  const head = (length: number) => `HTTP/1.1 200 X\r\ncontent-length: ${length}\r\n\r\n`;
  for (const text of [head(body.length + 1) + body, `HTTP/1.1 200 X\r\n\r\n${body}${" ".repeat(1 << 20)}`]) {
    assert.equal((await asked(text, lookup))[0].kind, "unanswered");
  }
  const [said] = await asked("", lookup, SHORT_MS);
  assert.deepEqual(said, { kind: "unanswered", error: "no answer within 100 ms" });
  await using client = clientOf(deadUrl());
  assert.equal((await client.lookup("default", ID)).kind, "unanswered");
});

const health = (client: HttpProcessorClient) => client.health("fallback");
const HEALTH = "GET /payments/service-health HTTP/1.1";

Deno.test("health() says whether the processor fails and what an answer takes at least", net, async () => {
  const text = answer(200, { failing: true, minResponseTime: 42 });
  assert.deepEqual(await asked(text, health), [{ failing: true, minResponseMs: 42 }, HEALTH]);
});

Deno.test("health() is undefined for 429, an error, nonsense, and no answer", net, async () => {
  const bodies = [{}, null, { failing: 1, minResponseTime: 0 }, { failing: false }, {
    failing: false,
    minResponseTime: -1,
  }];
  const texts = [answer(429), answer(500), ...bodies.map((body) => answer(200, body))];
  texts.push(
    'HTTP/1.1 200 X\r\ncontent-length: 38\r\n\r\n{"failing":false,"minResponseTime":1e999}'.replace("38", "40"),
  );
  for (const text of texts) assert.deepEqual(await asked(text, health), [undefined, HEALTH], text);
  assert.deepEqual(await asked("", health, SHORT_MS), [undefined, HEALTH]);
  await using client = clientOf(deadUrl());
  assert.equal(await client.health("default"), undefined);
});
