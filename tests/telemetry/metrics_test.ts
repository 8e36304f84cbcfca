import assert from "node:assert/strict";
import { Meters } from "../../src/telemetry/meters.ts";
import { startEmbeddedPostgres } from "../../src/local/embedded.ts";
import { Cluster, load, type ReplicaProcess, statusOf } from "../cluster/harness.ts";
import type { Vitals } from "../../src/service/service.ts";
import { FakePayments } from "../api/fake_payments.ts";
import { Facts } from "../support/facts.ts";
import { needs, needsOf, NO_PROMTOOL, PROMTOOL } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { until } from "../support/until.ts";

const clusters = needs("run", "net", "read", "write", "env", "sys");

const withPromtool = needsOf(clusters, () => PROMTOOL !== undefined, NO_PROMTOOL);

async function scrape(replica: ReplicaProcess): Promise<string> {
  const answer = await replica.request("/metrics");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return await answer.text();
}

/** Every line that is no comment: what it names to its value. */
function series(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}

/** The value of the one line that has this name and these labels; both replicas' lines are added up. */
function valueOf(text: string, name: string, ...labels: string[]): number {
  const found = [...series(text)].filter(([what]) =>
    what.startsWith(name) && /^(?:\{|$)/.test(what.slice(name.length)) && labels.every((label) => what.includes(label))
  );
  assert.ok(found.length > 0, `${name} ${labels}`);
  return found.reduce((sum, [, value]) => sum + value, 0);
}

Deno.test(
  "GET /metrics counts exactly what was sent and booked, while it is scraped under load",
  clusters,
  async () => {
    await using cluster = await Cluster.start({ env: { ALLOW_PURGE: "false" } });
    const { a, b } = cluster;
    let loading = true;
    let scrapes = 0;
    const scraping = (async () => {
      while (loading) {
        for (const replica of cluster.replicas) await scrape(replica);
        scrapes++;
      }
    })();
    const sent = { a: 0, b: 0 };
    const pay = (id: string) => {
      const replica = sent.a <= 2 * sent.b ? a : b;
      sent[replica.id as "a" | "b"]++;
      return replica.pay(id);
    };
    const { accepted, failed } = await load(pay, { count: 3_000 });
    loading = false;
    await scraping;
    assert.deepEqual(failed, []);
    assert.ok(scrapes > 3, `${scrapes} scrapes`);
    assert.equal(await a.pay(accepted[0]!, 20), 409);
    assert.equal(await statusOf(a.request("/purge-payments", { method: "POST" })), 403);
    for (const replica of cluster.replicas) await cluster.untilSettled(replica);

    const [atA, atB] = [await scrape(a), await scrape(b)];
    const both = `${atA}\n${atB}`;
    const posts = ["POST", `route="/payments"`];
    assert.deepEqual(
      [atA, atB].map((text) => valueOf(text, "galo_http_requests_total", ...posts, "2xx")),
      [sent.a, sent.b],
    );
    assert.equal(valueOf(atA, "galo_http_requests_total", ...posts, "4xx"), 1);
    assert.equal(valueOf(atA, "galo_http_requests_total", "/purge-payments", "4xx"), 1);
    assert.equal(valueOf(both, "galo_http_requests_total", "5xx"), 0);
    assert.equal(valueOf(both, "galo_http_request_duration_seconds_count", ...posts), 3_001);
    assert.equal(valueOf(both, "galo_http_request_duration_seconds_bucket", ...posts, `le="+Inf"`), 3_001);
    // each answers the scrape that counts it
    assert.equal(valueOf(both, "galo_http_requests_in_flight"), 2);

    const books = cluster.books();
    for (const processor of ["default", "fallback"] as const) {
      const { totalRequests } = books[processor];
      const label = `processor="${processor}"`;
      assert.equal(valueOf(both, "galo_payments_settled_total", label), totalRequests);
      assert.equal(valueOf(both, "galo_processor_calls_total", label, `outcome="booked"`), totalRequests);
    }
    assert.equal(valueOf(both, "galo_payments_settled_total"), 3_000);
    const calls = valueOf(both, "galo_processor_calls_total");
    assert.equal(valueOf(both, "galo_processor_call_duration_seconds_count"), calls);
    assert.equal(valueOf(both, "galo_dispatch_decisions_total"), 3_000 + valueOf(both, "galo_dispatch_releases_total"));
    assert.equal(valueOf(both, "galo_dispatch_wait_seconds_count"), 3_000);
    for (const text of [atA, atB]) {
      assert.equal(valueOf(text, "galo_payments_held", "settled"), 3_000);
      assert.equal(valueOf(text, "galo_payments_held", "pending"), 0);
      assert.equal(valueOf(text, "galo_peer_linked"), 1);
      assert.equal(valueOf(text, "galo_queue_payments"), 0);
      assert.equal(valueOf(text, "galo_processor_calls_in_flight"), 0);
      assert.ok(valueOf(text, "galo_event_loop_lag_seconds_count") > 0);
    }
    // a heartbeat may be under way between the two scrapes, but no fact
    const bytes = (text: string, way: string) => valueOf(text, `galo_peer_${way}_bytes_total`);
    assert.ok(Math.abs(bytes(atA, "sent") - bytes(atB, "received")) < 200);
    assert.ok(Math.abs(bytes(atB, "sent") - bytes(atA, "received")) < 200);
  },
);

Deno.test(
  "GET /metrics shows how far behind the store is, and counts every payment that it took",
  clusters,
  async () => {
    using temp = new TempFolder();
    const folder = temp.path;
    const postgres = await startEmbeddedPostgres(folder);
    try {
      await using cluster = await Cluster.start({ env: { DATABASE_URL: postgres.url } });
      const { a } = cluster;
      await load((id) => a.pay(id), { count: 200 });
      await cluster.untilSettled();
      const store = async (name: string, ...labels: string[]) =>
        valueOf(await scrape(a), `galo_store_${name}`, ...labels);
      await until(async () => await store("backlog_payments") === 0);
      assert.equal(await store("up"), 1);
      assert.equal(await store("lag_seconds"), 0);
      const batches = await store("batch_payments_count");
      assert.equal(await store("write_duration_seconds_count"), batches);
      // each payment once or more
      const facts = await store("batch_payments_sum");
      assert.ok(facts >= 200 && batches >= 1, `${facts} in ${batches} batches`);

      await postgres.stop();
      const beganMs = performance.now();
      assert.equal(await a.pay(crypto.randomUUID()), 202);
      await until(async () => await store("up") === 0 && await store("lag_seconds") > 0.2);
      assert.ok(await store("lag_seconds") < (performance.now() - beganMs) / 1_000);
      assert.ok(await store("backlog_payments") >= 1);
    } finally {
      await postgres.stop();
    }
  },
);

Deno.test("GET /metrics gets no new series from unknown paths and ids", clusters, async () => {
  await using cluster = await Cluster.start();
  const { a } = cluster;
  const visit = async (times: number) => {
    for (let i = 0; i < times; i++) {
      await statusOf(a.request(`/payments/${crypto.randomUUID()}`));
      await statusOf(a.request(`/${crypto.randomUUID()}`, { method: ["GET", "POST", "PUT", "MKCOL"][i % 4]! }));
      await statusOf(a.request(`/payments?${crypto.randomUUID()}`, { method: "DELETE" }));
      await a.pay(crypto.randomUUID());
    }
    await cluster.untilSettled();
    return series(await scrape(a));
  };
  // the first scrape is not answered yet when it is counted
  await scrape(a);
  const few = await visit(1);
  const many = await visit(50);
  assert.deepEqual([...many.keys()], [...few.keys()]);
  const requests = (route: string, status: string) =>
    [...many].find(([what]) =>
      what.startsWith("galo_http_requests_total") && what.includes(`route="${route}",status="${status}"`)
    )?.[1];
  assert.equal(requests("/payments/:id", "4xx"), 51);
  assert.equal(requests("unrouted", "4xx"), 102);
});

Deno.test("GET /metrics shows for how long the peer has not read what it was sent", clusters, async () => {
  await using cluster = await Cluster.start();
  const { a, b } = cluster;
  b.signal("SIGSTOP");
  const beganMs = performance.now();
  // nothing waits for the peer
  assert.equal(await a.pay(crypto.randomUUID()), 202);
  const told = { lag: 0, silence: 0 };
  await until(async () => {
    const text = await scrape(a);
    told.lag = Math.max(told.lag, valueOf(text, "galo_peer_lag_seconds"));
    told.silence = Math.max(told.silence, valueOf(text, "galo_peer_silence_seconds"));
    return valueOf(text, "galo_peer_linked") === 0;
  });
  const tookS = (performance.now() - beganMs) / 1_000;
  assert.ok(told.lag > 0.2 && told.lag < tookS, `${told.lag} s of ${tookS} s`);
  assert.ok(told.silence > 0.2, `${told.silence} s`);
  assert.equal(valueOf(await scrape(a), "galo_peer_lag_seconds"), 0);
});

Deno.test("GET /metrics shows why payments wait, and the outcomes of calls, in an outage", clusters, async () => {
  await using cluster = await Cluster.start({ env: { PATIENCE_MS: "60000" } });
  const { a, b, processors } = cluster;
  processors.default.setFailing(true);
  let sent = 0;
  const { accepted } = await load((id) => (sent++ % 2 === 0 ? a : b).pay(id), { count: 50 });
  const metrics = async () => `${await scrape(a)}\n${await scrape(b)}`;
  let text = "";
  // each hears of what the other took a moment later
  await until(async () => {
    text = await metrics();
    return valueOf(text, "galo_queue_held", "default-refusing") === 2 &&
      valueOf(text, "galo_payments_held", "pending") === 100;
  });
  assert.equal(valueOf(text, "galo_queue_held"), 2);
  assert.equal(valueOf(text, "galo_processor_up", "default"), 0);
  assert.equal(valueOf(text, "galo_processor_up", "fallback"), 2);
  assert.equal(valueOf(text, "galo_processor_calls_total", "booked"), 0);

  processors.default.setFailing(false);
  for (const replica of cluster.replicas) await cluster.untilSettled(replica);
  text = await metrics();
  const outcome = (name: string) => valueOf(text, "galo_processor_calls_total", `processor="default"`, name);
  const failed = outcome("refused-as-far-as-known");
  assert.ok(failed >= 2, `${failed} calls failed`);
  assert.equal(outcome("booked"), 50);
  assert.equal(valueOf(text, "galo_dispatch_releases_total", `processor="default"`, "failed"), failed);
  assert.equal(valueOf(text, "galo_dispatch_decisions_total"), 50 + failed);
  assert.ok(valueOf(text, "galo_dispatch_decisions_total", "probe") >= 2);
  assert.equal(valueOf(text, "galo_queue_held"), 0);
  assert.equal(valueOf(text, "galo_processor_up"), 4);
  cluster.assertBookedOnce(accepted);
});

/** A replica of which everything is known. */
function whole(): Promise<string> {
  const all = [{ peer: "b", linked: true, lagMs: 1_500, silentMs: 250 }, {
    ...{ peer: "c", linked: false, lagMs: 0, silentMs: Infinity },
  }];
  const links = { all, bytesSent: 70, bytesReceived: 7 };
  const projector = { unsaved: 3, oldestUnsavedMs: 20 };
  const retention = { segments: 3, segmentsMax: 256 };
  const meters = new Meters("a", "1.2.3");
  meters.requested("GET /livez");
  meters.answered("GET /livez", 200, 0.1);
  const replica = new FakePayments();
  const dispatcher = { held: "default-slow" };
  replica.vitals = { links, projector, retention, dispatcher, memoryUse: 0.5 } as unknown as Vitals;
  const readiness = replica.readiness();
  replica.readiness = () => ({ ...readiness, store: "ready" });
  return meters.scrape(replica);
}

Deno.test("times are in seconds, and the running version is shown", async () => {
  const text = await whole();
  assert.equal(valueOf(text, "galo_peer_linked", `peer="b"`), 1);
  assert.equal(valueOf(text, "galo_peer_linked", `peer="c"`), 0);
  assert.equal(valueOf(text, "galo_peer_lag_seconds", `peer="b"`), 1.5);
  assert.equal(valueOf(text, "galo_peer_silence_seconds"), 0.25);
  assert.equal(valueOf(text, "galo_store_lag_seconds"), 0.02);
  assert.equal(valueOf(text, "galo_store_backlog_payments"), 3);
  assert.equal(valueOf(text, "galo_store_up"), 1);
  assert.equal(valueOf(text, "galo_log_segments"), 3);
  assert.equal(valueOf(text, "galo_log_segments_max"), 256);
  assert.equal(valueOf(text, "galo_payments_memory_ratio"), 0.5);
  assert.equal(valueOf(text, "galo_queue_held", "default-slow"), 1);
  assert.equal(valueOf(text, "galo_queue_held"), 1);
  assert.equal(valueOf(text, "galo_peer_sent_bytes_total"), 70);
  assert.equal(valueOf(text, "galo_build_info", `version="1.2.3"`), 1);
});

Deno.test("attempts and settlements are counted by the replica that made them, if they hold", async () => {
  const [a, b] = [new Meters("a", "1.2.3"), new Meters("b", "1.2.3")];
  const facts = new Facts(a, b);
  const id = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
  facts.accept(id, 1990, 100);
  const bound = facts.dispatch(id, "default", "default-up", 350);
  facts.release(id, "failed", 360);
  const late = { kind: "dispatched", by: "a", id, over: bound.position, processor: "fallback", at: 370 } as const;
  a.folded({ ...late, reason: "patience-over" }, false, bound);
  facts.fold({ kind: "moved", by: "b", from: "a", at: 400 });
  facts.dispatch(id, "fallback", "patience-over", 900, "b");
  facts.dispatch(id, "fallback", "already-booked", 900, "b");
  facts.settle(id, "booked", 950, "b");
  const [atA, atB] = [await a.scrape(new FakePayments()), await b.scrape(new FakePayments())];
  const counted = (text: string, name: string) =>
    [...series(text)].filter(([what, value]) => what.startsWith(name) && value > 0).map(([what, value]) =>
      `${[...what.matchAll(/(?:processor|reason)="(.*?)"/g)].map(([, label]) => label).join(" ")} ${value}`
    );
  const metrics = ["galo_dispatch_decisions_total", "galo_dispatch_releases_total", "galo_payments_settled_total"];
  assert.deepEqual(metrics.map((name) => counted(atA, name)), [["default default-up 1"], ["default failed 1"], []]);
  assert.deepEqual(metrics.map((name) => counted(atB, name)), [["fallback patience-over 1"], [], ["fallback 1"]]);
  // the wait for the first attempt: 250 ms
  assert.deepEqual(["sum", "count"].map((of) => valueOf(atA, `galo_dispatch_wait_seconds_${of}`)), [0.25, 1]);
  assert.equal(valueOf(atB, "galo_dispatch_wait_seconds_count"), 0);
});

Deno.test("promtool finds nothing to say about any metric, with or without values", withPromtool, async () => {
  await using cluster = await Cluster.start();
  for (const text of [await whole(), await scrape(cluster.a)]) {
    const checking = new Deno.Command(PROMTOOL!, {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const input = checking.stdin.getWriter();
    await input.write(new TextEncoder().encode(text));
    await input.close();
    const { code, stdout, stderr } = await checking.output();
    assert.equal(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr), "");
    assert.equal(code, 0);
  }
});
