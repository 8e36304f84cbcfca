/** The stand-in processor against CONTRACT.md, over HTTP. @module */
import assert from "node:assert/strict";
import { type StandIn, startStandIn } from "../../src/local/standin.ts";
import { needs } from "../support/permissions.ts";
import { standInOf } from "../support/standins.ts";
import { until } from "../support/until.ts";

const net = needs("net");
const AT = "2025-07-01T12:00:00.000Z";
const TOKEN = { "x-rinha-token": "123" };

const start = () => standInOf("default");

function bodyOf(id: string, amount: number | string = 19.9, requestedAt = AT): string {
  return JSON.stringify({ correlationId: id, amount, requestedAt });
}

/** Status and body of an answer. */
async function call(url: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

async function pay({ url }: StandIn, id: string, amount: number | string = 19.9, requestedAt = AT): Promise<number> {
  return (await call(`${url}/payments`, { method: "POST", body: bodyOf(id, amount, requestedAt) })).status;
}

async function put({ url }: StandIn, name: string, body: unknown, headers = TOKEN): Promise<number> {
  const init = { method: "PUT", headers, body: JSON.stringify(body) };
  return (await call(`${url}/admin/configurations/${name}`, init)).status;
}

async function summary({ url }: StandIn, query = ""): Promise<unknown> {
  return (await call(`${url}/admin/payments-summary${query}`, { headers: TOKEN })).body;
}

/** Sends a payment on a connection of its own and leaves without waiting for the answer. */
async function payAndLeave(standIn: StandIn, id: string): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: standIn.port });
  const body = bodyOf(id);
  await connection.write(
    new TextEncoder().encode(`POST /payments HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
  );
  await until(() => standIn.books.delivered.has(id));
  connection.close();
}

Deno.test("a payment is booked, answered 200 and found", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  const answer = await call(`${standIn.url}/payments`, { method: "POST", body: bodyOf(id) });
  assert.deepEqual(answer, { status: 200, body: { message: "payment processed successfully" } });
  assert.deepEqual(await call(`${standIn.url}/payments/${id}`), {
    status: 200,
    // as the real one may: without a zone
    body: { correlationId: id, amount: 19.9, requestedAt: "2025-07-01T12:00:00.000" },
  });
  assert.deepEqual([standIn.books.booked.size, standIn.books.totals.all.cents, standIn.books.booked.get(id)?.cents], [
    1,
    1990,
    1990,
  ]);
});

Deno.test("a repeated id is answered 422 and booked once, under what came first", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  assert.equal(await pay(standIn, id), 200);
  assert.equal(await pay(standIn, id, 5, "2025-07-01T13:00:00.000Z"), 422);
  assert.equal(await pay(standIn, id.toUpperCase()), 422);
  assert.deepEqual([standIn.books.booked.size, standIn.books.totals.all.cents, standIn.books.deliveries], [1, 1990, 3]);
  assert.equal(standIn.books.booked.get(id)!.requestedAt, AT);
});

Deno.test("amounts are rounded to two decimals", net, async () => {
  await using standIn = await start();
  const [up, down] = [crypto.randomUUID(), crypto.randomUUID()];
  assert.equal(await pay(standIn, up, 19.906), 200);
  assert.equal(await pay(standIn, down, 19.904), 200);
  assert.deepEqual([standIn.books.booked.get(up)?.cents, standIn.books.booked.get(down)?.cents], [1991, 1990]);
  const half = crypto.randomUUID();
  assert.equal(await pay(standIn, half, 1.005), 200);
  assert.equal(standIn.books.booked.get(half)?.cents, 101);
});

Deno.test("an unknown id is answered 404, and so is an unknown path", net, async () => {
  await using standIn = await start();
  assert.equal((await call(`${standIn.url}/payments/${crypto.randomUUID()}`)).status, 404);
  assert.equal((await call(`${standIn.url}/nothing`)).status, 404);
  assert.equal((await call(`${standIn.url}/payments`)).status, 404);
});

Deno.test("what is no payment is answered 400 and booked nowhere", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  const bodies = ["", "{", "null", "[]", "19.9", "{}", bodyOf("no-uuid"), bodyOf(id, -1), bodyOf(id, "x")];
  bodies.push(bodyOf(id, 0.001), bodyOf(id, 1, "yesterday"), JSON.stringify({ correlationId: id, amount: 1 }));
  bodies.push(JSON.stringify({ correlationId: [id], amount: 1, requestedAt: AT }));
  bodies.push(
    JSON.stringify({ correlationId: id, amount: [1], requestedAt: AT }),
    `${bodyOf(id)}${" ".repeat(20_000)}`,
  );
  // at once, not after the delay: it is no payment
  standIn.setDelay(60_000);
  for (const body of bodies) {
    const { status } = await call(`${standIn.url}/payments`, { method: "POST", body });
    assert.equal(status, 400, `${body.slice(0, 80)}`);
  }
  assert.deepEqual([standIn.books.booked.size, standIn.books.deliveries], [0, 0]);
});

Deno.test("a target that is no URL is answered 400 and stops nothing", net, async () => {
  await using standIn = await start();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: standIn.port });
  await connection.write(new TextEncoder().encode("GET //[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
  const text = await new Response(connection.readable).text();
  assert.match(text, /^HTTP\/1\.1 40[04] /);
  assert.equal(await pay(standIn, crypto.randomUUID()), 200);
});

Deno.test("a failing processor answers 500 and books nothing, and still finds what it has booked", net, async () => {
  await using standIn = await start();
  const [booked, refused] = [crypto.randomUUID(), crypto.randomUUID()];
  assert.equal(await pay(standIn, booked), 200);
  standIn.setFailing(true);
  assert.equal(await pay(standIn, refused), 500);
  assert.equal(await pay(standIn, booked), 500);
  standIn.setDelay(60_000);
  assert.equal((await call(`${standIn.url}/payments/${booked}`)).status, 200);
  assert.equal((await call(`${standIn.url}/payments/${refused}`)).status, 404);
  assert.equal(standIn.books.booked.size, 1);
});

Deno.test("whether it fails is decided after the delay", net, async () => {
  await using standIn = await start();
  const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
  standIn.setDelay(400);
  standIn.setFailing(true);
  const healed = pay(standIn, first);
  await until(() => standIn.books.deliveries === 1);
  assert.equal(standIn.books.booked.size, 0);
  standIn.setFailing(false);
  assert.equal(await healed, 200);
  const broken = pay(standIn, second);
  await until(() => standIn.books.deliveries === 2);
  standIn.setFailing(true);
  assert.equal(await broken, 500);
  assert.equal(standIn.books.booked.size, 1);
});

Deno.test("a payment is booked although its caller has left", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  standIn.setDelay(100);
  await payAndLeave(standIn, id);
  await until(() => standIn.books.booked.size === 1);
  assert.equal(standIn.books.booked.get(id)?.cents, 1990);
});

Deno.test(
  "800 run and 500 wait for their whole delay, also when the callers have left; the next are turned away",
  net,
  async () => {
    await using standIn = await start();
    standIn.setDelay(600_000);
    const leave = new AbortController();
    const init = () => ({ method: "POST", body: bodyOf(crypto.randomUUID()), signal: leave.signal });
    const held = Array.from({ length: 1_300 }, () => fetch(`${standIn.url}/payments`, init()).catch(() => "left"));
    await until(() => standIn.books.deliveries === 1_300);
    assert.equal(await pay(standIn, crypto.randomUUID()), 429);
    leave.abort();
    assert.deepEqual(new Set(await Promise.all(held)), new Set(["left"]));
    assert.equal(await pay(standIn, crypto.randomUUID()), 429);
    assert.deepEqual([standIn.books.booked.size, standIn.books.deliveries], [0, 1_300]);
  },
);

Deno.test(
  "health is answered at once, then to two calls that wait, and refused with Retry-After to more",
  net,
  async () => {
    await using standIn = await start();
    standIn.setDelay(42);
    standIn.setFailing(true);
    const health = `${standIn.url}/payments/service-health`;
    assert.deepEqual(await call(health), { status: 200, body: { failing: true, minResponseTime: 42 } });
    const leave = new AbortController();
    const others = Array.from({ length: 3 }, () => fetch(health, { signal: leave.signal }));
    // whichever came last is the only one that has an answer
    const refused = await Promise.race(others);
    assert.equal(refused.status, 429);
    assert.match(refused.headers.get("retry-after")!, /^[1-5]$/);
    await refused.body?.cancel();
    leave.abort();
    const ends = await Promise.allSettled(others);
    assert.equal(ends.filter(({ status }) => status === "rejected").length, 2);
  },
);

Deno.test("the summary counts both ends, and everything where either is missing", net, async () => {
  await using standIn = await start();
  for (const at of ["12:00:00.000", "12:00:00.001", "12:00:01.000"]) {
    assert.equal(await pay(standIn, crypto.randomUUID(), 19.9, `2025-07-01T${at}Z`), 200);
  }
  const total = (count: number, amount: number, fee: number) => ({
    totalRequests: count,
    totalAmount: amount,
    totalFee: fee,
    feePerTransaction: 0.05,
  });
  const window = (from: string, to: string) => summary(standIn, `?from=2025-07-01T${from}Z&to=2025-07-01T${to}Z`);
  assert.deepEqual(await window("12:00:00.000", "12:00:00.001"), total(2, 39.8, 1.99));
  assert.deepEqual(await window("12:00:00.001", "12:00:01.000"), total(2, 39.8, 1.99));
  assert.deepEqual(await window("12:00:00.002", "12:00:00.999"), total(0, 0, 0));
  assert.deepEqual(await window("12:00:01.000", "12:00:00.000"), total(0, 0, 0));
  const all = total(3, 59.7, 2.99);
  assert.deepEqual(await summary(standIn), all);
  assert.deepEqual(await summary(standIn, "?from=2025-07-01T12:00:01.000Z"), all);
  assert.deepEqual(await summary(standIn, "?to=2025-07-01T11:00:00.000Z"), all);
  // without a zone it is UTC
  assert.deepEqual(await summary(standIn, "?from=2025-07-01T12:00:01&to=2025-07-01T12:00:01"), total(1, 19.9, 1));
});

Deno.test("a time without a zone is in UTC when it is booked, too", net, async () => {
  await using standIn = await start();
  assert.equal(await pay(standIn, crypto.randomUUID(), 1, "2025-07-01T12:00:00"), 200);
  const at = Date.UTC(2025, 6, 1, 12);
  assert.deepEqual(standIn.books.totals.window(at, at), { count: 1, cents: 100 });
});

Deno.test("the admin API wants the token, which can be changed: 401, 200, 204", net, async () => {
  await using standIn = await start();
  const summaryUrl = `${standIn.url}/admin/payments-summary`;
  const wrong = { "x-rinha-token": "124" };
  assert.equal((await call(summaryUrl)).status, 401);
  assert.equal((await call(summaryUrl, { headers: wrong })).status, 401);
  assert.equal(await put(standIn, "delay", { delay: 5 }, wrong), 401);
  assert.equal((await call(`${standIn.url}/admin/purge-payments`, { method: "POST" })).status, 401);
  assert.equal(await put(standIn, "delay", { delay: 0 }), 200);
  assert.equal(await put(standIn, "failure", { failure: true }), 200);
  assert.equal(await pay(standIn, crypto.randomUUID()), 500);
  assert.equal(await put(standIn, "token", { token: "124" }), 204);
  assert.equal((await call(summaryUrl, { headers: TOKEN })).status, 401);
  assert.equal((await call(summaryUrl, { headers: wrong })).status, 200);
});

Deno.test("a setting that is not valid is answered 400 and changes nothing", net, async () => {
  await using standIn = await start();
  for (const body of [{}, { delay: "5" }, { delay: -1 }, { delay: 2 ** 31 }, null]) {
    assert.equal(await put(standIn, "delay", body), 400);
  }
  for (const body of [{}, { failure: 1 }, { failure: "true" }]) assert.equal(await put(standIn, "failure", body), 400);
  for (const body of [{}, { token: "" }, { token: 5 }]) assert.equal(await put(standIn, "token", body), 400);
  for (const body of [{}, { fault: "fire" }, { fault: "none", probability: 2 }, { fault: "refuse", forMs: -1 }]) {
    assert.equal(await put(standIn, "fault", body), 400);
  }
  assert.equal(await pay(standIn, crypto.randomUUID()), 200);
});

Deno.test("a purge empties the books and answers 200", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  assert.equal(await pay(standIn, id), 200);
  const purge = await call(`${standIn.url}/admin/purge-payments`, { method: "POST", headers: TOKEN });
  assert.equal(purge.status, 200);
  assert.deepEqual([standIn.books.booked.size, standIn.books.totals.all.cents, standIn.books.deliveries], [0, 0, 0]);
  assert.equal((await call(`${standIn.url}/payments/${id}`)).status, 404);
  assert.equal(await pay(standIn, id), 200);
});

Deno.test("book-then-drop books and drops the connection", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  await standIn.setFault({ fault: "book-then-drop" });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: standIn.port });
  const body = bodyOf(id);
  const head = `POST /payments HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head + body));
  // whether the end comes as a FIN or as a reset: not one byte of an answer
  const bytes = await connection.read(new Uint8Array(16)).catch(() => null);
  connection.close();
  assert.equal(bytes, null);
  assert.deepEqual([standIn.books.booked.get(id)?.cents, standIn.books.deliveries], [1990, 1]);
});

