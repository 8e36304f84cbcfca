import assert from "node:assert/strict";
import { CHROMIUM, needs, needsOf, NO_CHROMIUM } from "../support/permissions.ts";
import { DOCUMENT } from "./documented.ts";
import { fakeApp } from "./fake_payments.ts";
import { TempFolder } from "../support/temp_folder.ts";

Deno.test("the document is sent with an ETag, and not again to a caller that has it", async () => {
  const { app } = fakeApp();
  const first = await app.request("/openapi.json");
  assert.equal(first.status, 200);
  assert.equal(first.headers.get("content-type"), "application/json");
  assert.equal(first.headers.get("cache-control"), "no-cache");
  assert.deepEqual(await first.json(), JSON.parse(JSON.stringify(DOCUMENT)));
  const etag = first.headers.get("etag")!;
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const again = await app.request("/openapi.json", { headers: { "if-none-match": known } });
    assert.equal(again.status, 304, known);
    assert.equal(again.headers.get("etag"), etag);
    assert.equal(await again.text(), "");
  }
  const other = await app.request("/openapi.json", { headers: { "if-none-match": '"other"' } });
  assert.equal(other.status, 200);
  await other.body?.cancel();
});

Deno.test(
  "the reference page asks nothing of another host and has no inline script or style",
  needs("read"),
  async () => {
    const { app } = fakeApp();
    const answer = await app.request("/docs");
    const policy = answer.headers.get("content-security-policy")!;
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    const page = await answer.text();
    assert.doesNotMatch(page, /https?:|<style|style=|\son\w+=|<script(?! src="\/docs\/)/);
  },
);

Deno.test("every file that the reference page names is served from the package", needs("read"), async () => {
  const { app } = fakeApp();
  const page = await (await app.request("/docs")).text();
  const files = [...page.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map(([, path]) => path!);
  assert.equal(files.length, 3);
  for (const path of files) {
    const head = await app.request(path, { method: "HEAD" });
    assert.equal(head.body, null);
    const answer = await app.request(path);
    assert.equal(answer.status, 200, path);
    assert.deepEqual([...answer.headers], [...head.headers]);
    assert.ok((await answer.bytes()).length > 50, path);
  }
});

Deno.test("no file beside those is served, whatever its name is", async () => {
  const { app } = fakeApp();
  for (
    const name of [
      "package.json",
      "index.html",
      "..%2fajv%2fpackage.json",
      "%2e%2e%2fpackage.json",
      "__proto__",
      "constructor",
      "%ZZ",
      "swagger-ui.css%00",
    ]
  ) {
    const answer = await app.request(`/docs/${name}`);
    assert.equal(answer.status, 404, name);
    await answer.body?.cancel();
  }
});

const real = needs("run", "net", "read", "write", "env");
const browser = needsOf(real, () => CHROMIUM !== undefined, NO_CHROMIUM);

Deno.test(
  "in a browser the reference page shows every operation, asks no other host and breaks no policy",
  browser,
  async () => {
    const { app } = fakeApp();
    using temp = new TempFolder();
    const profile = temp.path;
    await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, app.fetch);
    // no other host can be found
    const flags = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ];
    flags.push(`--user-data-dir=${profile}`, "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom");
    const page = `http://127.0.0.1:${server.addr.port}/docs`;
    const { stdout, stderr } = await new Deno.Command(CHROMIUM!, { args: [...flags, page] }).output();
    const dom = new TextDecoder().decode(stdout);
    for (const { operationId } of Object.values(DOCUMENT.paths).flatMap((operations) => Object.values(operations))) {
      assert.ok(dom.includes(`-${operationId}"`), operationId);
    }
    const complaints = new TextDecoder().decode(stderr).split("\n").filter((line) => line.includes("CONSOLE"));
    assert.deepEqual(complaints, []);
  },
);
