import assert from "node:assert/strict";
import { Connection, ConnectionError, encodeRequest } from "../../bench/graded/connection.ts";
import { needs } from "../support/permissions.ts";

const PERMISSIONS = needs("net");

/** Sends one request for each part-list, which a raw server answers with these parts, one write each. */
async function answers(...scripts: string[][]): Promise<{ status: number; body: string }[]> {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  const serve = async () => {
    using conn = await listener.accept();
    const buffer = new Uint8Array(4_096);
    for (const parts of scripts) {
      await conn.read(buffer);
      for (const part of parts) {
        await conn.write(new TextEncoder().encode(part));
        // so that the parts arrive separately
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
  };
  const served = serve();
  const url = new URL(`http://127.0.0.1:${port}`);
  const connection = new Connection(url);
  try {
    const seen = [];
    for (const _ of scripts) {
      const { status, body, ms } = await connection.send(encodeRequest("POST", url, "/payments", "{}"));
      assert.ok(ms > 0);
      seen.push({ status, body });
    }
    return seen;
  } finally {
    connection.close();
    await served;
    listener.close();
  }
}

Deno.test("Connection reads answers of every framing over one connection", PERMISSIONS, async () => {
  assert.deepEqual(
    await answers(
      ["HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"],
      ["HTTP/1.1 204 No Content\r\n\r\n"],
      ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "ab", "cde"],
      ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na", "bc\r\n2\r\nde\r\n0\r\n", "\r\n"],
      ["HTTP/1.1 5", "00 No\r\nContent-Len", "gth: 2\r\n\r\nno"],
      ["HTTP/1.0 200 OK\r\n\r\nuntil the end"],
    ),
    [
      { status: 202, body: "" },
      { status: 204, body: "" },
      { status: 200, body: "abcde" },
      { status: 200, body: "abcde" },
      { status: 500, body: "no" },
      { status: 200, body: "until the end" },
    ],
  );
});

Deno.test("Connection fails, saying why, where the other side closes or speaks no HTTP", PERMISSIONS, async () => {
  const failure = (...script: string[]) =>
    answers(script).then(() => "", (error) => {
      assert.ok(error instanceof ConnectionError);
      return error.message;
    });
  assert.equal(await failure(), "closed");
  assert.equal(await failure("HTTP/1.1 20"), "closed in the middle of an answer");
  assert.equal(await failure("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), "closed in a body");
  assert.equal(await failure("SSH-2.0\r\n\r\n"), "no HTTP/1.1");
});

Deno.test(
  "Connection gives up a request that expires, and opens a new connection for the next",
  PERMISSIONS,
  async () => {
    const silent = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const url = new URL(`http://127.0.0.1:${(silent.addr as Deno.NetAddr).port}`);
    const connection = new Connection(url);
    const request = encodeRequest("GET", url, "/");
    const first = connection.send(request).catch((error: Error) => error.message);
    const conn = await silent.accept();
    await conn.read(new Uint8Array(1_000));
    connection.expire(performance.now(), 60_000);
    connection.expire(performance.now() + 60_001, 60_000);
    assert.equal(await first, "timeout");
    conn.close();

    const second = connection.send(request);
    const next = await silent.accept();
    await next.read(new Uint8Array(1_000));
    await next.write(new TextEncoder().encode("HTTP/1.1 204 No Content\r\n\r\n"));
    assert.equal((await second).status, 204);
    next.close();
    connection.close();
    silent.close();
  },
);
