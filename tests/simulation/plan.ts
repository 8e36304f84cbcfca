/** What one seed does: its settings, and how often each kind of fault happens. @module */
import type { ReplicaSettings } from "../../src/replica.ts";
import type { HttpFaults } from "./client.ts";
import type { DiskFaults } from "./disk.ts";
import type { EngineFaults } from "./engine.ts";
import type { NetworkFaults } from "./network.ts";
import { Prng } from "./prng.ts";
import type { StoreFaults } from "./store.ts";

/** Faults that happen at moments, or last for a while. */
export const INCIDENTS = [
  "processor-slow",
  "processor-refusing",
  "processor-flapping",
  "processor-rejecting",
  "link-drop",
  "link-half-open",
  "link-cut",
  "link-cut-one-way",
  "kill",
  "kill-both",
  "pause",
  "restart",
  "machine-death",
  "log-lost",
  "segment-missing",
  "disk-full",
  "file-limit",
  "store-down",
  "store-restored",
  "clock-jump",
  "purge",
] as const;
/** Those that only happen to replicas on hosts of their own, which share an engine. */
export const HOST_INCIDENTS = [
  "host-cut",
  "links-cut",
  "leader-cut",
  "host-killed",
  "tails-stalled",
  "stream-full",
  "stream-lost",
  "stream-shortened",
] as const;
export type Incident = typeof INCIDENTS[number] | typeof HOST_INCIDENTS[number];
/** Those that do not happen there: one machine's log, and its death with all replicas. */
const FILE_INCIDENTS: readonly Incident[] = [
  ...["machine-death", "log-lost", "segment-missing", "disk-full", "file-limit"] as const,
  // what is in doubt is dated by the hosts' clocks, which are taken to be right
  "clock-jump",
];

/** Kinds of faults that can be left out, to find which of them a violation needs. */
export const FAULT_KINDS = [
  ...[...INCIDENTS, ...HOST_INCIDENTS],
  ...["http", "network", "disk", "store", "client", "engine"] as const,
] as const;
export type FaultKind = typeof FAULT_KINDS[number];

/** What the command line can set of a run. */
export interface PlanOptions {
  /** how many payments; drawn when left out */
  readonly payments?: number | undefined;
  /** kinds of faults that do not happen */
  readonly without?: readonly FaultKind[];
  /** every replica is on a host of its own, and an engine keeps the log */
  readonly hosts?: boolean;
}

