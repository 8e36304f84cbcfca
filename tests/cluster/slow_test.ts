/** Callers that are slow, or send more than anybody should, at real sockets: a replica's own, and behind Caddy. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { within } from "../../src/clock.ts";
import { systemClock } from "../../src/system_clock.ts";
import { PROBLEMS } from "../../src/api/problem.ts";
import { fakeApp, type FakePayments, ID } from "../api/fake_payments.ts";
import { servePort } from "../../src/api/port.ts";
import { needs } from "../support/permissions.ts";
import { behindCaddy, Caddy, statusOf } from "./harness.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";

const real = needs("net", "run", "read", "write", "env");
const proxied = behindCaddy(real);
/** In so many milliseconds a replica tries several times for the lock of a peer that is away. */
const LOCK_TRIES_MS = 2_000;
const CADDYFILE = new URL("../../Caddyfile", import.meta.url);

const encoder = new TextEncoder();
const POST = "POST /payments HTTP/1.1\r\nHost: galo\r\nContent-Type: application/json\r\n";
const GET = "GET /livez HTTP/1.1\r\nHost: galo\r\n";
const TEXT = JSON.stringify({ correlationId: ID, amount: 19.9 });

/** Sends text, then `more` again and again, and returns everything that came until the server ended the connection. */
async function talk(address: Deno.ConnectOptions, text: string, more = "", everyMs = 50): Promise<string> {
  using connection = await Deno.connect(address);
  const repeated = setInterval(() => more && connection.write(encoder.encode(more)).catch(() => {}), everyMs);
  try {
    await connection.write(encoder.encode(text));
    let answer = "";
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(65_536);
    // a caller that sends more than is read sees the end as a reset
    const read = () =>
      connection.read(buffer).catch((error) =>
        error instanceof Deno.errors.ConnectionReset ? null : Promise.reject(error)
      );
    for (let size; (size = await read()) !== null;) answer += decoder.decode(buffer.subarray(0, size));
    return answer;
  } finally {
    clearInterval(repeated);
  }
}

/** The first line of an answer without the protocol. */
function status(answer: string): string {
  return answer.slice(0, answer.indexOf("\r\n")).replace("HTTP/1.1 ", "");
}

/** What is behind Caddy. */
interface Behind {
  /** POSTs that reached a replica */
  readonly asked: number;
  /** their bodies, as they came */
  readonly bodies: readonly string[];
  readonly payments: FakePayments;
  /** Stops both replicas. */
  stop(): Promise<void>;
}

/** As short as the tests want it. */
const SHORTER: readonly (readonly [configured: string, shorter: string])[] = [
  ["read_header 5s", "read_header 300ms"],
  ["idle 60s", "idle 300ms"],
  ["read_body 10s", "read_body 800ms"],
  ["^([5-9]|\\d\\d)\\d{3}", "^([4-9]\\d|\\d{3})\\d"],
  ["lb_try_duration 5s", "lb_try_duration 200ms"],
];

/** Caddy as it is configured but with shorter times, before two replicas. */
async function withCaddy(
  test: (caddy: Caddy, behind: Behind) => Promise<void>,
  dead?: (connection: Deno.Conn) => Promise<void>,
): Promise<void> {
  using temp = new TempFolder();
  const folder = temp.path;
  let asked = 0;
  const bodies: string[] = [];
  const { app, payments } = fakeApp();
  const count = async (request: Request) => {
    if (request.method !== "POST") return await app.fetch(request);
    asked++;
    const body = await request.text();
    bodies.push(body);
    return await app.fetch(new Request("http://galo/payments", { method: "POST", headers: request.headers, body }));
  };
  const listener = dead && Deno.listen({ transport: "unix", path: `${folder}/a.sock` });
  void (async () => {
    for await (const connection of listener ?? []) dead!(connection).catch(() => {});
  })();
  const servers = (dead ? ["b"] : ["a", "b"]).map((name) =>
    Deno.serve({ path: `${folder}/${name}.sock`, onListen() {} }, count)
  );
  const stop = async () => void await Promise.all(servers.splice(0).map((server) => server.shutdown()));
  try {
    let text = await Deno.readTextFile(CADDYFILE);
    for (const [configured, shorter] of SHORTER) {
      assert.ok(text.includes(configured), `the Caddyfile says ${configured}`);
      text = text.replace(configured, shorter);
    }
    await Deno.writeTextFile(`${folder}/Caddyfile`, text);
    await using caddy = await Caddy.start(["a", "b"].map((name) => `${folder}/${name}.sock`), `${folder}/Caddyfile`);
    await test(caddy, {
      get asked() {
        return asked;
      },
      ...{ bodies, payments },
      stop,
    });
  } finally {
    await stop();
    listener?.close();
  }
}

