/** The live page, its stream, and a payment's page: what is sent. How it looks is tested in a browser. @module */
import assert from "node:assert/strict";
import { createApp, type Edge, type Handler } from "../../src/api/app.ts";
import { streamLive } from "../../src/api/live.ts";
import { WATCHERS_MAX } from "../../src/console/watch.ts";
import type { Live, Point, Watcher } from "../../src/console/watching.ts";
import { needs } from "../support/permissions.ts";
import { fakeApp, ID, NOW, post, problemOf } from "./fake_payments.ts";

const FILES = needs("read");

/** The events of a stream, as they come. */
async function* events(answer: Response): AsyncGenerator<{ readonly name: string; readonly data: unknown }> {
  let text = "";
  for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (name !== undefined) yield { name, data: JSON.parse(data!) };
    }
  }
}

Deno.test("the page names files that are served, and nothing of another host, inline or evaluated", FILES, async () => {
  const { app } = fakeApp();
  const answer = await app.request("/");
  assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
  const policy = answer.headers.get("content-security-policy")!;
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|http|\*/);
  const html = await answer.text();
  assert.doesNotMatch(html, /https?:|style=|<script>|\son\w+=/);
  const named = [...html.matchAll(/(?:src|href)="(\/watch\/[^"]+)"/g)].map(([, path]) => path!);
  assert.equal(named.length, 5);
  const script = await (await app.request("/watch/live.js")).text();
  const imported = [...script.matchAll(/from "\.(\/[^"]+)"/g)].map(([, path]) => `/watch${path}`);
  assert.deepEqual(imported, ["/watch/words.js"]);
  const files = [...named, ...imported];
  for (const path of files) {
    const file = await app.request(path);
    assert.equal(file.status, 200, path);
    const kind = {
      css: "text/css; charset=utf-8",
      js: "text/javascript; charset=utf-8",
      svg: "image/svg+xml; charset=utf-8",
    };
    assert.equal(file.headers.get("content-type"), kind[path.split(".").pop() as keyof typeof kind]);
    // so that after an upgrade a page and its script have the same version
    assert.equal(file.headers.get("cache-control"), path.includes("uPlot") ? "max-age=3600" : "no-cache", path);
    assert.ok((await file.bytes()).length > 100, path);
  }
});

Deno.test("a watcher gets the charts so far and the state at once, then each new state", async () => {
  const { app, watching, payments } = fakeApp();
  payments.settle(ID, 1990, NOW);
  const answer = await app.request("/live");
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const stream = events(answer);
  assert.deepEqual((await stream.next()).value, { name: "history", data: [] });
  const { name, data } = (await stream.next()).value!;
  assert.equal(name, "live");
  const live = data as Live & { point: Point | null; heldWhy: string | null };
  assert.deepEqual(live.totals, { default: { count: 1, cents: 1990 }, fallback: { count: 0, cents: 0 } });
  assert.deepEqual([live.replica, live.point, live.held, live.heldWhy, live.savedCents], ["a", null, null, null, 199]);
  watching.stop();
  assert.equal((await stream.next()).done, true);
});

Deno.test("a watcher that leaves makes room, and one over the limit gets Retry-After", async () => {
  const { app } = fakeApp();
  const first = await app.request("/live");
  const others = await Promise.all(Array.from({ length: WATCHERS_MAX - 1 }, () => app.request("/live")));
  assert.ok(others.every(({ status }) => status === 200));
  const over = await app.request("/live");
  assert.equal((await problemOf(over)).type, "/problems/watchers-full");
  assert.equal(over.headers.get("retry-after"), "1");
  // asks only whether there is a stream: takes no room
  assert.equal((await app.request("/live", { method: "HEAD" })).status, 200);
  await first.body!.cancel();
  const again = await app.request("/live");
  assert.equal(again.status, 200);
  await Promise.all([...others, again].map(({ body }) => body!.cancel()));
});

Deno.test("a watcher that does not read loses its stream, and makes room", async () => {
  const { watching } = fakeApp();
  let watcher: Watcher | undefined;
  let left = 0;
  const watch = (one: Watcher) => {
    watcher = one;
    return () => left++;
  };
  const edge = { watching: { points: [], live: () => watching.live(), watch } } as unknown as Edge;
  const answer = await streamLive(edge)({ req: { method: "GET" } } as Parameters<Handler>[0]) as Response;
  const point: Point = { at: NOW, posts: 0, medianMs: null, p99Ms: null, pending: 0 };
  for (let n = 0; left === 0 && n < 1_000; n++) watcher!.tell(watching.live(), point);
  assert.equal(left, 1);
  await assert.rejects(answer.text(), /does not read/);
});

Deno.test("without internal pages the live page, its stream and metrics are not there", async () => {
  const { payments, watching } = fakeApp();
  const app = createApp({ payments, allowPurge: false, now: () => NOW, onInvariant() {}, watching, internal: false });
  for (const path of ["/", "/live", "/metrics"]) {
    assert.equal((await problemOf(await app.request(path))).type, "/problems/unknown-path", path);
  }
  for (const path of ["/payments-summary", "/livez", "/readyz"]) {
    const answer = await app.request(path);
    assert.equal(answer.status, 200, path);
    await answer.body?.cancel();
  }
});

Deno.test("a browser is given a payment's story as a page, a program as JSON", async () => {
  const { app } = fakeApp();
  await app.request("/payments", post({ correlationId: ID, amount: 19.9 }));
  const typeOf = async (accept: string) => {
    const answer = await app.request(`/payments/${ID}`, { headers: { accept } });
    assert.equal(answer.headers.get("vary"), "Accept");
    await answer.body?.cancel();
    return answer.headers.get("content-type");
  };
  const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
  assert.equal(await typeOf(browser), "text/html; charset=utf-8");
  for (const accept of ["*/*", "", "application/json", "application/json, text/html;q=0.9", "image/png"]) {
    assert.equal(await typeOf(accept), "application/json", accept);
  }
  const page = await (await app.request(`/payments/${ID}`, { headers: { accept: browser } })).text();
  assert.ok(page.startsWith("<!DOCTYPE html>"), page.slice(0, 40));
  const { groups } = /<pre id="shown">(?<json>[^<]*)<\/pre>$/.exec(page)!;
  const json = await (await app.request(`/payments/${ID}`)).json();
  assert.deepEqual(JSON.parse(groups!.json!.replaceAll("&quot;", '"')), json);
  assert.doesNotMatch(page, /<script>|style=|\son\w+=/);
  assert.match(await (await app.request("/watch/payment.js")).text(), /from "\.\/words\.js"/);
});

Deno.test("a browser that asks for an unknown payment is given a page too, which echoes nothing", async () => {
  const { app } = fakeApp();
  const path = "/payments/%3Cscript%3Ealert(1)%3C%2Fscript%3E";
  const answer = await app.request(path, { headers: { accept: "text/html" } });
  assert.equal(answer.status, 404);
  const page = await answer.text();
  assert.match(page, /There is no such payment/);
  assert.doesNotMatch(page, /script|alert/);
});
