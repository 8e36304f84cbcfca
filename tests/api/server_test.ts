/** Every row of the API table through real HTTP, and what only a connection can show. @module */
import assert from "node:assert/strict";
import { Listener } from "../../src/api/listener.ts";
import type { Handler } from "../../src/api/port.ts";
import { needs } from "../support/permissions.ts";
import { fakeApp, type FakePayments, ID, NOW, post, problemOf } from "./fake_payments.ts";
import { TempFolder } from "../support/temp_folder.ts";

const VALID = { correlationId: ID, amount: 19.9 };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A server on a free port, and ways to talk to it. */
interface Server {
  readonly payments: FakePayments;
  readonly port: number;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** Serves a port as a replica does. @returns its number, and a function that shuts it down */
async function listening(handler: Handler): Promise<{ port: number; shutdown: () => Promise<void> }> {
  const listen = { port: 0, hostname: "127.0.0.1" };
  const listener = new Listener({ listen, shared: false, handler, failed: assert.fail });
  const port = Number(new URL((await listener.open())!).port);
  return { port, shutdown: () => listener.shutdown() };
}

async function serving(test: (server: Server) => Promise<void>, options: Parameters<typeof fakeApp>[0] = {}) {
  const { app, payments } = fakeApp(options);
  const { port, shutdown } = await listening(app.fetch);
  const client = Deno.createHttpClient({ http2: false });
  await test({ payments, port, fetch: (path, init) => fetch(`http://127.0.0.1:${port}${path}`, { ...init, client }) });
  client.close();
  await shutdown();
}

/** Reads one answer to its end: its head in lower case, and its body. */
async function read(connection: Deno.Conn): Promise<{ head: string; body: string }> {
  let text = "";
  const buffer = new Uint8Array(16_384);
  for (;;) {
    const size = await connection.read(buffer);
    if (size === null) throw new Error(`the connection ended after ${JSON.stringify(text)}`);
    text += decoder.decode(buffer.subarray(0, size));
    const end = text.indexOf("\r\n\r\n");
    if (end === -1) continue;
    const head = text.slice(0, end).toLowerCase();
    const body = text.slice(end + 4);
    if (body.length >= Number(head.match(/content-length: (\d+)/)?.[1] ?? 0)) return { head, body };
  }
}

function head(length: string, type = "application/json"): string {
  return `POST /payments HTTP/1.1\r\nHost: galo\r\nContent-Type: ${type}\r\n${length}\r\n\r\n`;
}

/** Sends text over a connection of its own and reads one answer. */
async function talk(port: number, ...parts: string[]): Promise<{ head: string; body: string }> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  for (const part of parts) await connection.write(encoder.encode(part));
  return await read(connection);
}

function row(name: string, test: (server: Server) => Promise<void>, options: Parameters<typeof fakeApp>[0] = {}) {
  Deno.test(`over HTTP: ${name}`, needs("net"), () => serving(test, options));
}

row("a valid payment is answered 202 with its place and an empty body", async ({ port }) => {
  const text = JSON.stringify(VALID);
  const answer = await talk(port, head(`Content-Length: ${text.length}`), text);
  const [status, ...headers] = answer.head.split("\r\n");
  assert.equal(status, "http/1.1 202 accepted");
  const names = headers.filter((header) => !header.startsWith("date:")).sort();
  const kept = ["connection: keep-alive", "content-length: 0", "keep-alive: timeout=60"];
  assert.deepEqual(names, [...kept, `location: /payments/${ID}`]);
  assert.equal(answer.body, "");
});

row("the same payment again is answered 202, with another amount 409", async ({ fetch }) => {
  for (const [amount, status] of [[19.9, 202], [19.9, 202], [19.91, 409]] as const) {
    const answer = await fetch("/payments", post({ correlationId: ID, amount }));
    assert.equal(answer.status, status);
    if (status === 409) await problemOf(answer);
    else assert.equal(await answer.text(), "");
  }
});

row("what is not JSON or no object is answered 400", async ({ fetch }) => {
  for (const body of ["", "{", "[]", "19.9", "correlationId=1"]) {
    assert.equal((await problemOf(await fetch("/payments", post(body)))).status, 400);
  }
  assert.equal((await problemOf(await fetch("/payments", { method: "POST" }))).status, 400);
  const bytes = encoder.encode(JSON.stringify(VALID)).with(3, 0xff);
  assert.equal((await problemOf(await fetch("/payments", { method: "POST", body: bytes }))).status, 400);
});

