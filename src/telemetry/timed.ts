/**
 * Where the time goes inside a replica, measured from outside its parts: each port is wrapped by one that looks at the
 * clock. Metrics count what these tell; `TIMINGS` has more told, and keeps it in finer detail.
 * @module
 */
import type { Payments } from "../api/service.ts";
import type { Fact, ReplicaId } from "../payment/fact.ts";
import type { Payment } from "../payment/payment.ts";
import type { ProcessorClient } from "../routing/processor_client.ts";
import type { Store } from "../store/store.ts";
import type { Timings } from "./timings.ts";

/** Tells both. */
export function both(first: Timings, second: Timings): Timings {
  return {
    now: () => first.now(),
    monotonic: () => first.monotonic(),
    record(name, value) {
      first.record(name, value);
      second.record(name, value);
    },
    folded(fact, holds, payment) {
      first.folded(fact, holds, payment);
      second.folded(fact, holds, payment);
    },
    recordCall(processor, outcome, tookMs) {
      first.recordCall(processor, outcome, tookMs);
      second.recordCall(processor, outcome, tookMs);
    },
  };
}

/** How long a payment waited for its first attempt, where the fact is that and `self` made it; milliseconds. */
export function routeWait(
  fact: Fact,
  holds: boolean,
  payment: Payment | undefined,
  self: ReplicaId,
): number | undefined {
  if (fact.kind !== "dispatched" || fact.by !== self || !holds || payment!.attempt !== 1) return undefined;
  return Math.max(0, fact.at - payment!.acceptedAt);
}

/** A replica's payments, timed. */
export function timedPayments(timings: Timings, payments: Payments): Payments {
  return {
    accept(id, cents) {
      const startMs = timings.monotonic();
      const acceptance = payments.accept(id, cents);
      const takenMs = timings.monotonic();
      timings.record("accept", takenMs - startMs);
      if (typeof acceptance === "string") return acceptance;
      return acceptance.then((covered) => {
        timings.record("acknowledge", timings.monotonic() - takenMs);
        return covered;
      });
    },
    summary(from, to) {
      const startMs = timings.monotonic();
      const summary = payments.summary(from, to);
      timings.record("summary", timings.monotonic() - startMs);
      return summary;
    },
    find: (id) => payments.find(id),
    purge: () => payments.purge(),
    readiness: () => payments.readiness(),
  };
}

/** The way to the processors, timed. */
export function timedClient(timings: Timings, client: ProcessorClient): ProcessorClient {
  return {
    async pay(processor, attempt) {
      const startMs = timings.monotonic();
      const outcome = await client.pay(processor, attempt);
      timings.recordCall(processor, outcome, timings.monotonic() - startMs);
      return outcome;
    },
    lookup: (processor, id) => client.lookup(processor, id),
    health: (processor) => client.health(processor),
  };
}

/** A store, timed. */
export function timedStore(timings: Timings, store: Store): Store {
  return {
    async write(move) {
      const startMs = timings.monotonic();
      let rows = 0;
      let oldestAt = Infinity;
      function* counted() {
        for (const payment of move.payments) {
          rows++;
          oldestAt = Math.min(oldestAt, payment.requestedAt || payment.acceptedAt);
          yield payment;
        }
      }
      const stored = await store.write({ ...move, payments: counted() });
      // the other replica may have been quicker
      const wrote = stored.log === move.to.log && stored.position === move.to.position;
      if (rows === 0 || !wrote) return stored;
      timings.record("store-write", timings.monotonic() - startMs);
      timings.record("store-rows", rows);
      timings.record("store-age", Math.max(0, timings.now() - oldestAt));
      return stored;
    },
    stored: () => store.stored(),
    load: (visit) => store.load(visit),
    close: () => store.close(),
  };
}
