/** The client against Node's own, whose parser (llhttp) is what half of the world reads answers with. @module */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import fc from "fast-check";
import { HttpPool } from "../../src/processor/http.ts";
import { needs } from "../support/permissions.ts";
import { anyAnswer, verdict, wire } from "./made_answer.ts";

const net = needs("net");
const LATIN1 = new TextDecoder("latin1");
/** a request that takes this long, in milliseconds, never ends */
const TIMEOUT_MS = 10_000;
/** In tests that wait for the timeout. */
const SHORT_MS = 100;
const RUNS = 3_000;

/** What becomes of an answer after which the server closes the connection. */
interface Verdict {
  readonly status: number | undefined;
  /** of a body that came to its end */
  readonly text?: string;
  /** why there is none: it is no HTTP, or more was to come */
  readonly fault?: "invalid" | "unfinished";
}

/** A server that sends what a test says, in pieces, to every client, and then ends the connection or not. */
class Answering implements AsyncDisposable {
  pieces: readonly string[] = [];
  ends = true;
  connections = 0;
  #open = 0;
  #empty = Promise.withResolvers<void>();
  /** what came last, as Latin-1 */
  asked = "";
  readonly #server = createServer((socket) => {
    socket.on("error", () => {/* the client is gone */});
    this.connections++;
    this.#open++;
    socket.on("close", () => --this.#open === 0 && this.#empty.resolve());
    socket.on("data", (chunk) => {
      this.asked = chunk.toString("latin1");
      this.#send(socket, [...this.pieces]);
    });
  });

  async start(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  /** Waits until both sides of every connection have closed it. */
  async empty(): Promise<void> {
    if (this.#open === 0) return;
    this.#empty = Promise.withResolvers<void>();
    await this.#empty.promise;
  }

  #send(socket: Socket, pieces: string[]): void {
    const piece = pieces.shift();
    if (piece === undefined || socket.destroyed) return void (this.ends && socket.end());
    socket.write(Buffer.from(piece, "latin1"), () => setImmediate(() => this.#send(socket, pieces)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }
}

/** Node drops a whole answer's body where bytes follow that are none: then the status is all there is to compare. */
function askNode(url: URL): Promise<Verdict> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = [];
    let answer: IncomingMessage | undefined;
    const end = (error?: Error & { code?: string }) => {
      const status = answer?.statusCode;
      if (answer?.complete) resolve(error ? { status } : { status, text: LATIN1.decode(Buffer.concat(chunks)) });
      else resolve({ status, fault: error?.code?.startsWith("HPE_") ? "invalid" : "unfinished" });
    };
    const asked = request(url, { agent: false, headers: { connection: "keep-alive" } }, (incoming) => {
      answer = incoming;
      incoming.on("data", (chunk: Uint8Array) => chunks.push(chunk)).on("error", end).on("end", end);
    });
    asked.on("error", end).end();
  });
}

async function ask(pool: HttpPool): Promise<Verdict> {
  const { status, text, error } = await pool.request("GET", "/");
  if (error === undefined) return { status, text };
  // what is longer than a processor's answer may be is given up before its end
  return { status, fault: /^(the connection was closed|an answer over .*)$/.test(error) ? "unfinished" : "invalid" };
}