/** A payment of its own, as the text of a body. */
function paymentText(bytes = 0): string {
  return JSON.stringify({ correlationId: crypto.randomUUID(), amount: 1 }).padEnd(bytes);
}

/** In chunks of seven bytes and one long one. */
function chunks(text: string): string {
  const parts = [...text.slice(0, 70).match(/.{1,7}/gs)!, text.slice(70)].filter((part) => part);
  return `Transfer-Encoding: chunked\r\n\r\n${
    parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("")
  }`;
}

Deno.test(
  "at a port, a caller that trickles a header or a body, or sends nothing, is cut off, and others are not",
  real,
  async () => {
    const { app, payments, watching } = fakeApp();
    const times = { headersTimeout: 300, requestTimeout: 600, answerTimeout: 300, keepAliveTimeout: 300 };
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { shutdown } = servePort(listener, app.fetch, (error) => assert.fail(`${error}`), times);
    const { port } = listener.addr;
    // a watcher stays for longer than that
    const live = await fetch(`http://127.0.0.1:${port}/live`);
    const sized = `${POST}Content-Length: 1000\r\n\r\n`;
    const slow: [what: string, text: string, more?: string][] = [
      ["nothing", ""],
      ["a header that trickles", GET, "X-Slow: 1\r\n"],
      ["a body that does not come", sized],
      ["a body that trickles", sized, " "],
      ["a body in chunks that trickles", `${POST}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n"],
    ];
    const slowly = slow.map(async ([what, ...sent]) =>
      assert.equal(status(await talk({ port }, ...sent)), "408 Request Timeout", what)
    );
    const fast = await fetch(`http://127.0.0.1:${port}/payments`, { method: "POST", body: TEXT });
    assert.equal(fast.status, 415);
    await fast.body?.cancel();
    await Promise.all(slowly);
    assert.match(await talk({ port }, `${GET}\r\n`), /^HTTP\/1\.1 200 .*\{"alive":true\}$/s);
    assert.equal(
      status(await talk({ port }, `${GET}X-Long: ${"x".repeat(30_000)}\r\n\r\n`)),
      "431 Request Header Fields Too Large",
    );
    assert.equal(payments.book.pending.size, 0);
    const reader = live.body!.getReader();
    assert.equal((await reader.read()).done, false);
    watching.stop();
    while (!(await reader.read()).done);
    await shutdown();
  },
);

Deno.test(
  "at a port, a caller that does not read its answer is cut off, one that has read it is not",
  real,
  async () => {
    const LENGTH = 32 << 20;
    const times = { headersTimeout: 300, requestTimeout: 600, answerTimeout: 500, keepAliveTimeout: 60_000 };
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const cutOff = Promise.withResolvers<true>();
    const handler = (request: Request, outgoing?: object) => {
      if (request.url.endsWith("/short")) return new Response("short");
      (outgoing as ServerResponse).once("close", () => cutOff.resolve(true));
      return new Response(new Uint8Array(LENGTH));
    };
    const { shutdown } = servePort(listener, handler, (error) => assert.fail(`${error}`), times);
    const { port } = listener.addr;
    using connection = await Deno.connect({ port });
    const ask = (path: string) => connection.write(encoder.encode(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
    const buffer = new Uint8Array(1 << 20);
    await ask("/short");
    assert.match(new TextDecoder().decode(buffer.subarray(0, (await connection.read(buffer))!)), /short$/);
    // an answer that was read in time ends no connection later
    await new Promise((resolve) => setTimeout(resolve, 2 * times.answerTimeout));
    await ask("/long");
    assert.equal(await within(systemClock, 10 * times.answerTimeout, cutOff.promise), true);
    let length = 0;
    try {
      for (let size; (size = await connection.read(buffer)) !== null;) length += size;
    } catch (error) {
      assert.ok(error instanceof Deno.errors.ConnectionReset);
    }
    assert.ok(length < LENGTH, `${length}`);
    await shutdown();
  },
);

Deno.test(
  "behind Caddy, a caller that offers an upgrade with a payment is answered like any other",
  proxied,
  () =>
    withCaddy(async ({ port }, behind) => {
      const end = `Connection: close\r\nContent-Length: ${TEXT.length}\r\n\r\n${TEXT}`;
      for (const token of ["h2c", "websocket", "TLS/1.2"]) {
        const offer = `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${token}\r\nHTTP2-Settings: AAMAAABkAAQ\r\n`;
        assert.equal(status(await talk({ port }, POST + offer + end)), "202 Accepted", token);
      }
      assert.equal(behind.asked, 3);
    }),
);

Deno.test(
  "behind Caddy, an empty Host is a 400 of the caller's, not a 503",
  proxied,
  () =>
    withCaddy(async ({ port }) => {
      const answer = await talk({ port }, "GET /livez HTTP/1.1\r\nHost:\r\n\r\n");
      assert.equal(status(answer), "400 Bad Request");
      assert.match(answer, /\r\nContent-Type: application\/problem\+json\r\n/);
      assert.deepEqual(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))), {
        ...{ type: "about:blank", title: "Bad Request", status: 400, detail: "The request is not valid HTTP" },
      });
    }),
);

Deno.test(
  "behind Caddy, a caller that trickles a header or a body, or is silent, is cut off without an answer",
  proxied,
  () =>
    withCaddy(async ({ port }, behind) => {
      const sized = `${POST}Content-Length: 1000\r\n\r\n`;
      const silent: [what: string, text: string, more?: string][] = [
        ["nothing", ""],
        ["a header that does not end", GET],
        ["a header that trickles", GET, "X-Slow: 1\r\n"],
        ["a body that does not come", sized],
        ["a body that trickles", sized, " "],
        ["a payment and then not all of the rest", `${sized}${TEXT}`, " "],
        ["a body where there is none", `${GET}Content-Length: 1000\r\n\r\n`, " "],
      ];
      await Promise.all(silent.map(async ([what, ...sent]) => assert.equal(await talk({ port }, ...sent), "", what)));
      assert.equal(behind.asked, 0);
      const idle = await talk({ port }, `${GET}\r\n`);
      assert.match(idle, /^HTTP\/1\.1 200 .*\{"alive":true\}$/s);
    }),
);

Deno.test(
  "behind Caddy, a caller that sends too much is answered 413, and its connection ends",
  proxied,
  () =>
    withCaddy(async ({ port }, behind) => {
      assert.equal(
        status(await talk({ port }, `${GET}X-Long: ${"x".repeat(30_000)}\r\n\r\n`)),
        "431 Request Header Fields Too Large",
      );
      const answer = await talk({ port }, `${POST}Content-Length: 10000\r\n\r\n`, "", 10_000);
      const [headers, body] = answer.split("\r\n\r\n");
      assert.match(headers!, /^HTTP\/1\.1 413 /);
      assert.match(headers!, /\r\nContent-Type: application\/problem\+json\r\n/);
      assert.match(headers!, /\r\nConnection: close\r\n/);
      const { type, title } = JSON.parse(body!);
      assert.deepEqual([413, title], PROBLEMS[type.replace("/problems/", "") as keyof typeof PROBLEMS]);
      assert.equal(behind.asked, 0);
    }),
);

Deno.test(
  "behind Caddy, a body in chunks is taken like one of declared length, and refused where it is too long or breaks off",
  proxied,
  () =>
    withCaddy(async ({ port }, { bodies, payments }) => {
      const answer = (text: string, end: string) => talk({ port }, `${POST}Connection: close\r\n${chunks(text)}${end}`);
      const send = async (text: string, end = "0\r\n\r\n") => status(await answer(text, end)).slice(0, 3);
      for (const bytes of [0, 4_000, 4_096]) assert.equal(await send(paymentText(bytes)), "202");
      for (const bytes of [4_097, 10_000, 16_384, 16_385, 20_000, 60_000]) {
        assert.match(
          await answer(paymentText(bytes), "0\r\n\r\n"),
          /^HTTP\/1\.1 413 .*"type":"\/problems\/body-too-long"/s,
        );
      }
      assert.equal(payments.book.pending.size, 3);
      // a body that never ends is cut off, and the part that came is not JSON
      assert.equal(await send(paymentText().slice(0, -1), ""), "");
      assert.equal(await send(paymentText().slice(0, -1), "zz\r\n"), "400");
      assert.equal(payments.book.pending.size, 3);
      assert.deepEqual(
        bodies.slice(0, 3).map((body) => body.length),
        [67, 4_000, 4_096],
      );
    }),
);

Deno.test(
  "behind Caddy, what reaches a replica is one caller's body, even if others send too much, break off, or are sent again",
  proxied,
  () => {
    // the other replica takes a request in and dies of it
    const dead = async (connection: Deno.Conn) => {
      await connection.read(new Uint8Array(65_536));
      connection.close();
    };
    return withCaddy(async ({ port }, { bodies, payments }) => {
      const sent = new Set<string>();
      const send = async (text: string, head: string, end = "") => {
        sent.add(text);
        return status(await talk({ port }, `${POST}Connection: close\r\n${head}${end}`)).slice(0, 3);
      };
      const good = async (_: unknown, i: number) => {
        const text = paymentText(i % 2 ? 0 : 3_000);
        const framed = i % 4 < 2 ? chunks(text) + "0\r\n\r\n" : `Content-Length: ${text.length}\r\n\r\n${text}`;
        assert.equal(await send(text, framed), "202");
        assert.ok(payments.find(JSON.parse(text).correlationId), text);
      };
      const bad = async (_: unknown, i: number) => {
        const text = paymentText(20_000);
        const code = await send(
          text,
          i % 2 ? chunks(text) : chunks(text.slice(0, 9_000)),
          i % 2 ? "0\r\n\r\n" : "zz\r\n",
        );
        assert.equal(code, "413");
      };
      for (let round = 0; round < 5; round++) {
        await Promise.all([...Array.from({ length: 20 }, good), ...Array.from({ length: 10 }, bad)]);
      }
      assert.equal(payments.book.pending.size, 100);
      for (const body of bodies) {
        assert.ok(
          sent.has(body) || [...sent].some((text) => body.length >= 9_000 && text.startsWith(body)),
          body.slice(0, 99),
        );
      }
    }, dead);
  },
);

Deno.test(
  "behind Caddy, a caller that ends its side of the connection early gets 202 for what is taken, or no complete answer",
  proxied,
  () =>
    withCaddy(async ({ port }, { payments }) => {
      const half = async (...parts: string[]) => {
        using connection = await Deno.connect({ port });
        for (const part of parts) await connection.write(encoder.encode(part));
        await connection.closeWrite();
        return await new Response(connection.readable).text();
      };
      const ways = [
        (text: string) => [`${POST}Content-Length: ${text.length}\r\n\r\n${text}`],
        (text: string) => [`${POST}Content-Length: ${text.length}\r\n\r\n`, text],
        (text: string) => [`${POST}${chunks(text)}0\r\n\r\n`],
        (text: string) => [`${POST}Content-Length: ${text.length + 1}\r\n\r\n${text}`],
        () => [`${GET}\r\n`],
      ];
      for (let i = 0; i < 100; i++) {
        const text = paymentText();
        const answer = await half(...ways[i % ways.length]!(text));
        const [headers = "", body] = answer.split("\r\n\r\n");
        if (headers.startsWith("HTTP/1.1 202 ")) assert.ok(payments.find(JSON.parse(text).correlationId));
        else if (headers.startsWith("HTTP/1.1 2") && body === "") assert.match(headers, /\r\nContent-Length: 1\r\n/);
        else if (i % ways.length < 4) assert.doesNotMatch(headers, /^HTTP\/1\.1 2/);
      }
    }),
);

Deno.test(
  "behind Caddy, requests sent all at once are answered one after the other, each once",
  proxied,
  () =>
    withCaddy(async ({ port }, behind) => {
      const ids = Array.from({ length: 100 }, () => crypto.randomUUID());
      const requests = ids.map((correlationId) => {
        const text = JSON.stringify({ correlationId, amount: 1 });
        return `${POST}Content-Length: ${text.length}\r\n\r\n${text}`;
      });
      const answers = (await talk({ port }, requests.join(""))).matchAll(/HTTP\/1\.1 (\d+) .*?\r\nLocation: (\S+)/gs);
      assert.deepEqual(
        [...answers].map(([, code, location]) => [code, location]),
        ids.map((id) => ["202", `/payments/${id}`]),
      );
      assert.equal(behind.asked, 100);
    }),
);

Deno.test(
  "behind Caddy, the answer is a problem while no replica is there",
  proxied,
  () =>
    withCaddy(async ({ url }, behind) => {
      await behind.stop();
      const answer = await fetch(`${url}/livez`);
      assert.equal(answer.headers.get("retry-after"), "1");
      assert.equal(answer.headers.get("content-type"), "application/problem+json");
      const { type, status, title } = await answer.json();
      assert.deepEqual([type, status, title], ["/problems/unavailable", answer.status, PROBLEMS.unavailable[1]]);
      assert.equal(status, 503);
    }),
);

Deno.test(
  "behind Caddy, a payment that a dying replica dropped is sent to another one, and a purge is not",
  proxied,
  () => {
    let dropped = 0;
    const drop = async (connection: Deno.Conn) => {
      await connection.read(new Uint8Array(1_000));
      dropped++;
      connection.close();
    };
    return withCaddy(async ({ url }, behind) => {
      const headers = { "content-type": "application/json" };
      while (dropped === 0) {
        const answer = await fetch(`${url}/payments`, { method: "POST", headers, body: paymentText() });
        await answer.text();
        assert.equal(answer.status, 202);
      }
      const asked = behind.asked;
      let purges = 0;
      // Caddy passes a replica over for a second after a failure
      for (const before = dropped; dropped === before; purges++) {
        await (await fetch(`${url}/purge-payments`, { method: "POST" })).text();
      }
      assert.equal(behind.asked, asked + purges - 1);
    }, drop);
  },
);

// with a peer that is away it also tries for that one's lock, again and again
for (const replicas of ["a", "a,b"]) {
  Deno.test(
    `a replica of ${replicas} that has run out of open files takes connections again`,
    real,
    () => outOfFiles(replicas),
  );
}

async function outOfFiles(replicas: string): Promise<void> {
  using temp = new TempFolder();
  const folder = temp.path;
  // a dead processor: what is accepted stays where it is
  const processors = { PROCESSOR_DEFAULT_URL: "http://127.0.0.1:1", PROCESSOR_FALLBACK_URL: "http://127.0.0.1:1" };
  const operations = freePort();
  const replica = new Deno.Command("sh", {
    args: ["-c", 'ulimit -n 128; exec "$0" run -A --quiet main.ts replica --parent', Deno.execPath()],
    cwd: new URL("../..", import.meta.url),
    env: {
      ...{ DATA_DIR: folder, REPLICAS: replicas, LISTEN: "127.0.0.1:0", OPS_LISTEN: `${operations}` },
      ...{ LOG_LEVEL: "error", ...processors },
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const read = async (from: ReadableStream<Uint8Array>) => {
    const reader = from.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    return new TextDecoder().decode(value);
  };
  const connections: Deno.Conn[] = [];
  try {
    const url = /http:\S+/.exec(await read(replica.stdout))![0];
    const headers = { "content-type": "application/json" };
    assert.equal(await statusOf(fetch(`${url}/payments`, { method: "POST", headers, body: TEXT })), 202);
    const port = Number(new URL(url).port);
    const troubled = read(replica.stderr);
    for (let i = 0; i < 200; i++) {
      const to = i % 2 ? port : operations;
      await Deno.connect({ port: to, hostname: "127.0.0.1" }).then((more) => connections.push(more), () => {});
    }
    assert.match(await troubled, /cannot accept connections, tries again.*Too many open files/);
    assert.equal(await within(systemClock, LOCK_TRIES_MS, replica.status), undefined);
    for (const connection of connections.splice(0)) connection.close();
    for (const where of [url, `http://127.0.0.1:${operations}`]) {
      await until(() => statusOf(fetch(`${where}/payments/${ID}`)).then((status) => status === 200, () => false));
    }
  } finally {
    for (const connection of connections) connection.close();
    replica.kill("SIGKILL");
    await Promise.all([replica.status, replica.stdout.cancel(), replica.stderr.cancel(), replica.stdin.abort()]);
  }
}
