/** The stand-in's HTTP, byte by byte: what only a connection can show. @module */
import assert from "node:assert/strict";
import { type StandInHandler, StandInServer } from "../../src/local/standin_server.ts";
import { needs } from "../support/permissions.ts";

const net = needs("net");
const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function serving(handle: StandInHandler, test: (server: StandInServer) => Promise<void>): Promise<void> {
  const server = new StandInServer(0, "127.0.0.1", handle);
  await server.open();
  try {
    await test(server);
  } finally {
    await server.close();
  }
}

/** Sends the text, `bytesAtOnce` at a time, and returns everything that comes until the server ends the connection. */
async function talk({ port }: StandInServer, text: string, bytesAtOnce = Infinity): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.setNoDelay();
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length; at += bytesAtOnce) {
    await connection.write(bytes.subarray(at, Math.min(bytes.length, at + bytesAtOnce)));
  }
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
      "GET /a HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert.equal(said.match(/HTTP\/1.1 (\d+)/g)?.join(), "HTTP/1.1 200,HTTP/1.1 204,HTTP/1.1 200");
    const [head, body] = said.split("\r\n\r\n").slice(-2);
    assert.match(head!, /\r\nContent-Length: 13$/im);
    assert.match(head!, /\r\nConnection: close$/im);
    assert.equal(body, '{"path":"/b"}');
  });
});

Deno.test("bytes that are no request are answered and end their connection, and no other", net, async () => {
  await serving(() => ({ status: 200 }), async (server) => {
    assert.match(await talk(server, "nonsense\r\n\r\n"), /^HTTP\/1.1 400 /);
    assert.match(await talk(server, "GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1.1 200 /);
  });
});

Deno.test("a request is read whole, in however many pieces and chunks it arrives", net, async () => {
  const echo: StandInHandler = ({ method, path, query, headers, body }) => (
    { status: 200, body: [method, path, [...query], headers["x-rinha-token"], body] }
  );
  const head = "POST /payments?a=1&b=%20 HTTP/1.1\r\nX-Rinha-TOKEN:  Abc \r\nConnection: close\r\n";
  const bodies = [
    "Content-Length: 3\r\n\r\nä1",
    "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nä\r\n1\r\n1\r\n0\r\n\r\n",
  ];
  await serving(echo, async (server) => {
    for (const text of bodies) {
      for (const bytesAtOnce of [1, 7, Infinity]) {
        const said = await talk(server, head + text, bytesAtOnce);
        assert.ok(said.endsWith('["POST","/payments",[["a","1"],["b"," "]],"Abc","ä1"]'), said);
      }
    }
  });
});

Deno.test("a body that is too long counts as empty, a head that is too long is answered 431", net, async () => {
  await serving(({ body }) => ({ status: 200, body }), async (server) => {
    const post = (body: string) =>
      talk(server, `POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.ok((await post("x".repeat(16 << 10))).endsWith('\r\n\r\n"' + "x".repeat(16 << 10) + '"'));
    assert.ok((await post("x".repeat((16 << 10) + 1))).endsWith('\r\n\r\n""'));
    assert.match(await talk(server, `GET / HTTP/1.1\r\nX: ${"x".repeat(16 << 10)}\r\n\r\n`), /^HTTP\/1.1 431 /);
  });
});

Deno.test("a call that is dropped gets not one byte", net, async () => {
  await serving(() => "drop", async (server) => {
    assert.equal(await talk(server, "GET / HTTP/1.1\r\n\r\n"), "");
  });
});

Deno.test("calls that hang get not one byte, and end together; one that comes too late ends at once", net, async () => {
  const fault = Promise.withResolvers<"drop">();
  const both = Promise.withResolvers<void>();
  let arrived = 0;
  const hang: StandInHandler = () => {
    if (++arrived === 2) both.resolve();
    return fault.promise;
  };
  await serving(hang, async (server) => {
    const calls = [talk(server, "GET / HTTP/1.1\r\n\r\n"), talk(server, "GET / HTTP/1.1\r\n\r\n")];
    await both.promise;
    fault.resolve("drop");
    assert.deepEqual(await Promise.all(calls), ["", ""]);
    assert.equal(await talk(server, "GET / HTTP/1.1\r\n\r\n"), "");
  });
});

Deno.test(
  "close() refuses connections at once, whatever is under way, and open() takes them again",
  net,
  async () => {
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => arrive = resolve);
    const endless: StandInHandler = () => {
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
      await server.open();
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    });
  },
);