row("a wrong field is answered 422 with its name and value", async ({ fetch }) => {
  const bodies: [body: string, field: string, value: unknown][] = [
    [`{"amount":1}`, "correlationId", undefined],
    [`{"correlationId":"7","amount":1}`, "correlationId", "7"],
    [`{"correlationId":"${ID}"}`, "amount", undefined],
    [`{"correlationId":"${ID}","amount":"1"}`, "amount", "1"],
    [`{"correlationId":"${ID}","amount":NaN}`, "amount", "NaN"],
    [`{"correlationId":"${ID}","amount":0}`, "amount", 0],
    [`{"correlationId":"${ID}","amount":-1}`, "amount", -1],
    [`{"correlationId":"${ID}","amount":1.001}`, "amount", 1.001],
    [`{"correlationId":"${ID}","amount":1e12}`, "amount", 1e12],
  ];
  for (const [body, field, value] of bodies) {
    const problem = await problemOf(await fetch("/payments", post(body)));
    assert.deepEqual([problem.status, problem.field, problem.value], [422, field, value]);
  }
});

row("a body over 4 KiB is answered 413 before it has come, and its connection ends", async ({ port, payments }) => {
  const declared = await talk(port, head("Content-Length: 1000000000"), "{");
  assert.match(declared.head, /^http\/1\.1 413 .*\r\nconnection: close/s);
  const chunk = `400\r\n${" ".repeat(1024)}\r\n`;
  // there is no last chunk: the answer comes because of what is there already
  const chunked = await talk(port, head("Transfer-Encoding: chunked"), chunk, chunk, chunk, chunk, chunk);
  assert.match(chunked.head, /^http\/1\.1 413 .*\r\nconnection: close/s);
  assert.equal(JSON.parse(chunked.body).type, "/problems/body-too-long");
  assert.equal(payments.book.pending.size, 0);
});

row("a body in chunks is taken like one of declared length", async ({ port, payments }) => {
  const text = JSON.stringify(VALID);
  const chunks = [...text].map((letter) => `1\r\n${letter}\r\n`);
  const answer = await talk(port, head("Transfer-Encoding: chunked"), ...chunks, "0\r\n\r\n");
  assert.match(answer.head, /^http\/1\.1 202 /);
  assert.equal(payments.book.get(ID)?.cents, 1990);
});

row("a body that comes slowly holds up nobody else", async ({ port, fetch, payments }) => {
  const text = JSON.stringify(VALID);
  using slow = await Deno.connect({ hostname: "127.0.0.1", port });
  await slow.write(encoder.encode(head(`Content-Length: ${text.length}`) + text.slice(0, 20)));
  assert.equal((await fetch("/payments", post({ ...VALID, correlationId: ID.replace("4", "5") }))).status, 202);
  assert.equal(payments.find(ID), undefined);
  await slow.write(encoder.encode(text.slice(20)));
  assert.match((await read(slow)).head, /^http\/1\.1 202 /);
  assert.ok(payments.find(ID));
});

row(
  "a caller that ends its side of the connection after a whole payment is answered, and the payment taken",
  async ({ port, payments }) => {
    const half = async (...parts: string[]) => {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      for (const part of parts) {
        // the part before is read by now
        if (part === "") assert.equal((await (await fetch(`http://127.0.0.1:${port}/livez`)).json()).alive, true);
        else await connection.write(encoder.encode(part));
      }
      await connection.closeWrite();
      return (await read(connection)).head.slice(9, 12);
    };
    for (let i = 0; i < 20; i++) {
      const id = () => crypto.randomUUID();
      const texts = Array.from({ length: 5 }, () => JSON.stringify({ correlationId: id(), amount: 19.9 }));
      const [whole, apart, cut, chunked, late] = texts as [string, string, string, string, string];
      const sized = head(`Content-Length: ${whole.length}`);
      const inChunks = head("Transfer-Encoding: chunked");
      assert.equal(await half(sized + whole), "202");
      assert.equal(await half(sized, "", apart), "202");
      assert.equal(await half(sized + cut.slice(0, 9), "", cut.slice(9)), "202");
      assert.equal(await half(`${inChunks}${chunked.length.toString(16)}\r\n${chunked}\r\n0\r\n\r\n`), "202");
      for (const text of [whole, apart, cut, chunked]) assert.ok(payments.find(JSON.parse(text).correlationId));
      assert.equal(await half(inChunks, "", `${late.length.toString(16)}\r\n${late}\r\n0\r\n\r\n`), "202");
      assert.equal(await half(sized + whole.slice(0, -1)), "400");
      assert.equal(await half(`${inChunks}${whole.length.toString(16)}\r\n${whole}\r\n`), "400");
    }
  },
);

