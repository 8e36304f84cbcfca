/** Real replicas with a gateway in front of each processor, which answers in its place or refuses. @module */
import assert from "node:assert/strict";
import { needs } from "../support/permissions.ts";
import { type Asked, Gateway, type Rule, type Told } from "./gateway.ts";
import { Cluster, load } from "./harness.ts";
import { until } from "../support/until.ts";
import { bothStandIns } from "../support/standins.ts";
import { together } from "../support/together.ts";

const real = needs("net", "run", "read", "write", "env");
/** How long after the gateway's answer a payment is booked behind it. */
const BOOKED_MS = 4_000;

/** A cluster with a gateway before each processor. `await using` stops everything. */
class Fronted implements AsyncDisposable {
  private constructor(readonly cluster: Cluster, readonly first: Gateway, readonly second: Gateway) {}

  static async start(env: Record<string, string>): Promise<Fronted> {
    const processors = await bothStandIns();
    const first = await Gateway.start(processors.default.url);
    const second = await Gateway.start(processors.fallback.url);
    const urls = { PROCESSOR_DEFAULT_URL: first.url, PROCESSOR_FALLBACK_URL: second.url };
    return new Fronted(await Cluster.start({ processors, env: { ...urls, ...env } }), first, second);
  }

  /** What a replica says of a processor. */
  async status(processor: "default" | "fallback"): Promise<Record<string, unknown>> {
    const { processors } = await this.cluster.a.readyz();
    return (processors as Record<string, Record<string, unknown>>)[processor]!;
  }

  async notes(): Promise<string> {
    return (await this.cluster.a.readyz()).notes!.toString();
  }

