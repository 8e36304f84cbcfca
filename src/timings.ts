/**
 * Where the time goes inside a replica, measured from outside its parts: each port is wrapped by one that looks at the
 * clock. Without `TIMINGS` nothing is wrapped, so that off costs nothing.
 * @module
 */
import type { Fact } from "./payment/fact.ts";
import type { Payments } from "./ports/payments.ts";
import type { ProcessorClient } from "./ports/processor_client.ts";
import type { Store } from "./ports/store.ts";

/** What is recorded; milliseconds, but for `store-rows`. */
export type TimingName =
  /** `POST /payments`, from the request's head to the answer's */
  | "post"
  /** the part of it that takes a payment in: nothing else runs meanwhile */
  | "accept"
  /** the part of it that waits for what `ACK` says */
  | "acknowledge"
  /** the summary's totals from memory, the round trip to the peer included */
  | "summary"
  /** from accepted until bound for the first time, in whole milliseconds */
  | "route-wait"
  /** from bound until that is safe to act on */
  | "bind"
  /** a call to a processor */
  | "processor"
  /** folding a fact of the dispatcher's and handing it to peer and store */
  | "record"
  /** one batch, until its commit */
  | "store-write"
  /** facts in one batch */
  | "store-rows"
  /** at its commit, the age of a batch's oldest fact */
  | "store-age"
  /** how much later than asked a timer fires */
  | "loop-lag";

/** Takes figures in. */
export interface Timings {
  /** milliseconds since 1970, as facts have them */
  now(): number;
  /** milliseconds from some start, with fractions, never going back */
  monotonic(): number;
  record(name: TimingName, value: number): void;
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
  return async (fact) => {
    const startMs = timings.monotonic();
    const safe = record(fact);
    timings.record("record", timings.monotonic() - startMs);
    if (fact.stage !== "dispatched") return await safe;
    if (fact.attempt === 1) timings.record("route-wait", Math.max(0, fact.requestedAt - fact.acceptedAt));
    const isSafe = await safe;
    timings.record("bind", timings.monotonic() - startMs);
    return isSafe;
  };
}

/** The way to the processors, timed. */
export function timedClient(timings: Timings, client: ProcessorClient): ProcessorClient {
  return {
    async pay(processor, attempt) {
      const startMs = timings.monotonic();
      const outcome = await client.pay(processor, attempt);
      timings.record("processor", timings.monotonic() - startMs);
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