Deno.test(
  "over HTTP: a caller that ends its side of the connection is answered, also if the answer takes a while",
  needs("net"),
  async () => {
    const { app, payments } = fakeApp({ allowPurge: true });
    let waiting = 0;
    let held = Promise.withResolvers<void>();
    const { port, shutdown } = await listening(async (request) => {
      const answer = await app.fetch(request);
      if (request.url.endsWith("/livez")) return answer;
      waiting++;
      await held.promise;
      return answer;
    });
    const alive = async () =>
      assert.equal((await talk(port, "GET /livez HTTP/1.1\r\nHost: galo\r\n\r\n")).head.slice(9, 12), "200");
    const half = async (...parts: string[]) => {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      for (const part of parts.slice(0, -1)) {
        await connection.write(encoder.encode(part));
        await alive();
      }
      await connection.write(encoder.encode(parts.at(-1)!));
      await connection.closeWrite();
      // by then the server has read the end as well
      while (waiting === 0) await alive();
      for (let i = 0; i < 5; i++) await alive();
      held.resolve();
      const status = (await read(connection)).head.slice(9, 12);
      assert.equal(await connection.read(new Uint8Array(1)), null, "the connection ends");
      [waiting, held] = [0, Promise.withResolvers<void>()];
      return status;
    };
    const texts = Array.from({ length: 3 }, () => JSON.stringify({ correlationId: crypto.randomUUID(), amount: 19.9 }));
    const [whole, cut, chunked] = texts as [string, string, string];
    const sized = head(`Content-Length: ${whole.length}`);
    const chunks = `${chunked.length.toString(16)}\r\n${chunked}\r\n0\r\n\r\n`;
    assert.equal(await half(sized + whole), "202");
    assert.equal(await half(sized + whole), "202", "again");
    assert.equal(await half(sized + cut.slice(0, 9), cut.slice(9)), "202");
    assert.equal(await half(head("Transfer-Encoding: chunked"), chunks), "202");
    for (const text of texts) assert.ok(payments.find(JSON.parse(text).correlationId));
    for (const path of [`/payments/${JSON.parse(whole).correlationId}`, "/payments-summary?to=2025-01-01"]) {
      assert.equal(await half(`GET ${path} HTTP/1.1\r\nHost: galo\r\n\r\n`), "200", path);
    }
    for (const length of [0, 9]) {
      const text = `POST /purge-payments HTTP/1.1\r\nHost: galo\r\nContent-Length: ${length}\r\n\r\n`;
      assert.equal(await half(text), "200", "an answer that nobody reads may break off");
    }
    await shutdown();
  },
);

row(
  "requests sent at once before the end are answered in turn, and one that breaks off is not taken",
  async ({ port, payments }) => {
    const texts = Array.from({ length: 3 }, () => JSON.stringify({ correlationId: crypto.randomUUID(), amount: 1 }));
    const requests = texts.map((text) => `${head(`Content-Length: ${text.length}`)}${text}`).join("");
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(encoder.encode(requests.slice(0, -1)));
    await connection.closeWrite();
    const answers = await new Response(connection.readable).text();
    const found = [...answers.matchAll(/HTTP\/1\.1 (\d+) .*?(?:\r\nlocation: (\S+)|\r\nconnection: close)\r\n/gs)];
    const [first, second] = texts.map((text) => `/payments/${JSON.parse(text).correlationId}`);
    assert.deepEqual(found.map(([, code, location]) => [code, location]), [["202", first], ["202", second], [
      "400",
      undefined,
    ]]);
    assert.equal(payments.book.pending.size, 2);
  },
);

