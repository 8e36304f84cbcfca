import assert from "node:assert/strict";
import { Cluster, payment, statusOf } from "../cluster/harness.ts";
import { needs } from "../support/permissions.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";

const real = needs("run", "net", "read", "write", "env", "sys");

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

/** Where spans are sent: OTLP over HTTP, as JSON. */
class Collector implements AsyncDisposable {
  readonly spans: Span[] = [];
  requests = 0;
  readonly #server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    this.requests++;
    const body = await request.json();
    for (const { scopeSpans } of body.resourceSpans ?? []) {
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
    return Response.json({});
  });

  get env(): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    };
  }

  /** The spans of a payment, once there are so many, by the time at which they ended. */
  async of(id: string, count: number): Promise<Span[]> {
    const found = () => this.spans.filter((span) => attribute(span, "galo.payment") === id);
    await until(() => found().length >= count);
    return found().sort((a, b) => Number(BigInt(a.endTimeUnixNano) - BigInt(b.endTimeUnixNano)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A processor that answers as a test says, and keeps the trace headers that it got. */
class Processor implements AsyncDisposable {
  readonly told: (string | null)[] = [];
  /** statuses of the next answers; then 200 */
  readonly answers: (number | Promise<number>)[] = [];
  readonly #server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    await request.body?.cancel();
    const path = new URL(request.url).pathname;
    if (path.endsWith("service-health")) return Response.json({ failing: false, minResponseTime: 0 });
    if (request.method === "GET") return new Response(null, { status: 404 });
    this.told.push(request.headers.get("traceparent"));
    return Response.json({}, { status: await this.answers.shift() ?? 200 });
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function attribute({ attributes }: Span, name: string): unknown {
  return Object.values(attributes.find(({ key }) => key === name)?.value ?? {})[0];
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

function traced(id: string): RequestInit {
  const init = payment(id);
  return { ...init, headers: { ...init.headers, traceparent: `00-${TRACE}-${CALLER}-01` } };
}

async function started(env: Record<string, string>) {
  const collector = new Collector();
  const processor = new Processor();
  const cluster = await Cluster.start({ env: { ...collector.env, PROCESSOR_DEFAULT_URL: processor.url, ...env } });
  return { collector, processor, cluster };
}

for (const where of ["a socket", "a port"]) {
  Deno.test(
    `with OTEL_DENO a payment's request at ${where}, dispatch and call are one trace, that of the caller`,
    real,
    async () => {
      const port = freePort();
      const { collector, processor, cluster } = await started({ OTEL_DENO: "true", OPS_LISTEN: `${port}` });
      await using _0 = collector, _1 = processor, _2 = cluster;
      const id = crypto.randomUUID();
      const url = `http://127.0.0.1:${port}/payments`;
      assert.equal(
        await statusOf(where === "a port" ? fetch(url, traced(id)) : cluster.a.request("/payments", traced(id))),
        202,
      );
      const spans = await collector.of(id, 3);
      const request = spans.find(({ kind }) => kind === 2)!;
      const [dispatch, call] = spans.filter((span) => span !== request);
      assert.deepEqual(spans.map(({ traceId }) => traceId), [TRACE, TRACE, TRACE]);
      assert.deepEqual([dispatch!.name, call!.name], ["dispatch", "pay default"]);
      assert.deepEqual(
        [request.parentSpanId, dispatch!.parentSpanId, call!.parentSpanId],
        [CALLER, request.spanId, dispatch!.spanId],
      );
      assert.deepEqual(request.links, []);
      assert.equal(attribute(dispatch!, "galo.reason"), "default-up");
      assert.equal(attribute(call!, "galo.outcome"), "booked");
      assert.deepEqual(processor.told, [`00-${TRACE}-${call!.spanId}-01`]);
    },
  );
}

Deno.test("what waits in the queue and is sent again stays in its request's trace", real, async () => {
  const { collector, processor, cluster } = await started({ OTEL_DENO: "true" });
  await using _0 = collector, _1 = processor, _2 = cluster;
  processor.answers.push(500, 429);
  const id = crypto.randomUUID();
  assert.equal(await statusOf(cluster.a.request("/payments", traced(id))), 202);
  await cluster.untilSettled();
  const spans = await collector.of(id, 7);
  const request = spans.find(({ kind }) => kind === 2)!;
  assert.deepEqual([...new Set(spans.map(({ traceId }) => traceId))], [TRACE]);
  const attempts = spans.filter(({ name }) => name === "dispatch");
  const calls = spans.filter(({ name }) => name === "pay default");
  assert.deepEqual(attempts.map((span) => attribute(span, "galo.attempt")), [1, 2, 3]);
  assert.deepEqual(attempts.map(({ parentSpanId }) => parentSpanId), attempts.map(() => request.spanId));
  assert.deepEqual(calls.map(({ parentSpanId }) => parentSpanId), attempts.map(({ spanId }) => spanId));
  assert.deepEqual(calls.map((span) => attribute(span, "galo.outcome")), [
    "refused-as-far-as-known",
    "refused",
    "booked",
  ]);
  assert.deepEqual(processor.told, calls.map(({ spanId }) => `00-${TRACE}-${spanId}-01`));
});

Deno.test(
  "after a failover the other replica's spans are in the trace of the payment's id",
  real,
  async () => {
    const { collector, processor, cluster } = await started({ OTEL_DENO: "true" });
    await using _0 = collector, _1 = processor, _2 = cluster;
    const id = crypto.randomUUID();
    const held = Promise.withResolvers<number>();
    processor.answers.push(held.promise);
    assert.equal(await statusOf(cluster.b.request("/payments", traced(id))), 202);
    await until(() => processor.told.length === 1);
    await cluster.b.end("SIGKILL");
    held.resolve(200);
    await cluster.untilSettled(cluster.a);
    const calls = async () => (await collector.of(id, 1)).filter(({ name }) => name === "pay default");
    await until(async () => (await calls()).length > 0);
    const [call] = await calls();
    const own = id.replaceAll("-", "");
    assert.equal(call!.traceId, own);
    assert.equal(attribute(call!, "galo.outcome"), "booked");
    assert.deepEqual(processor.told.slice(1), [`00-${own}-${call!.spanId}-01`]);
  },
);

Deno.test("without OTEL_DENO no span is sent", real, async () => {
  const { collector, processor, cluster } = await started({});
  await using _0 = collector, _1 = processor, _2 = cluster;
  assert.equal(await statusOf(cluster.a.request("/payments", traced(crypto.randomUUID()))), 202);
  await cluster.untilSettled();
  for (const replica of cluster.replicas) await replica.end("SIGTERM");
  assert.deepEqual(processor.told, [null]);
  assert.equal(collector.requests, 0);
});