Deno.test("book-then-500 books and answers 500, until the fault is switched off", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  assert.equal(await put(standIn, "fault", { fault: "book-then-500" }), 200);
  assert.equal(await pay(standIn, id), 500);
  assert.equal(standIn.books.booked.get(id)?.cents, 1990);
  assert.equal(await put(standIn, "fault", { fault: "none" }), 200);
  assert.equal(await pay(standIn, id), 422);
});

Deno.test("never-answer takes the request, books nothing and says nothing until the fault ends", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  await standIn.setFault({ fault: "never-answer" });
  const hanging = pay(standIn, id).catch(() => "dropped");
  await until(() => standIn.books.delivered.get(id) === 1);
  assert.equal((await call(`${standIn.url}/payments/${id}`)).status, 404);
  await standIn.setFault({ fault: "none" });
  await hanging;
  assert.equal(standIn.books.booked.size, standIn.books.delivered.get(id)! - 1);
});

Deno.test("never-answer never books what arrived under it, not even if it ends during the delay", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  standIn.setDelay(50);
  await standIn.setFault({ fault: "never-answer" });
  await payAndLeave(standIn, id);
  await standIn.setFault({ fault: "none" });
  // it began its delay after the other one would have
  assert.equal(await pay(standIn, crypto.randomUUID()), 200);
  assert.deepEqual([standIn.books.booked.get(id)?.cents, standIn.books.booked.size], [undefined, 1]);
});