row(
  "a request that can be read in two ways is refused with 400, and nothing of it is taken",
  async ({ port, payments }) => {
    const { length } = JSON.stringify(VALID);
    const sized = `Content-Length: ${length}`;
    const chunk = `${length.toString(16)}\r\n${JSON.stringify(VALID)}\r\n0\r\n\r\n`;
    const framings: [what: string, lines: string, body: string][] = [
      ["two lengths", `${sized}\r\nContent-Length: ${length - 1}`, JSON.stringify(VALID)],
      ["a list of lengths", `${sized}, ${length - 1}`, JSON.stringify(VALID)],
      ["a signed length", `Content-Length: +${length}`, JSON.stringify(VALID)],
      ["a length in hexadecimal", `Content-Length: 0x${length.toString(16)}`, JSON.stringify(VALID)],
      ["a length and chunks", `${sized}\r\nTransfer-Encoding: chunked`, chunk],
      ["chunks and a length", `Transfer-Encoding: chunked\r\n${sized}`, chunk],
      ["chunks that are not last", "Transfer-Encoding: chunked, gzip", chunk],
      ["a coding that is none", "Transfer-Encoding: xchunked", chunk],
      ["a blank before the colon", `Content-Length : ${length}`, JSON.stringify(VALID)],
      ["a folded line", `X-Y: 1\r\n ${sized}\r\n${sized}`, JSON.stringify(VALID)],
      ["a NUL in a value", `X-Y: \0\r\n${sized}`, JSON.stringify(VALID)],
      ["a bare line feed", `X-Y: 1\nX-Z: 2\r\n${sized}`, JSON.stringify(VALID)],
      ["a chunk whose size is none", "Transfer-Encoding: chunked", chunk.replace(/^/, "-")],
      ["a chunk that ends elsewhere", "Transfer-Encoding: chunked", chunk.replace("}\r\n", "}xx\r\n")],
    ];
    for (const [what, lines, body] of framings) {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await connection.write(encoder.encode(`${head(lines)}${body}GET /livez HTTP/1.1\r\nHost: galo\r\n\r\n`));
      const answers = await new Response(connection.readable).text().catch(() => "");
      assert.deepEqual(
        [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => code),
        ["400"],
        `${what}: ${answers}`,
      );
      assert.equal(payments.book.pending.size, 0, what);
    }
  },
);

row("a caller that offers an upgrade with a payment is answered like any other", async ({ port }) => {
  const text = JSON.stringify(VALID);
  for (const token of ["h2c", "websocket", "TLS/1.2"]) {
    const offer = `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${token}\r\nHTTP2-Settings: AAMAAABkAAQ`;
    assert.match((await talk(port, head(`${offer}\r\nContent-Length: ${text.length}`), text)).head, /^http\/1\.1 202 /);
  }
});

Deno.test("over HTTP: a stream ends as soon as its reader leaves", needs("net"), async () => {
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode("data: 1\n\n")),
    cancel: () => cancelled.resolve(),
  });
  const headers = { "content-type": "text/event-stream" };
  const { port, shutdown } = await listening(() => new Response(body, { headers }));
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(encoder.encode("GET / HTTP/1.1\r\nHost: galo\r\n\r\n"));
  await connection.read(new Uint8Array(1_000));
  connection.close();
  await cancelled.promise;
  await shutdown();
});

Deno.test(
  "over HTTP: an answer that is given while the replica stops ends its connection, and says so",
  needs("net"),
  async () => {
    const [asked, stopping] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { port, shutdown } = await listening(async () => {
      asked.resolve();
      await stopping.promise;
      return new Response("done");
    });
    const answer = talk(port, "GET / HTTP/1.1\r\nHost: galo\r\n\r\n");
    await asked.promise;
    const shut = shutdown();
    stopping.resolve();
    const { head, body } = await answer;
    assert.equal(body, "done");
    assert.match(head, /\r\nconnection: close/);
    await shut;
  },
);