  /** The value of a metric of replica `a`. */
  async metric(name: string): Promise<number> {
    const text = await (await this.cluster.a.request("/metrics")).text();
    const line = text.split("\n").find((line) => line.startsWith(name));
    return Number(line?.split(" ").at(-1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.first[Symbol.asyncDispose]();
    await this.second[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** Answers payments with `told`, and passes everything else on. */
function payments(told: (asked: Asked, pass: () => Promise<Told>) => Told | undefined | Promise<Told>): Rule {
  return (asked, pass) => asked.method === "POST" ? told(asked, pass) : pass();
}

/** Lookups get the processor's answer after `change`; payments are booked without an answer. */
function lookups(change: (body: Record<string, unknown>) => unknown): Rule {
  return async (asked, pass) => {
    const told = await pass();
    if (asked.method === "POST") return undefined;
    if (told.status !== 200 || asked.path.endsWith("service-health")) return told;
    return { status: 200, body: change(told.body as Record<string, unknown>) };
  };
}

function idOf({ body }: Asked): string {
  return JSON.parse(body).correlationId;
}

together(
  [504, 502, 520],
  real,
  (status) => `a payment that a gateway answers with ${status} and that is booked 4 s later is charged once`,
  async (status) => {
    await using fronted = await Fronted.start({ PATIENCE_MS: "1500" });
    const { cluster, first, second } = fronted;
    const late = Promise.withResolvers<void>();
    first.rule = payments((_, pass) => {
      if (first.payments.length > 1) return { status };
      setTimeout(() => pass().then(() => late.resolve()), BOOKED_MS);
      return { status };
    });
    const { accepted } = await load((id) => cluster.a.pay(id), { count: 1 });
    await late.promise;
    await cluster.untilSettled();
    cluster.assertBookedOnce(accepted);
    assert.deepEqual([cluster.books().default.totalRequests, second.payments.length], [1, 0]);
    assert.deepEqual(await cluster.a.summary(), cluster.books());
  },
);

Deno.test(
  "payments that a gateway answers with 5xx and that are never booked are free after HORIZON_MS",
  real,
  async () => {
    await using fronted = await Fronted.start({ PATIENCE_MS: "0", HORIZON_MS: "2000" });
    const { cluster, first, second } = fronted;
    first.rule = payments(() => ({ status: 503 }));
    const { accepted } = await load((id) => cluster.a.pay(id), { count: 5 });
    await cluster.untilSettled();
    cluster.assertBookedOnce(accepted);
    assert.equal(cluster.books().fallback.totalRequests, 5);
    for (const { body, atMs } of second.payments) {
      const { correlationId } = JSON.parse(body);
      const last = first.payments.findLast((asked) => idOf(asked) === correlationId);
      assert.ok(atMs - (last?.atMs ?? -Infinity) >= 2_000);
    }
  },
);

together(
  [403, 302, 404, 400],
  real,
  (status) => `a default that answers every payment with ${status} is down: seen, probed, and left for the fallback`,
  async (status) => {
    await using fronted = await Fronted.start({ PATIENCE_MS: "1500" });
    const { cluster, first, second } = fronted;
    // redirects everything to the fallback, which must not get it that way
    first.rule = (asked, pass) =>
      asked.method === "POST" ? { status, headers: { location: `${second.url}/elsewhere` } } : pass();
    const { accepted } = await load((id) => cluster.a.pay(id), { count: 20 });
    await until(async () => (await fronted.status("default")).rejectsWith === status);
    assert.equal((await fronted.status("default")).state, "down");
    assert.match(await fronted.notes(), new RegExp(`the default processor refuses payments with status ${status}`));
    assert.equal(await fronted.metric('galo_processor_rejects_with{processor="default"'), status);
    assert.equal(await fronted.metric('galo_processor_up{processor="default"'), 0);
    await cluster.untilSettled();
    cluster.assertBookedOnce(accepted);
    assert.equal(cluster.books().fallback.totalRequests, 20);
    assert.ok(second.asked.every(({ path }) => path !== "/elsewhere"));
    first.rule = (_, pass) => pass();
    const then = await load((id) => cluster.a.pay(id), { count: 1 });
    await cluster.untilSettled();
    assert.equal((await cluster.a.find(then.accepted[0]!))?.processor, "default");
    assert.deepEqual(await fronted.status("default").then(({ state, rejectsWith }) => [state, rejectsWith]), [
      "up",
      undefined,
    ]);
  },
);

Deno.test(
  "a payment that both refuse is rarely tried and shown as such, and no processor counts as down for it",
  real,
  async () => {
    await using fronted = await Fronted.start({ PATIENCE_MS: "0" });
    const { cluster, first, second } = fronted;
    const id = crypto.randomUUID();
    for (const gateway of [first, second]) {
      gateway.rule = payments((asked, pass) => idOf(asked) === id ? { status: 400 } : pass());
    }
    assert.equal(await cluster.a.pay(id), 202);
    await until(async () => await fronted.metric("galo_payments_rejected") === 1);
    const { facts, why, state } = await (await cluster.a.request(`/payments/${id}`)).json();
    assert.deepEqual(
      facts.map(({ state, processor, reason }: Record<string, string>) => [state, processor, reason]),
      [
        ["accepted", null, "accepted"],
        ["dispatched", "default", "default-up"],
        ["released", "default", "rejected"],
        ["dispatched", "fallback", "patience-over"],
        ["released", "fallback", "rejected-by-both"],
      ],
    );
    assert.equal(state, "released");
    assert.match(why, /both processors rejected it, so it is rarely tried again/);
    assert.match(await fronted.notes(), /payments that both processors rejected, which are tried rarely: 1/);
    const { accepted } = await load((id) => cluster.a.pay(id), { count: 50 });
    await until(async () => (await cluster.a.summary()).default.totalRequests === 50);
    cluster.assertBookedOnce(accepted);
    for (const processor of ["default", "fallback"] as const) {
      assert.equal((await fronted.status(processor)).state, "up");
    }
    assert.equal(first.payments.filter((asked) => idOf(asked) === id).length, 1);
    assert.equal(
      await fronted.metric('galo_dispatch_releases_total{processor="fallback",reason="rejected-by-both"'),
      1,
    );
  },
);

together(
  [
    ["429 and seconds", 429, (): string => "2"],
    ["429 and a date", 429, () => new Date(Date.now() + 3_000).toUTCString()],
    ["503 and seconds", 503, (): string => "2"],
  ] as const,
  real,
  ([what]) => `a processor gets no calls for as long as it asks for with ${what}`,
  async ([, status, header]) => {
    await using fronted = await Fronted.start({});
    const { cluster, first } = fronted;
    first.rule = payments((_, pass) =>
      first.payments.length === 1 ? { status, headers: { "retry-after": header() } } : pass()
    );
    const { accepted } = await load((id) => cluster.a.pay(id), { count: 1 });
    await until(async () => (await fronted.status("default")).retryAt !== undefined);
    const { retryAt } = await fronted.status("default");
    assert.match(await fronted.notes(), /the default processor gets no calls until 20\d\d-.*Z \(Retry-After\)/);
    const more = await load((id) => cluster.a.pay(id), { count: 20 });
    await cluster.untilSettled();
    cluster.assertBookedOnce([...accepted, ...more.accepted]);
    const [asked, again] = first.asked.filter(({ path }) => path !== "/payments/service-health");
    // until the time that it asked for
    assert.ok(again!.atMs - asked!.atMs >= 1_900, `asked again after ${again!.atMs - asked!.atMs} ms`);
    assert.ok(Date.now() >= Date.parse(`${retryAt}`));
    assert.equal((await fronted.status("default")).retryAt, undefined);
  },
);

Deno.test(
  "a lookup's answer in another form is understood; one that is not is shown, and its payment waits",
  real,
  async () => {
    await using fronted = await Fronted.start({});
    const { cluster, first } = fronted;
    const other = ({ correlationId, requestedAt }: Record<string, unknown>) => ({
      correlation_id: `${correlationId}`.toUpperCase(),
      Amount: "19.90",
      requested_at: `${requestedAt}`.replace("T", " "),
    });
    first.rule = lookups(other);
    const { accepted } = await load((id) => cluster.a.pay(id), { count: 3 });
    await cluster.untilSettled();
    cluster.assertBookedOnce(accepted);
    assert.deepEqual(await cluster.a.summary(), cluster.books());
    first.rule = lookups((body) => ({ ...body, requestedAt: 1751371200007 }));
    const id = crypto.randomUUID();
    assert.equal(await cluster.a.pay(id), 202);
    await until(async () => (await fronted.status("default")).unclear !== undefined);
    assert.equal((await fronted.status("default")).unclear, "requestedAt is 1751371200007");
    assert.match(
      await fronted.notes(),
      /default processor's answer to a lookup is not understood: requestedAt is 1751371200007/,
    );
    assert.equal((await cluster.a.find(id))?.state, "dispatched");
    first.rule = (_, pass) => pass();
    await cluster.untilSettled();
    assert.equal((await fronted.status("default")).unclear, undefined);
    cluster.assertBookedOnce([id]);
  },
);