/** Whether a connection is refused, and by the kernel. */
async function refuses({ port }: StandIn): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return false;
  } catch (error) {
    assert.ok(error instanceof Deno.errors.ConnectionRefused, String(error));
    return true;
  }
}

Deno.test("refuse refuses connections, new and kept ones; none ends it", net, async () => {
  await using standIn = await start();
  assert.equal(await pay(standIn, crypto.randomUUID()), 200);
  await standIn.setFault({ fault: "refuse" });
  assert.equal(await refuses(standIn), true);
  await assert.rejects(pay(standIn, crypto.randomUUID()));
  assert.deepEqual(standIn.books.totals.all, { count: 1, cents: 1990 });
  await standIn.setFault({ fault: "none" });
  assert.equal(await refuses(standIn), false);
  assert.equal(await pay(standIn, crypto.randomUUID()), 200);
});

Deno.test("refuse ends by itself after forMs", net, async () => {
  await using standIn = await start();
  await standIn.setFault({ fault: "refuse", forMs: 100 });
  await until(async () => !await refuses(standIn));
  assert.equal(await pay(standIn, crypto.randomUUID()), 200);
});

Deno.test("refuse over HTTP is answered before it begins, and needs an end", net, async () => {
  await using standIn = await start();
  assert.equal(await put(standIn, "fault", { fault: "refuse" }), 400);
  assert.equal(await refuses(standIn), false);
  assert.equal(await put(standIn, "fault", { fault: "refuse", forMs: 100 }), 200);
  await until(async () => !await refuses(standIn));
  assert.equal(await pay(standIn, crypto.randomUUID()), 200);
});