row("a body whose sender goes away is not taken", async ({ port, fetch, payments }) => {
  const text = JSON.stringify(VALID);
  const gone = await Deno.connect({ hostname: "127.0.0.1", port });
  await gone.write(encoder.encode(head("Content-Length: 1000") + text));
  gone.close();
  assert.equal((await fetch("/livez").then((answer) => answer.json())).alive, true);
  assert.equal(payments.find(ID), undefined);
});

row("a body declared as something other than JSON is answered 415", async ({ fetch }) => {
  const problem = await problemOf(await fetch("/payments", post(VALID, "text/plain")));
  assert.equal(problem.status, 415);
});

row("a payment that is not acknowledged is answered 503 with Retry-After", async ({ fetch, payments }) => {
  for (const refusal of ["queue-full", "uncovered"] as const) {
    payments.refusal = refusal;
    const answer = await fetch("/payments", post(VALID));
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.equal((await problemOf(answer)).status, 503);
  }
  payments.refusal = "total-full";
  assert.equal((await problemOf(await fetch("/payments", post(VALID)))).type, "/problems/total-full");
});

row("a replica that takes no payments answers 503 and ends the connection", async ({ port, payments }) => {
  payments.refusal = "not-serving";
  const text = JSON.stringify(VALID);
  const { head: answer } = await talk(port, head(`Content-Length: ${text.length}`), text);
  assert.match(answer, /^http\/1\.1 503 /);
  assert.match(answer, /\r\nretry-after: 1(\r\n|$)/);
  assert.match(answer, /\r\nconnection: close(\r\n|$)/);
});

row("a known payment's story is answered, and an unknown payment is 404", async ({ fetch, payments }) => {
  payments.settle(ID, 1990, NOW);
  const answer = await fetch(`/payments/${ID.toUpperCase()}`);
  assert.equal(answer.status, 200);
  const story = await answer.json();
  assert.deepEqual([story.correlationId, story.state, story.amount, story.processor, story.attempts, story.reason], [
    ID,
    "settled",
    19.9,
    "default",
    1,
    "default-up",
  ]);
  for (const unknown of [ID.replace("4", "5"), "7"]) {
    assert.equal((await problemOf(await fetch(`/payments/${unknown}`))).status, 404);
  }
});

row("the summary counts both ends of its window", async ({ fetch, payments }) => {
  payments.settle(ID, 1990, NOW);
  const at = new Date(NOW).toISOString();
  const after = new Date(NOW + 1).toISOString();
  for (
    const [query, count] of [["", 1], [`?from=${at}`, 1], [`?to=${at}`, 1], [`?from=${at}&to=${at}`, 1], [
      `?from=${after}`,
      0,
    ]] as const
  ) {
    const answer = await fetch(`/payments-summary${query}`);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), {
      default: { totalRequests: count, totalAmount: 19.9 * count },
      fallback: { totalRequests: 0, totalAmount: 0 },
    });
  }
  for (const query of ["from=2025-02-30", `from=${after}&to=${at}`, `from=${at}&from=${at}`]) {
    assert.equal((await problemOf(await fetch(`/payments-summary?${query}`))).status, 400);
  }
});

row("purging is refused without authority", async ({ fetch, payments }) => {
  payments.settle(ID, 1990, NOW);
  assert.equal((await problemOf(await fetch("/purge-payments", { method: "POST" }))).status, 403);
  const headers = { authorization: "Bearer s3cret" };
  const answer = await fetch("/purge-payments", { method: "POST", headers });
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).message, "All payments are purged.");
  assert.equal(payments.find(ID), undefined);
}, { adminToken: "s3cret" });

row("anyone may purge where that is allowed", async ({ fetch }) => {
  const answer = await fetch("/purge-payments", { method: "POST" });
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
}, { allowPurge: true });

const VALID_HOSTS = ["x", "x.y-z_0:8080", "127.0.0.1", "127.0.0.1:", "[::1]", "[::ffff:1.2.3.4]:80", "\t x "];
const BAD_HOSTS = [
  "x/metrics?",
  "x/metrics#",
  "x/",
  "x?",
  "x#y",
  "x\\metrics",
  "u@x",
  "u:p@x",
  "u:p@x/metrics?",
  "x y",
];
BAD_HOSTS.push(
  "",
  " ",
  ":80",
  "x:y",
  "x:80:80",
  "x,y",
  "x%2fmetrics",
  "::1",
  "[::1",
  "[]",
  "[::1]x",
  "\xe9",
  "http://x",
  "*",
);

