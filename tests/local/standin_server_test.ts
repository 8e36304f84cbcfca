/** The stand-in's HTTP, byte by byte: what its callers' libraries may send, and what only a connection can show. @module */
import assert from "node:assert/strict";
import { BODY_BYTES_MAX, HEAD_BYTES_MAX, RequestError, RequestReader } from "../../src/local/standin_request.ts";
import { type Handler, StandInServer } from "../../src/local/standin_server.ts";
import { needs } from "../support/permissions.ts";

const net = needs("net");
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A connection on which these texts arrive, at most so many bytes at once. */
function arriving(text: string, bytesAtOnce = Infinity): RequestReader {
  let left = encoder.encode(text);
  return new RequestReader({
    read(into) {
      if (left.length === 0) return Promise.resolve(null);
      const size = Math.min(into.length, left.length, bytesAtOnce);
      into.set(left.subarray(0, size));
      left = left.subarray(size);
      return Promise.resolve(size);
    },
  });
}

const chunked = (body: string) => `POST /payments HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;

async function bodyOf(text: string, bytesAtOnce?: number): Promise<string | undefined> {
  return (await arriving(text, bytesAtOnce).next())?.body;
}

Deno.test("a request is read whole, in however many pieces it arrives", async () => {
  const text = "POST /payments?a=1&b=%20 HTTP/1.1\r\nHost: x\r\nX-Rinha-TOKEN:  Abc \r\nContent-Length: 3\r\n\r\nä1";
  for (const bytesAtOnce of [1, 2, 7, Infinity]) {
    const request = (await arriving(text, bytesAtOnce).next())!;
    assert.deepEqual([request.method, request.path, request.body], ["POST", "/payments", "ä1"]);
    assert.deepEqual([...request.query], [["a", "1"], ["b", " "]]);
    assert.deepEqual([request.header("x-rinha-token"), request.header("rinha-token")], ["Abc", undefined]);
    assert.equal(request.keepAlive, true);
  }
});

Deno.test("requests that arrive together are read one after the other", async () => {
  const reader = arriving(
    "POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n1GET /b HTTP/1.1\r\n\r\n" + chunked("0\r\n\r\n"),
  );
  const read = async () => (await reader.next())?.path;
  assert.deepEqual([await read(), await read(), await read(), await read()], ["/a", "/b", "/payments", undefined]);
});

Deno.test("a body in chunks is put together", async () => {
  for (const bytesAtOnce of [1, 3, Infinity]) {
    assert.equal(await bodyOf(chunked("3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"), bytesAtOnce), "abc0123456789");
  }
});

Deno.test("a request that breaks off is none", async () => {
  for (const text of ["", "GET /a HT", "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n1", chunked("3\r\nab")]) {
    assert.equal(await bodyOf(text), undefined, JSON.stringify(text));
  }
});

Deno.test("what is no request, or too long a one, is an error that says so", async () => {
  const long = "x".repeat(BODY_BYTES_MAX + 1);
  const wrong: [string, number][] = [
    ["\r\n\r\n", 400],
    ["GET a HTTP/1.1\r\n\r\n", 400],
    ["GET / FTP/1.1\r\n\r\n", 400],
    ["POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400],
    [chunked("xyz\r\n"), 400],
    [`POST / HTTP/1.1\r\nContent-Length: ${long.length}\r\n\r\n${long}`, 400],
    [chunked(`${long.length.toString(16)}\r\n${long}\r\n0\r\n\r\n`), 400],
    [chunked("1\r\nx\r\n".repeat(BODY_BYTES_MAX + 1)), 400],
    [`GET / HTTP/1.1\r\nX: ${"x".repeat(HEAD_BYTES_MAX)}`, 431],
  ];
  for (const [text, status] of wrong) {
    await assert.rejects(bodyOf(text), (error) => error instanceof RequestError && error.status === status, text);
  }
});

Deno.test("a connection is kept as its caller and the version of HTTP have it", async () => {
  const kept = async (version: string, header = "") =>
    (await arriving(`GET / HTTP/${version}\r\n${header}\r\n`).next())!.keepAlive;
  assert.deepEqual([await kept("1.1"), await kept("1.1", "Connection: Close\r\n")], [true, false]);
  assert.deepEqual([await kept("1.0"), await kept("1.0", "Connection: keep-alive\r\n")], [false, true]);
});

async function serving(handle: Handler, test: (server: StandInServer) => Promise<void>): Promise<void> {
  const server = new StandInServer(0, "127.0.0.1", handle);
  try {
    await test(server);
  } finally {
    await server.close();
  }
}

/** Everything that comes until the server ends the connection. */
async function talk({ port }: StandInServer, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(encoder.encode(text));
  return await textOf(connection);
}

async function textOf(connection: Deno.Conn): Promise<string> {
  let text = "";
  const bytes = new Uint8Array(4_096);
  for (;;) {
    const count = await connection.read(bytes);
    if (count === null) return text;
    text += decoder.decode(bytes.subarray(0, count), { stream: true });
  }
}

Deno.test("answers come in the order of their requests, and the last one says that it is", net, async () => {
  await serving(({ path }) => path === "/none" ? { status: 204 } : { status: 200, body: { path } }, async (server) => {
    const said = await talk(
      server,
      "GET /ä HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert.equal(said.match(/HTTP\/1.1 (\d+)/g)?.join(), "HTTP/1.1 200,HTTP/1.1 204,HTTP/1.1 200");
    assert.ok(said.endsWith('Content-Length: 13\r\nConnection: close\r\n\r\n{"path":"/b"}'), said);
  });
});

Deno.test("what is no request is answered and ends its connection, and no other", net, async () => {
  await serving(() => ({ status: 200 }), async (server) => {
    assert.match(await talk(server, "nonsense\r\n\r\n"), /^HTTP\/1.1 400 /);
    assert.match(await talk(server, "GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1.1 200 /);
  });
});

Deno.test("a call that is dropped gets not one byte", net, async () => {
  await serving(() => "drop", async (server) => {
    assert.equal(await talk(server, "GET / HTTP/1.1\r\n\r\n"), "");
  });
});

Deno.test("calls that hang get not one byte, and end together, one that comes too late at once", net, async () => {
  const fault = new AbortController();
  const both = Promise.withResolvers<void>();
  let arrived = 0;
  const hang: Handler = () => {
    if (++arrived === 2) both.resolve();
    return { hangUntil: fault.signal };
  };
  await serving(hang, async (server) => {
    const calls = [talk(server, "GET / HTTP/1.1\r\n\r\n"), talk(server, "GET / HTTP/1.1\r\n\r\n")];
    await both.promise;
    fault.abort();
    assert.deepEqual(await Promise.all(calls), ["", ""]);
    assert.equal(await talk(server, "GET / HTTP/1.1\r\n\r\n"), "");
  });
});

Deno.test(
  "close() refuses connections at once, whatever is under way, and reopen() takes them again",
  net,
  async () => {
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => arrive = resolve);
    const endless: Handler = () => {
      arrive();
      return new Promise<never>(() => {});
    };
    await serving(endless, async (server) => {
      const { port } = server;
      const call = talk(server, "GET / HTTP/1.1\r\n\r\n").catch(() => "");
      await arrived;
      await server.close();
      assert.equal(await call, "");
      await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
      await server.reopen();
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    });
  },
);