Deno.test("faults that are switched at once take effect in order", net, async () => {
  await using standIn = await start();
  await Promise.all([
    standIn.setFault({ fault: "refuse" }),
    standIn.setFault({ fault: "none" }),
    standIn.setFault({ fault: "refuse" }),
  ]);
  assert.equal(await refuses(standIn), true);
  await standIn.setFault({ fault: "none" });
  assert.equal(await refuses(standIn), false);
});

Deno.test("a payment under way is booked although connections are refused meanwhile", net, async () => {
  await using standIn = await start();
  standIn.setDelay(100);
  const paying = pay(standIn, crypto.randomUUID()).catch(() => "dropped");
  await until(() => standIn.books.deliveries === 1);
  await standIn.setFault({ fault: "refuse" });
  assert.equal(await paying, "dropped");
  await until(() => standIn.books.booked.size === 1);
});

Deno.test("a fault strikes the same calls for the same seed", net, async () => {
  await using standIn = await start();
  const run = async () => {
    await standIn.setFault({ fault: "book-then-500", probability: 0.5, seed: 7 });
    const statuses: number[] = [];
    for (let n = 0; n < 20; n++) statuses.push(await pay(standIn, crypto.randomUUID()));
    return statuses;
  };
  const first = await run();
  assert.deepEqual(new Set(first), new Set([200, 500]));
  assert.deepEqual(await run(), first);
});