export interface Plan {
  readonly seed: number;
  readonly settings: Omit<ReplicaSettings, "self" | "roster" | "rereads"> & { readonly requestTimeoutMs: number };
  readonly replicas: 1 | 2 | 3;
  readonly store: boolean;
  readonly payments: number;
  /** how long payments come in and faults happen, in virtual milliseconds */
  readonly safetyMs: number;
  /** how often each incident happens */
  readonly incidents: Readonly<Record<Incident, number>>;
  readonly http: HttpFaults;
  readonly network: NetworkFaults;
  readonly disk: DiskFaults;
  /** of the engine that keeps the log; undefined where that is on one machine */
  readonly engine: EngineFaults | undefined;
  readonly storeFaults: StoreFaults;
  /** whether one replica dies for good in the end */
  readonly leaves: boolean;
  /** share of starts that die again before they are done */
  readonly dieStarting: number;
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

/**
 * Callers of a run when nothing else is said: the mean of what is drawn. Some find no replica that takes their payment.
 */
export const PAYMENTS = 370;
/**
 * Settings of every replica: how often a record that looks bad is read again, and shares of the run's horizon and
 * recall.
 */
export const TOLD = { rereads: 40, horizon: 1, recall: 1 };
/** In which share of the runs an incident happens, and how often at most, where that is not 0.3 and 4. */
const OFTEN: Partial<Record<Incident, readonly [number, number]>> = {
  "kill": [0.65, 4],
  "machine-death": [0.5, 6],
  "pause": [0.45, 4],
  "restart": [0.4, 4],
  "purge": [0.4, 4],
  "log-lost": [0.5, 5],
  "store-restored": [0.4, 3],
  "disk-full": [0.3, 3],
  "file-limit": [0.3, 3],
  "host-cut": [0.5, 4],
  "links-cut": [0.5, 4],
  "leader-cut": [0.5, 3],
  "host-killed": [0.4, 3],
  "stream-lost": [0.15, 2],
  "stream-shortened": [0.15, 2],
};

/** Draws the plan of a seed. What is left out does not shift what else is drawn. */
export function drawPlan(seed: number, options: PlanOptions = {}): Plan {
  const plan = drawFilePlan(seed, options);
  return options.hosts ? withHosts(plan, options) : plan;
}

/** The same on three hosts. */
function withHosts(plan: Plan, options: PlanOptions): Plan {
  const prng = new Prng(plan.seed * 2 + 4);
  const without = new Set<FaultKind>([...options.without ?? [], ...FILE_INCIDENTS]);
  const incidents = { ...plan.incidents, ...drawIncidents(prng, HOST_INCIDENTS, without) };
  for (const kind of FILE_INCIDENTS) incidents[kind] = 0;
  const share = shares(prng);
  const engine = (max: number) => share(max) * Number(!without.has("engine"));
  // longer than a replica is silent before others act for it
  const slower = prng.pick([1, 1, 10]);
  const requestTimeoutMs = slower * plan.settings.requestTimeoutMs;
  return {
    ...plan,
    settings: { ...plan.settings, requestTimeoutMs },
    slowestMs: slower * plan.slowestMs,
    replicas: 3,
    incidents,
    leaves: prng.chance(0.4) && !without.has("kill"),
    engine: {
      wayMs: prng.pick([0.5, 5, 30]) * prng.between(0.2, 1),
      lost: engine(0.1),
      late: engine(0.1),
      ackLost: engine(0.2),
      busy: engine(0.1),
      stale: engine(0.3),
      survives: prng.float(),
    },
  };
}

function drawIncidents<K extends Incident>(
  prng: Prng,
  kinds: readonly K[],
  without: ReadonlySet<FaultKind>,
): Record<K, number> {
  return Object.fromEntries(kinds.map((kind) => {
    const [share, max] = OFTEN[kind] ?? [0.3, 4];
    const [on, count] = [prng.chance(share), prng.whole(1, max)];
    return [kind, on && !without.has(kind) ? count : 0];
  })) as Record<K, number>;
}

function drawFilePlan(seed: number, options: PlanOptions): Plan {
  const prng = new Prng(seed);
  const without = new Set<FaultKind>(options.without);
  const ack = prng.pick(["log", "log", "store"] as const);
  const store = prng.chance(0.75) || ack === "store";
  const many = prng.float();
  const replicas = many < 0.55 ? 2 : many < 0.9 ? 3 : 1;
  const incidents: Record<Incident, number> = {
    ...drawIncidents(prng, INCIDENTS, without),
    ...drawIncidents(new Prng(0), HOST_INCIDENTS, new Set(HOST_INCIDENTS)),
  };
  if (replicas === 1) { for (const kind of INCIDENTS) if (kind.startsWith("link")) incidents[kind] = 0; }
  const one = (kind: FaultKind, of: readonly number[]) =>
    [prng.pick(of)].map((drawn) => without.has(kind) ? 0 : drawn)[0]!;
  const requestTimeoutMs = prng.whole(100, 1_000);
  const share = shares(prng);
  const [http, network, disk, database, client] = (["http", "network", "disk", "store", "client"] as const).map((
    kind,
  ) => without.has(kind) ? () => 0 * share(1) : share) as [
    typeof share,
    typeof share,
    typeof share,
    typeof share,
    typeof share,
  ];
  return {
    seed,
    settings: {
      ack,
      patienceMs: prng.pick([0, 200, 1_000, 3_000]),
      slowMs: prng.pick([20, 100, 400, 5_000]),
      maxInFlight: prng.pick([1, 3, 10, 50]),
      dispatchPerSecond: prng.pick([250, 800, 5_000]),
      memory: { heap: Infinity, all: Infinity },
      queueMax: prng.pick([30, 100, 10_000, 10_000]),
      requestTimeoutMs,
      horizonMs: prng.whole(100, 2_000),
      recallMs: prng.pick([60_000, 3_600_000]),
      stopMs: prng.whole(50, 1_500),
      storeIntervalMs: prng.pick([0, 5, 20, 100]),
      segmentRecords: prng.chance(0.75) ? prng.whole(8, 40) : prng.whole(70, 200),
      segmentsMax: store ? prng.pick([6, 40, 10_000]) : 10_000,
    },
    replicas,
    store,
    payments: options.payments ?? prng.whole(PAYMENTS / 2, PAYMENTS * 3 / 2),
    safetyMs: prng.chance(0.2) ? prng.whole(10_000, 40_000) : prng.whole(1_500, 6_000),
    incidents,
    http: {
      wayMs: prng.between(0.1, 3),
      unreachable: http(0.15),
      requestLost: http(0.15),
      reset: http(0.15),
      booked500: http(0.15),
      never: http(0.08),
      resent: http(0.15),
      gateway: http(0.15),
      rejected: http(0.1),
      late: http(0.15),
      lookupFails: http(0.15),
      poison: http(0.1),
      retryAfter: http(0.5),
      healthLies: one("http", [0, 1, 1]),
      healthStaleMs: one("http", [0, 100, 900]),
    },
    network: { delayMs: prng.between(0.05, 2), split: network(0.2), late: network(0.1), refuse: network(0.2) },
    engine: undefined,
    disk: {
      cut: disk(0.03),
      late: disk(0.2),
      unmade: disk(0.3),
      overtaken: disk(0.1),
      moveDies: one("disk", [0.6, 1, 1]),
    },
    storeFaults: {
      delayMs: prng.between(0.2, 15),
      ...{ slow: database(0.2), fails: database(0.2), refused: database(0.05), unknown: database(0.2) },
    },
    leaves: prng.chance(0.6) && replicas > 1 && !without.has("kill"),
    dieStarting: disk(0.6),
    client: { again: client(0.3), otherAmount: client(0.3), hangsUp: client(0.3) },
    fixedAmount: prng.chance(0.4),
    slowestMs: requestTimeoutMs * prng.between(0.1, 2),
    lagMs: prng.pick([0, 0.5, 5]),
    limiter: prng.chance(0.7)
      ? { running: prng.whole(1, 3), waiting: prng.whole(0, 2) }
      : { running: 800, waiting: 500 },
  };
}

/** Draws shares up to `max`; many are zero, so that every fault is also seen without the others. */
function shares(prng: Prng): (max: number) => number {
  return (max) => {
    const [on, value] = [prng.chance(0.4), prng.float()];
    return on ? value * max : 0;
  };
}
