/** What an outsider can reach: a test for each line of that table in README.md. @module */
import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { Cluster, payment, statusOf } from "./harness.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { freePort } from "../support/free_port.ts";

const real = needs("net", "run", "read", "write", "env", "sys");

const INTERNAL = ["/", "/live", "/metrics"];
const PUBLIC = ["/payments-summary", "/livez", "/readyz", "/openapi.json", "/docs"];

Deno.test(
  "without OPS_LISTEN the internal pages are where payments are taken",
  real,
  async () => {
    await using cluster = await Cluster.start();
    for (const path of [...INTERNAL, ...PUBLIC]) {
      assert.equal(await statusOf(cluster.a.request(path)), 200, path);
    }
  },
);

Deno.test(
  "with OPS_LISTEN they are only there, on loopback, and everything else is still everywhere",
  real,
  async () => {
    const port = freePort();
    await using cluster = await Cluster.start({ env: { OPS_LISTEN: `${port}` } });
    for (const path of INTERNAL) {
      assert.equal(await statusOf(cluster.a.request(path)), 404, `${path} where payments are taken`);
      assert.equal(await statusOf(fetch(`http://127.0.0.1:${port}${path}`)), 200, `${path} for operators`);
    }
    for (const path of PUBLIC) {
      assert.equal(await statusOf(cluster.a.request(path)), 200, path);
      assert.equal(await statusOf(fetch(`http://127.0.0.1:${port}${path}`)), 200, path);
    }
    // every address of 127.0.0.0/8 is this machine's, and what listens at all addresses answers there
    await assert.rejects(fetch(`http://127.0.0.2:${port}/livez`));
  },
);

Deno.test("OPS_LISTEN may be a socket of the replica's own", real, async () => {
  using temp = new TempFolder();
  const folder = temp.path;
  const socket = `${folder}/operators.sock`;
  await using cluster = await Cluster.start();
  await cluster.b.end("SIGTERM");
  await Deno.writeTextFile(`${socket}.b`, "somebody's");
  await assert.rejects(cluster.b.start({ OPS_LISTEN: socket }));
  assert.equal(await Deno.readTextFile(`${socket}.b`), "somebody's");
  await Deno.remove(`${socket}.b`);
  await cluster.b.start({ OPS_LISTEN: socket });
  assert.equal(Deno.statSync(`${socket}.b`).mode! & 0o777, 0o660);
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: `${socket}.b` } });
  assert.equal(await statusOf(fetch("http://localhost/metrics", { client })), 200);
  // the socket of a dead process is replaced
  await cluster.b.end("SIGKILL");
  await cluster.b.start({ OPS_LISTEN: socket });
});

Deno.test("a replica does not take the socket of a process that lives", real, async () => {
  await using cluster = await Cluster.start();
  const path = `${cluster.folder}/another.sock`;
  using another = Deno.listen({ transport: "unix", path });
  await cluster.b.end("SIGTERM");
  await assert.rejects(cluster.b.start({ LISTEN: path }), /ended with 1/);
  const connecting = Deno.connect({ transport: "unix", path });
  (await another.accept()).close();
  (await connecting).close();
});

Deno.test("a purge needs authority, and nothing of the processors' admin API is passed on", real, async () => {
  await using cluster = await Cluster.start({ env: { ALLOW_PURGE: "false", ADMIN_TOKEN: "s3cret" } });
  const purge = (authorization?: string) =>
    statusOf(cluster.a.request("/purge-payments", { method: "POST", headers: authorization ? { authorization } : {} }));
  const id = crypto.randomUUID();
  assert.equal(await cluster.a.pay(id), 202);
  for (const authorization of [undefined, "Bearer s3cre", "Bearer s3cretx", "Basic s3cret", "Bearer"]) {
    assert.equal(await purge(authorization), 403, `${authorization}`);
  }
  assert.equal(await statusOf(cluster.a.request(`/payments/${id}`)), 200);
  for (const path of ["/admin/payments-summary", "/admin/purge-payments", "/audit"]) {
    for (const method of ["GET", "POST", "PUT"]) {
      assert.equal(await statusOf(cluster.a.request(path, { method })), 404, `${method} ${path}`);
    }
  }
  assert.equal(await purge("Bearer s3cret"), 200);
  assert.equal(await statusOf(cluster.a.request(`/payments/${id}`)), 404);
});

Deno.test("folder, log, locks and sockets are private to the user, that for payments to its group", real, async () => {
  using temp = new TempFolder();
  const parent = temp.path;
  await Deno.chmod(parent, 0o755);
  await using cluster = await Cluster.start({ folder: `${parent}/data` });
  const modeOf = (name: string) => (Deno.statSync(`${cluster.folder}${name}`).mode! & 0o777).toString(8);
  assert.equal(modeOf(""), "700");
  const modes: Record<string, string> = {};
  for (const { name } of Deno.readDirSync(cluster.folder)) modes[name] = modeOf(`/${name}`);
  for (const { name } of Deno.readDirSync(`${cluster.folder}/log`)) modes[`log/${name}`] = modeOf(`/log/${name}`);
  assert.deepEqual(modes, {
    ...{ "a.sock": "660", "b.sock": "660", "peer-a.sock": "600" },
    ...{ "a.lock": "600", "b.lock": "600", "log.lock": "600", "poll.lock": "600" },
    ...{ "process-a.lock": "600", "process-b.lock": "600", replicas: "600" },
    ...{ log: "700", "log/000000000001.log": "600" },
  });
});

Deno.test("an error says what the caller did wrong, and nothing of the inside", real, async () => {
  await using cluster = await Cluster.start();
  const requests: readonly (readonly [path: string, init?: RequestInit])[] = [
    ["/payments", payment("no id")],
    ["/payments", payment(crypto.randomUUID(), -1)],
    ["/payments", { method: "POST", body: "\xff{", headers: { "content-type": "application/json" } }],
    ["/payments-summary?from=2025-02-30"],
    ["/payments/%00"],
    ["/docs/..%2f..%2fmain.ts"],
    ["/watch/..%2fhost.ts"],
    ["/watch/live.html"],
    ["/%2e%2e/%2e%2e/etc/passwd"],
  ];
  for (const [path, init] of requests) {
    const answer = await cluster.a.request(path, init);
    const text = await answer.text();
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
    assert.equal(answer.headers.get("content-type"), "application/problem+json", path);
    assert.doesNotMatch(text, /\.ts|node_modules|\/src\/|\n\s+at |Error:|galo-/, path);
    assert.equal(answer.headers.get("server"), null);
    assert.equal(answer.headers.get("x-powered-by"), null);
  }
});
