/** The state of a replica at `/readyz`. @module */
import type { AckLevel } from "../config.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { LogLimit } from "../ledger/retention.ts";
import type { Membership } from "../membership/membership.ts";
import type { MemoryLimits } from "../payment/book.ts";
import type { ReplicaId } from "../payment/fact.ts";
import type { Dispatcher, ProcessorStatus } from "../routing/dispatcher.ts";
import type { Projector } from "../store/projector.ts";

/** The state of a replica, for `/readyz` and the people who read it. */
export type Readiness = ReturnType<typeof readinessOf>;

/** The parts of a replica that has read the store and the log. */
export interface Running {
  /** records and folds facts */
  readonly ledger: Ledger;
  /** whether the log takes new payments */
  readonly retention: LogLimit;
  /** sends payments to the processors */
  readonly dispatcher: Dispatcher;
  /** writes the store; undefined without one */
  readonly projector: Projector | undefined;
}

/** At each of these POST is answered 503; `/readyz` and the log say so. */
export const LIMITS = {
  queue: "QUEUE_MAX payments are waiting",
  log: "the log has reached LOG_MAX_MB",
  memory: "memory has no room for more payments",
} as const;

/** The note for a few seconds after the log took no payment: its writer logs why. */
export const UNTAKEN = "the log takes no records: its disk may be full";

const PEER = { linked: "linked", silent: "unreachable", dead: "dead" } as const;
const DOWN: ProcessorStatus = { state: "down", latencyMs: 0, inFlight: 0 };

/**
 * The readiness of a replica with these parts; none before it has read the store and the log.
 *
 * @param isStoredElsewhere whether a peer that is heard has a store that works
 * @param isUntaken whether the log took no record a moment ago
 */
export function readinessOf(
  { self: replica, ack, queueMax, memory }: {
    readonly self: ReplicaId;
    readonly ack: AckLevel;
    readonly queueMax: number;
    readonly memory: MemoryLimits;
  },
  { phase, peers, waits }: Membership,
  hasStore: boolean,
  { ledger, retention, dispatcher, projector }: Partial<Running> = {},
  isStoredElsewhere = false,
  isUntaken = false,
) {
  const store = projector?.state ?? (hasStore ? "connecting" as const : "none" as const);
  const pending = ledger?.book.pending.size ?? 0;
  const reached = [
    pending >= queueMax && LIMITS.queue,
    retention?.isOverLimit && LIMITS.log,
    isUntaken && UNTAKEN,
    ledger && ledger.book.memoryUse(memory) >= 1 && LIMITS.memory,
  ];
  // one working store commits the payments of all
  const isUncovered = ack === "store" && store !== "ready" && !isStoredElsewhere;
  const isCutOff = ledger?.isCurrent === false;
  const notes = [
    waits,
    phase === "reading" ? "reading the store and the log" : "",
    ...Object.entries(peers).map(([peer, state]) => {
      if (state === "dead") return `replica ${peer} is dead`;
      // it listens to its peers once it has its own lock
      return state === "silent" && phase !== "starting" ? `replica ${peer} does not answer` : "";
    }),
    projector?.trouble ?? "",
    ...reached,
    isCutOff ? "this replica cannot reach the log, so it takes and sends nothing new" : "",
    phase === "serving" && isUncovered
      ? "POST is answered 503: a 202 says that Postgres holds the payment (ACK=store)"
      : "",
    ...dispatcher?.notes ?? [],
  ];
  return {
    ready: phase === "serving" && !isCutOff && !isUncovered && !reached.some(Boolean),
    ...{ replica, phase, ack },
    peers: Object.fromEntries(Object.entries(peers).map(([peer, state]) => [peer, PEER[state]])),
    store,
    /** why it is not ready, or what is wrong, one line each */
    notes: notes.filter((note) => !!note) as string[],
    /** payments waiting to be dispatched by this replica */
    queue: dispatcher?.waiting ?? 0,
    /** payments not settled, of all replicas */
    pending,
    settled: ledger?.book.settled.size ?? 0,
    processors: {
      default: dispatcher?.status("default") ?? DOWN,
      fallback: dispatcher?.status("fallback") ?? DOWN,
    },
  };
}