row("a Host that is not valid is answered 400, whatever path it would make", async ({ port }) => {
  const ask = async (target: string, ...hosts: string[]) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const lines = hosts.map((host) => `Host: ${host}\r\n`).join("");
    const text = `GET ${target} HTTP/1.1\r\n${lines}\r\n`;
    await connection.write(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    const { head, body } = await read(connection);
    return [head.slice(9, 12), body] as const;
  };
  const alive = ["200", '{"alive":true}'];
  for (const host of VALID_HOSTS) assert.deepEqual(await ask("/livez", host), alive, host);
  for (const host of BAD_HOSTS) {
    for (const target of ["/livez", "/payments", "/nowhere", "http://x/livez"]) {
      const [status, body] = await ask(target, host);
      assert.deepEqual([status, JSON.parse(body).type], ["400", "/problems/bad-host"], `${target} at ${host}`);
    }
  }
  for (const second of ["x", "y"]) assert.equal((await ask("/livez", "x", second))[0], "400");
  // if the target is a whole URL, Host does not count
  for (const target of ["http://x/livez", "http://y:80/livez?q", "http://xx/livez", "HTTP://X/livez"]) {
    assert.deepEqual(await ask(target, "x"), alive, target);
  }
  for (const target of ["http://u@x/livez", "http://x?/livez", "http://x#/livez"]) {
    assert.equal((await ask(target, "x"))[0], "400", target);
    assert.match((await talk(port, `GET ${target} HTTP/1.0\r\n\r\n`)).head, /^http\/1\.[01] 400 /, target);
  }
});

row("liveness and readiness are answered", async ({ fetch, payments }) => {
  assert.deepEqual(await (await fetch("/livez")).json(), { alive: true });
  payments.phase = "reading";
  const answer = await fetch("/readyz");
  assert.equal(answer.status, 503);
  assert.deepEqual((await answer.json()).notes, ["not now"]);
});

row("an unknown path is answered 404, another method 405 with what is allowed", async ({ fetch, port }) => {
  assert.equal((await problemOf(await fetch("/admin"))).status, 404);
  const answer = await fetch("/payments", { method: "DELETE" });
  assert.equal(answer.headers.get("allow"), "POST, OPTIONS");
  assert.equal((await problemOf(answer)).status, 405);
  assert.match((await talk(port, "TRACE /livez HTTP/1.1\r\nHost: galo\r\n\r\n")).head, /\r\nallow: get, head, options/);
  assert.match((await talk(port, "OPTIONS * HTTP/1.1\r\nHost: galo\r\n\r\n")).head, /^http\/1\.1 404 /);
});

row("HEAD is answered like GET without a body, OPTIONS with what is allowed", async ({ fetch }) => {
  const head = await fetch("/payments-summary", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get("content-type"), "application/json");
  assert.equal(await head.text(), "");
  const options = await fetch("/payments-summary", { method: "OPTIONS" });
  assert.equal(options.status, 204);
  assert.equal(options.headers.get("allow"), "GET, HEAD, OPTIONS");
});

Deno.test("over a UNIX socket: paths and bodies are the same", needs("net", "read", "write"), async () => {
  using temp = new TempFolder();
  const folder = temp.path;
  const { app, payments } = fakeApp();
  await using server = Deno.serve({ path: `${folder}/galo.sock`, onListen() {} }, app.fetch);
  const ask = async (text: string) => {
    using connection = await Deno.connect({ transport: "unix", path: server.addr.path });
    await connection.write(encoder.encode(text));
    return (await read(connection)).head.slice(9, 12);
  };
  const text = JSON.stringify(VALID);
  assert.equal(await ask(head(`Content-Length: ${text.length}`) + text), "202");
  assert.ok(payments.find(ID));
  assert.equal(await ask(`GET /payments/${ID} HTTP/1.1\r\nHost: galo\r\n\r\n`), "200");
  assert.equal(await ask(`GET /payments-summary?from=x HTTP/1.1\r\nHost: galo\r\n\r\n`), "400");
  assert.equal(await ask(`GET /payments HTTP/1.1\r\nHost: galo\r\n\r\n`), "405");
});