/** In most cases one of the usual values, else one of the others. */
const mostly = <T>(usual: readonly T[], ...others: T[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...usual) }, fc.constantFrom(...usual, ...others));
const text = fc.string({ unit: fc.constantFrom(..."ab0\r\n:;é\xff{} "), maxLength: 24 });
const before = mostly(["", " "], "\t", "  ", " \t ");
const after = mostly([""], " ", "\t", "  ");
const statusLines = mostly(
  ["HTTP/1.1 200 OK", "HTTP/1.1 500 Internal Server Error", "HTTP/1.1 422", "HTTP/1.1 404 ", "HTTP/1.1 299 é\t:"],
  ...["HTTP/1.0 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 304 X", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK"],
  ...[
    "HTTP/1.1  200 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2000 OK",
    "http/1.1 200 OK",
    "HTTP/1.2 200 OK",
    "HTTP/3.0 200 OK",
  ],
  ...[" HTTP/1.1 200 OK", "HTTP/1.1 200OK", "ICY 200 OK", "HTTP/1.1 099 X", "HTTP/1.1\t200 OK"],
);
const fields = fc.tuple(
  mostly(["Date", "date", "x_y!", "Connection", "CONNECTION", "X-Content-Length"], "", "a b", "a\tb", "(x)", "Date "),
  before,
  mostly(
    ["", "a:b", "é", "close", "keep-alive", "Keep-Alive, close"],
    "a\x01",
    "a\x7f",
    "a\r\n b",
    "a\r\n\tb",
    "z\r\n",
  ),
  after,
).map(([name, before, value, after]) => `${name}:${before}${value}${after}`);
const lengths = fc.tuple(
  text,
  mostly(["Content-Length", "content-length", "CONTENT-LENGTH"], "Content-Length ", "Content-Length\t"),
  before,
  mostly(["", "00"], "+", "-", "0x", "1,", ","),
  mostly([0], 1, -1, 0.5, 1e20),
  after,
).map(([body, name, before, sign, off, after]) =>
  [[`${name}:${before}${sign}${body.length + off}${after}`], body] as const
);
const sizes = fc.tuple(
  mostly(["", "0", "0000000"], "+", " ", "0x"),
  fc.boolean(),
  mostly(["", ";a", ";a=b", ';a="b c"', ";a;b=c"], " ", ";", " ;a", "; a", ";a=", ';a="', ";a b", ";\x01", "\t"),
).map(([zeros, upper, extension]) => (length: number) => {
  const digits = length.toString(16);
  return `${zeros}${upper ? digits.toUpperCase() : digits}${extension}\r\n`;
});
const chunked = fc.tuple(
  fc.array(fc.tuple(text, sizes, mostly(["\r\n"], "", "\n", "\r\r", "x\r\n")), { maxLength: 3 }),
  sizes,
  fc.array(fields, { maxLength: 1 }),
  fc.tuple(
    before,
    mostly(["chunked", "Chunked", "gzip, chunked", "gzip,chunked"], "chunked, gzip", "chunkedx", "gzip", "chunked,"),
    after,
  ),
).map(([chunks, last, trailers, coding]) => {
  const body = chunks.map(([data, size, end]) => data && `${size(data.length)}${data}${end}`).join("");
  const end = [...trailers, ""].map((trailer) => `${trailer}\r\n`).join("");
  return [[`Transfer-Encoding:${coding.join("")}`], `${body}${last(0)}${end}`] as const;
});
/** A body and the fields that say where it ends, well or badly. */
const framed = fc.oneof(
  { weight: 4, arbitrary: lengths },
  { weight: 4, arbitrary: chunked },
  text.map((body) => [[] as string[], body] as const),
  fc.tuple(lengths, fc.oneof(lengths, chunked)).map(([[some, body], [others]]) =>
    [[...some, ...others], body] as const
  ),
);
const interim = mostly(
  ["", "\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"],
  "\n",
  "HTTP/1.1 102 X\r\nContent-Length: 2\r\n\r\n",
  "HTTP/1.1 199 X\r\nTransfer-Encoding: chunked\r\n\r\n",
);
const generated = fc.tuple(interim, statusLines, fc.array(fields, { maxLength: 2 }), framed, mostly([""], "\r\n", "x"))
  .map(([first, status, others, [framing, body], more]) =>
    `${first}${[status, ...others, ...framing].join("\r\n")}\r\n\r\n${body}${more}`
  );
/** A letter or none, in place of some. */
const mutation = fc.tuple(fc.nat(200), fc.nat(2), fc.constantFrom(..."\r\n \t:,;0a\0\x7f\xe9", "", "\r\n"));
const seldom = <T>(some: fc.Arbitrary<T[]>) => fc.oneof({ weight: 3, arbitrary: fc.constant<T[]>([]) }, some);
const places = fc.array(fc.nat(200), { minLength: 1, maxLength: 2 });

/** The pieces of a text between places in it. */
function cutAt(text: string, places: readonly number[]): string[] {
  const edges = [0, ...places.map((at) => at % (text.length + 1)).sort((a, b) => a - b), text.length];
  return edges.slice(1).map((end, i) => text.slice(edges[i], end)).filter((piece) => piece);
}

/** The pieces that an answer comes in, whole or in part. */
const answers = fc.tuple(generated, seldom(fc.array(mutation, { minLength: 1, maxLength: 2 })), seldom(places), places)
  .map(
    ([answer, mutations, [broken], cuts]) => {
      for (const [at, removed, inserted] of mutations) {
        const place = at % (answer.length + 1);
        answer = answer.slice(0, place) + inserted + answer.slice(place + removed);
      }
      // the one thing that llhttp lets pass and RFC 9112 does not: a status line that ends with two carriage returns
      answer = answer.replaceAll(/(HTTP[^\r\n]*\r)\r/g, "$1\n");
      if (broken !== undefined) answer = answer.slice(0, broken % (answer.length + 1));
      return cutAt(answer, cuts);
    },
  );

Deno.test(
  "an answer is whole, invalid or unfinished as it is to Node's parser, with the same status and body",
  net,
  async () => {
    await using server = new Answering();
    const url = await server.start();
    const pool = new HttpPool(url, 1, TIMEOUT_MS);
    const seen = new Map<string, number>();
    try {
      await fc.assert(
        fc.asyncProperty(answers, async (pieces) => {
          server.pieces = pieces;
          const expected = await askNode(url);
          const kind = expected.fault ?? "whole";
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
          const { text, ...verdict } = await ask(pool);
          // Node sees what is wrong with a line before the line has come as a whole
          const early = expected.fault === "invalid" && verdict.fault === "unfinished" &&
            !pieces.at(-1)?.endsWith("\n");
          if (early) return assert.equal(verdict.status, expected.status);
          assert.deepEqual("text" in expected ? { ...verdict, text } : verdict, expected, JSON.stringify(pieces));
        }),
        { numRuns: RUNS, seed: 1 },
      );
    } finally {
      pool.close();
    }
    for (const kind of ["whole", "invalid", "unfinished"]) {
      assert.ok(seen.get(kind)! > RUNS / 30, `${seen.get(kind)} were ${kind}`);
    }
  },
);

/** Where an answer is cut into pieces: bytes of their own around its first ones, and anywhere. */
const cuts = fc.oneof(
  fc.array(fc.nat(100_000), { maxLength: 5 }),
  fc.array(fc.nat(300), { maxLength: 12 }),
  fc.tuple(fc.nat(300), fc.integer({ min: 2, max: 60 })).map(([from, count]) =>
    Array.from({ length: count }, (_, n) => from + n)
  ),
);

Deno.test(
  "an answer is read as it was made, however it is cut into pieces, and its connection is used again if it may be",
  net,
  async () => {
    await using server = new Answering();
    const url = await server.start();
    await fc.assert(
      fc.asyncProperty(anyAnswer, cuts, fc.boolean(), async (made, cuts, closes) => {
        const [pool, before] = [new HttpPool(url, 1, TIMEOUT_MS), server.connections];
        try {
          server.pieces = cutAt(wire(made), cuts);
          server.ends = closes || made.endless;
          assert.deepEqual(await pool.request("GET", "/"), verdict(made));
          const again = made.keeps && !server.ends;
          if (!again) await server.empty();
          [server.pieces, server.ends] = [["HTTP/1.1 204\r\n\r\n"], false];
          const next = { status: 204, text: "", retryAfter: undefined, sent: true, error: undefined };
          assert.deepEqual(await pool.request("POST", "/", "€"), next);
          assert.equal(server.connections - before, again ? 1 : 2);
        } finally {
          pool.close();
          await server.empty();
        }
      }),
      { numRuns: RUNS },
    );
  },
);

Deno.test("an answer that is cut off ends with the part that came, and an error", net, async () => {
  await using server = new Answering();
  const url = await server.start();
  const pool = new HttpPool(url, 1, TIMEOUT_MS);
  const some = anyAnswer.chain((made) => fc.tuple(fc.constant(made), fc.nat(wire(made).length - 1), cuts));
  try {
    await fc.assert(
      fc.asyncProperty(some, async ([made, length, cuts]) => {
        server.pieces = cutAt(wire(made).slice(0, length), cuts);
        assert.deepEqual(await pool.request("GET", "/"), verdict(made, length));
        await server.empty();
      }),
      { numRuns: RUNS },
    );
  } finally {
    pool.close();
  }
});

/** Asks once for each answer, over connections that the server leaves open. */
async function askOpen(
  answers: readonly string[],
  check: (pool: HttpPool, answer: string) => Promise<void>,
): Promise<number> {
  await using server = new Answering();
  const pool = new HttpPool(await server.start(), 1, TIMEOUT_MS);
  server.ends = false;
  try {
    for (const answer of answers) {
      server.pieces = [answer];
      await check(pool, answer);
    }
  } finally {
    pool.close();
  }
  return server.connections;
}

const head = (...lines: string[]) => ["HTTP/1.1 200 OK", ...lines, "", ""].join("\r\n");

Deno.test("a valid but unusual answer is read at once, and the connection is used again", net, async () => {
  const answers = [
    `${head("Transfer-Encoding: chunked")}2\r\nok\r\n00000000\r\n\r\n`,
    `${head("Transfer-Encoding:chunked")}0002;a=b;c="d e"\r\nok\r\n0;x\r\nX-Sum:\t1\r\n\r\n`,
    `${head("transfer-encoding: Chunked")}1\r\no\r\n1\r\nk\r\n0\r\n\r\n`,
    `${head("Content-Length:\t2")}ok`,
    `${head("CONTENT-LENGTH:  002  ", "Empty:", "X:\té")}ok`,
    `\r\n\r\n${head("content-length:2")}ok`,
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n${head("Content-Length: 2")}ok`,
    "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
  ];
  const connections = await askOpen(answers, async (pool, answer) => {
    assert.deepEqual(await pool.request("GET", "/"), {
      status: 200,
      text: "ok",
      retryAfter: undefined,
      sent: true,
      error: undefined,
    }, answer);
  });
  assert.equal(connections, 1);
});

Deno.test("bytes that cannot become an answer end the call at once, whatever more might come", net, async () => {
  const answers: [string, number | undefined][] = [
    ["HTTP/1.1 200 OK\nContent-Length: 2\n\nok", undefined],
    ["SSH-2.0-x", undefined],
    [head("Content-Length: 2", "Content-Length: 2"), undefined],
    [head("Content-Length: 2", "Transfer-Encoding: chunked"), undefined],
    [head("Content-Length: 2, 2"), undefined],
    [head("Content-Length: -1"), undefined],
    [head("Content-Length:"), undefined],
    [head("Folded: a", " b", "Content-Length: 2"), undefined],
    [head("No Token: x"), undefined],
    ["HTTP/1.1 101 Switching Protocols\r\n\r\n", undefined],
    [`${head("Transfer-Encoding: chunked")}x\r\n`, 200],
    [`${head("Transfer-Encoding: chunked")}1\r\nok\r\n`, 200],
  ];
  const statusOf = new Map(answers);
  const connections = await askOpen(answers.map(([answer]) => answer), async (pool, answer) => {
    const { status, error } = await pool.request("GET", "/");
    assert.equal(status, statusOf.get(answer), answer);
    assert.notEqual(error, undefined, answer);
  });
  assert.equal(connections, answers.length);
});

Deno.test("a connection is not used again where more came than was asked for", net, async () => {
  const answers = ["x", "HTTP/1.1", head("Content-Length: 2"), `${head("Content-Length: 2")}no`].map((more) =>
    `${head("Content-Length: 2")}ok${more}`
  );
  const connections = await askOpen(answers, async (pool) => {
    assert.equal((await pool.request("GET", "/")).text, "ok");
  });
  assert.equal(connections, answers.length);
});

Deno.test("a call keeps to its time where it begins after a while without calls", net, async () => {
  await using server = new Answering();
  server.ends = false;
  server.pieces = [head("Content-Length: 0")];
  const url = await server.start();
  const [used, other] = [new HttpPool(url, 1, SHORT_MS), new HttpPool(url, 1, SHORT_MS)];
  try {
    assert.equal((await used.request("GET", "/")).status, 200);
    server.pieces = [];
    const ended: string[] = [];
    const asks = async (pool: HttpPool, times: number) => {
      for (let n = 0; n < times; n++) ended.push(`${times}: ${(await pool.request("GET", "/")).error}`);
    };
    // until this ends the first pool has looked at its connections, and seen that it has no call
    await asks(other, 1);
    await Promise.all([asks(used, 1), asks(other, 9)]);
    const late = `no answer within ${SHORT_MS} ms`;
    assert.deepEqual([ended[0], ended.at(-1)], [`1: ${late}`, `9: ${late}`]);
  } finally {
    for (const pool of [used, other]) pool.close();
  }
});

Deno.test(
  "nothing of a call leaves after its time, also where the process stands still while it connects",
  net,
  async () => {
    await using server = new Answering();
    server.pieces = [head("Content-Length: 0")];
    const url = await server.start();
    const socket = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
    const { connect } = Deno;
    const connected = Promise.withResolvers<Deno.TcpConn>();
    const pool = new HttpPool(url, 1, SHORT_MS);
    try {
      Object.assign(Deno, { connect: () => connected.promise });
      const call = pool.request("POST", "/payments", "{}");
      // no timer of this process runs meanwhile
      for (const startMs = performance.now(); performance.now() < startMs + SHORT_MS;);
      connected.resolve(socket);
      const { sent, status } = await call;
      assert.deepEqual([sent, status], [false, undefined]);
    } finally {
      Object.assign(Deno, { connect });
      pool.close();
    }
    await server.empty();
    assert.equal(server.asked, "");
  },
);

for (
  const [hint, idleMs, uses] of [
    ["Keep-Alive: timeout=3", 2_000, Infinity],
    ["keep-alive: max=100, Timeout=60", 30_000, Infinity],
    ['KEEP-ALIVE: timeout = "1"', 500, Infinity],
    ["Keep-Alive: timeout=0", 0, 1],
    ["Keep-Alive: timeout=3, max=0", 0, 1],
    ["Keep-Alive: max=2", 30_000, 3],
    ["Connection: close", 0, 1],
    ["Keep-Alive: x", 30_000, Infinity],
  ] as const
) {
  Deno.test(`a connection is not used again later or oftener than the server says: ${hint}`, net, async () => {
    await using server = new Answering();
    server.ends = false;
    server.pieces = [head(hint, "Content-Length: 0")];
    const { now } = performance;
    let aheadMs = 0;
    performance.now = () => now.call(performance) + aheadMs;
    const pool = new HttpPool(await server.start(), 1, TIMEOUT_MS);
    const ask = async (count: number) => {
      for (let n = 0; n < count; n++) assert.equal((await pool.request("GET", "/")).status, 200);
      return server.connections;
    };
    try {
      assert.equal(await ask(6), Math.max(1, 6 / uses));
      const { connections } = server;
      if (uses > 6) {
        aheadMs = idleMs / 2;
        assert.equal(await ask(1), connections);
        aheadMs += idleMs + 1;
        assert.equal(await ask(1), connections + 1);
      }
    } finally {
      performance.now = now;
      pool.close();
    }
  });
}

for (const [count, length] of [[0, 0], [30, 0], [31, 0], [32, 0], [2_000, 0], [1, 60_000]] as const) {
  Deno.test(`the headers of an answer are read beside ${count} other fields of ${length} bytes`, net, async () => {
    await using server = new Answering();
    server.ends = false;
    const said = ["Retry-After: 7", "Keep-Alive: max=1", "Content-Length: 2"];
    const others = Array.from({ length: count }, (_, n) => `Set-Cookie: a${n}=${"x".repeat(length)}`);
    const pool = new HttpPool(await server.start(), 1, TIMEOUT_MS);
    try {
      for (const lines of [[...said, ...others], [...others, ...said]]) {
        server.pieces = [`${head(...lines)}ok`];
        const { connections } = server;
        for (let n = 0; n < 2; n++) {
          const { text, retryAfter, error } = await pool.request("GET", "/");
          assert.deepEqual({ text, retryAfter, error }, { text: "ok", retryAfter: "7", error: undefined });
        }
        assert.equal(server.connections, connections + 1);
      }
      // nothing is left of an earlier answer
      server.pieces = [`${head("Content-Length: 2")}ok`];
      for (let n = 0; n < 3; n++) assert.equal((await pool.request("GET", "/")).retryAfter, undefined);
    } finally {
      pool.close();
    }
  });
}

Deno.test("the length of a request's body is that of its bytes", net, async () => {
  await using server = new Answering();
  server.pieces = [`${head("Content-Length: 0")}`];
  const pool = new HttpPool(await server.start(), 1, TIMEOUT_MS);
  try {
    await pool.request("POST", "/", "€é😀");
    assert.match(server.asked, /\r\ncontent-length: 9\r\n\r\n.{9}$/s);
  } finally {
    pool.close();
  }
});
