/** What one seed does: its settings, and how often each kind of fault happens. @module */
import type { ReplicaSettings } from "../../src/replica_parts.ts";
import type { HttpFaults } from "./client.ts";
import type { NetworkFaults } from "./network.ts";
import { Prng } from "./prng.ts";
import type { StoreFaults } from "./store.ts";

/** Faults that happen at moments, or last for a while. */
export const INCIDENTS = [
  "processor-slow",
  "processor-refusing",
  "processor-flapping",
  "link-drop",
  "link-half-open",
  "link-cut",
  "link-cut-one-way",
  "kill",
  "kill-both",
  "pause",
  "restart",
  "store-down",
  "clock-jump",
  "purge",
] as const;
export type Incident = typeof INCIDENTS[number];

/** Kinds of faults that can be left out, to find which of them a violation needs. */
export const FAULT_KINDS = [...INCIDENTS, "http", "network", "store", "client"] as const;
export type FaultKind = typeof FAULT_KINDS[number];

/** What the command line can set of a run. */
export interface PlanOptions {
  /** how many payments; drawn when left out */
  readonly payments?: number;
  /** kinds of faults that do not happen */
  readonly without?: readonly FaultKind[];
}

export interface Plan {
  readonly seed: number;
  readonly settings: Omit<ReplicaSettings, "self">;
  readonly replicas: 1 | 2;
  readonly store: boolean;
  readonly payments: number;
  /** how long payments come in and faults happen, in virtual milliseconds */
  readonly safetyMs: number;
  /** how often each incident happens */
  readonly incidents: Readonly<Record<Incident, number>>;
  readonly http: HttpFaults;
  readonly network: NetworkFaults;
  readonly storeFaults: StoreFaults;
  /** shares of payments: sent again with the same or another amount, hung up on */
  readonly client: { readonly again: number; readonly otherAmount: number; readonly hangsUp: number };
  /** one amount for all, or a different one for each */
  readonly fixedAmount: boolean;
  /** the longest a processor takes, in milliseconds */
  readonly slowestMs: number;
  /** how late timers fire at most, in milliseconds */
  readonly lagMs: number;
  readonly limiter: { readonly running: number; readonly waiting: number };
}

/** Payments of a run when nothing else is said: the mean of what is drawn. */
export const PAYMENTS = 300;

/** Draws the plan of a seed. What is left out does not shift what else is drawn. */
export function drawPlan(seed: number, options: PlanOptions = {}): Plan {
  const prng = new Prng(seed);
  const without = new Set<FaultKind>(options.without);
  const ack = prng.pick(["memory", "peer", "peer", "store"] as const);
  const store = ack === "store" || prng.chance(0.6);
  const replicas = prng.chance(0.85) ? 2 : 1;
  const incidents = Object.fromEntries(INCIDENTS.map((kind) => {
    const [on, count] = [prng.chance(0.35), prng.whole(1, 4)];
    return [kind, on && !without.has(kind) ? count : 0];
  })) as Record<Incident, number>;
  if (replicas === 1) { for (const kind of INCIDENTS) if (kind.startsWith("link")) incidents[kind] = 0; }
  // a processor that takes longer than a call may is only survived by who remembers the call
  const forgets = incidents.kill + incidents["kill-both"] + incidents.restart > 0;
  const requestTimeoutMs = prng.whole(300, 1_500);
  const slowestMs = requestTimeoutMs * (forgets ? prng.between(0.1, 0.4) : prng.between(0.2, 1.6));
  const http = share(prng, without.has("http") ? 0 : 0.15);
  const link = share(prng, without.has("network") ? 0 : 0.2);
  const database = share(prng, without.has("store") ? 0 : 0.2);
  const client = share(prng, without.has("client") ? 0 : 0.3);
  return {
    seed,
    settings: {
      ack,
      patienceMs: prng.pick([0, 200, 1_000, 3_000]),
      slowMs: prng.pick([20, 100, 400, 5_000]),
      maxInFlight: prng.pick([1, 3, 10, 50]),
      dispatchPerSecond: prng.pick([250, 800, 5_000]),
      queueMax: prng.pick([30, 100, 10_000, 10_000]),
      requestTimeoutMs,
      recallMs: 3_600_000,
      drainMs: prng.whole(10, 500),
      batchMax: prng.pick([10, 50, 500]),
      intervalMs: prng.pick([0, 5, 20]),
      backlogMax: prng.pick([100, 10_000]),
    },
    replicas,
    store,
    payments: options.payments ?? prng.whole(PAYMENTS / 2, PAYMENTS * 3 / 2),
    safetyMs: prng.whole(1_500, 6_000),
    incidents,
    http: {
      wayMs: prng.between(0.1, 3),
      unreachable: http(),
      requestLost: http(),
      reset: http(),
      booked500: http(),
      never: http() / 2,
      resent: http(),
      strange: 5 * http(),
      lookupFails: http(),
      healthLies: http() > 0 ? 0.8 : 0,
      healthStaleMs: http() * 6_000,
    },
    network: { delayMs: prng.between(0.05, 2), split: link(), late: link() / 2, refuse: link() },
    storeFaults: { delayMs: prng.between(0.2, 8), slow: database(), unknown: database() },
    client: { again: client(), otherAmount: client(), hangsUp: client() },
    fixedAmount: prng.chance(0.4),
    slowestMs,
    lagMs: prng.pick([0, 0.5, 5]),
    limiter: prng.chance(0.5)
      ? { running: prng.whole(1, 6), waiting: prng.whole(0, 3) }
      : { running: 800, waiting: 500 },
  };
}

/** Draws shares up to `max`; many are zero, so that every fault is also seen without the others. */
function share(prng: Prng, max: number): () => number {
  return () => {
    const [on, value] = [prng.chance(0.4), prng.float()];
    return on ? value * max : 0;
  };
}
