/**
 * Where the time goes inside a replica, measured from outside its parts: each port is wrapped by one that looks at the
 * clock. Metrics count what these tell; `TIMINGS` has more told, and keeps it in finer detail.
 * @module
 */
import type { Fact } from "../payment/fact.ts";
import type { Payments } from "../api/service.ts";
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
    recordFact(fact) {
      first.recordFact(fact);
      second.recordFact(fact);
    },
    recordCall(processor, outcome, tookMs) {
      first.recordCall(processor, outcome, tookMs);
      second.recordCall(processor, outcome, tookMs);
    },
  };
}

/** A replica's payments, timed. */
export function timedPayments(timings: Timings, payments: Payments): Payments {
  return {
    async accept(id, cents) {
      const startMs = timings.monotonic();
      // everything until the first wait is done by the time that the promise is there
      const accepting = payments.accept(id, cents);
      const takenMs = timings.monotonic();
      timings.record("accept", takenMs - startMs);
      const acceptance = await accepting;
      timings.record("acknowledge", timings.monotonic() - takenMs);
      return acceptance;
    },
    async summary(from, to) {
      const startMs = timings.monotonic();
      const summary = await payments.summary(from, to);
      timings.record("summary", timings.monotonic() - startMs);
      return summary;
    },
    find: (id) => payments.find(id),
    purge: () => payments.purge(),
    readiness: () => payments.readiness(),
  };
}

/** A dispatcher's `record`, timed; the same function where nothing is. */
export function timedRecord(
  timings: Timings | undefined,
  record: (fact: Fact) => Promise<boolean>,
): (fact: Fact) => Promise<boolean> {
  if (!timings) return record;
  return (fact) => {
    timings.recordFact(fact);
    const startMs = timings.monotonic();
    const safe = record(fact);
    timings.record("record", timings.monotonic() - startMs);
    if (fact.stage !== "dispatched") return safe;
    if (fact.attempt === 1) timings.record("route-wait", Math.max(0, fact.requestedAt - fact.acceptedAt));
    return safe.then((isSafe) => {
      timings.record("bind", timings.monotonic() - startMs);
      return isSafe;
    });
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
    async write(epoch, facts) {
      const startMs = timings.monotonic();
      const storeEpoch = await store.write(epoch, facts);
      if (facts.length === 0) return storeEpoch;
      timings.record("store-write", timings.monotonic() - startMs);
      timings.record("store-rows", facts.length);
      const oldestMs = facts.reduce((oldest, fact) => Math.min(oldest, fact.requestedAt || fact.acceptedAt), Infinity);
      timings.record("store-age", Math.max(0, timings.now() - oldestMs));
      return storeEpoch;
    },
    open: (replica) => store.open(replica),
    load: (visit) => store.load(visit),
    purge: (epoch) => store.purge(epoch),
    close: (clean) => store.close(clean),
  };
}
