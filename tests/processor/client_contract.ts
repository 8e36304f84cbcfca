/** The contract of every {@link ProcessorClient}, with processors as CONTRACT.md describes them. @module */
import assert from "node:assert/strict";
import type { Processor } from "../../src/payment/fact.ts";
import type { Order, ProcessorClient } from "../../src/routing/processor_client.ts";
import { until } from "../support/until.ts";

/** Both processors, a client that has time, and one that gives up a call after {@link IMPATIENT_MS}. */
export interface Both extends AsyncDisposable {
  readonly client: ProcessorClient;
  readonly impatient: ProcessorClient;
  set(processor: Processor, state: { readonly delayMs: number; readonly failing: boolean }): void;
}

export const PATIENT_MS = 30_000;
export const IMPATIENT_MS = 400;
const ORDER: Order = {
  id: "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3",
  cents: 1990,
  requestedAt: Date.UTC(2025, 6, 1, 12, 0, 0, 7),
};

const TESTS: Readonly<Record<string, (both: Both) => Promise<void>>> = {
  async "a payment is booked once, and found at its processor as it was sent first"({ client }) {
    assert.deepEqual(await client.lookup("default", ORDER.id), { kind: "absent" });
    assert.deepEqual(await client.pay("default", ORDER), { kind: "booked" });
    assert.deepEqual(await client.pay("default", { ...ORDER, requestedAt: ORDER.requestedAt + 1 }), {
      kind: "already-booked",
    });
    const { cents, requestedAt } = ORDER;
    assert.deepEqual(await client.lookup("default", ORDER.id), { kind: "found", cents, requestedAt });
    assert.deepEqual(await client.lookup("fallback", ORDER.id), { kind: "absent" });
  },

  async "what a processor that fails refuses is not booked, and the other one takes it"({ client, set }) {
    set("default", { delayMs: 0, failing: true });
    assert.deepEqual(await client.pay("default", ORDER), { kind: "refused-as-far-as-known" });
    assert.deepEqual(await client.lookup("default", ORDER.id), { kind: "absent" });
    assert.deepEqual(await client.pay("fallback", ORDER), { kind: "booked" });
  },

  async "the outcome of a call that takes too long is unknown, and the payment is still booked"(
    { client, impatient, set },
  ) {
    // once there is a connection
    await until(async () => (await impatient.lookup("default", ORDER.id)).kind === "absent");
    set("default", { delayMs: 2 * IMPATIENT_MS, failing: false });
    assert.equal((await impatient.pay("default", ORDER)).kind, "unknown");
    await until(async () => (await client.lookup("default", ORDER.id)).kind === "found");
    assert.deepEqual(await client.pay("fallback", ORDER), { kind: "booked" });
  },

  async "a processor answers service-health once in a window, each in its own"({ client, impatient, set }) {
    set("fallback", { delayMs: 7, failing: true });
    assert.deepEqual(await client.health("default"), { failing: false, minResponseMs: 0 });
    assert.equal(await impatient.health("default"), undefined);
    assert.deepEqual(await client.health("fallback"), { failing: true, minResponseMs: 7 });
  },
};

/** Runs every test of the contract on processors from `make`. */
export function testClient(name: string, make: () => Promise<Both>, options = { ignore: false }): void {
  for (const [says, test] of Object.entries(TESTS)) {
    Deno.test(`${name}: ${says}`, options, async () => {
      await using both = await make();
      await test(both);
    });
  }
}