Deno.test("a payment in its delay during a purge is booked after it, as at the real processor", net, async () => {
  await using standIn = await start();
  const id = crypto.randomUUID();
  standIn.setDelay(50);
  const paying = pay(standIn, id);
  await until(() => standIn.books.deliveries === 1);
  assert.equal((await call(`${standIn.url}/admin/purge-payments`, { method: "POST", headers: TOKEN })).status, 200);
  assert.equal(await paying, 200);
  const deliveries = await call(`${standIn.url}/admin/deliveries`, { headers: TOKEN });
  assert.deepEqual(deliveries.body, [{ correlationId: id, delivered: 0, booked: 1, cents: 1990, requestedAt: AT }]);
});

Deno.test("deliveries are counted by id, booked or not", net, async () => {
  await using standIn = await start();
  const [twice, refused] = [crypto.randomUUID(), crypto.randomUUID()];
  await pay(standIn, twice);
  await pay(standIn, twice);
  standIn.setFailing(true);
  await pay(standIn, refused);
  const url = `${standIn.url}/admin/deliveries`;
  const rows = [
    { correlationId: twice, delivered: 2, booked: 1, cents: 1990, requestedAt: AT },
    { correlationId: refused, delivered: 1, booked: 0, cents: null, requestedAt: null },
  ];
  assert.deepEqual((await call(url, { headers: TOKEN })).body, rows);
  assert.deepEqual((await call(`${url}?correlationId=${refused}`, { headers: TOKEN })).body, [rows[1]]);
});

Deno.test("a port that is taken is an error", net, async () => {
  await using standIn = await start();
  await assert.rejects(startStandIn({ port: standIn.port, feeRate: 0.05 }), { code: "EADDRINUSE" });
});

Deno.test("after close() nothing is booked, whatever hangs", net, async () => {
  const standIn = await start();
  standIn.setDelay(600_000);
  const paying = pay(standIn, crypto.randomUUID()).catch(() => "dropped");
  await until(() => standIn.books.deliveries === 1);
  await standIn.close();
  assert.equal(await paying, "dropped");
  assert.equal(standIn.books.booked.size, 0);
});
