/**
 * Which phase of its life a replica is in, and what it knows of its peers'. Pure: events come in, effects go out, and the
 * replica carries them out. A replica holds the lock of its own name for as long as it lives; if it gets a peer's
 * lock, that is proof of the peer's death.
 * @module
 */
import type { ReplicaId } from "../payment/fact.ts";

/** How often a replica that does not hear a peer tries for the peer's lock, in milliseconds. */
export const PEER_TRY_MS = 500;
/** Pause before the log is tried again, in milliseconds: while another process holds a lock, or nothing can be decided. */
export const OPEN_AGAIN_MS = 50;

/** The phase of a replica. */
export type Phase =
  /** waits for its lock, and for its turn to open the log */
  | "starting"
  /** reads the store and the log to its end */
  | "reading"
  /** takes payments */
  | "serving"
  /** takes nothing, and lets calls in flight end */
  | "draining"
  | "stopped";

/** A peer: `linked`: it is heard; `silent`: it may live; `dead`: its lock was free. */
export type PeerState = "linked" | "silent" | "dead";

/** What a replica knows of itself and its peers. */
export interface Membership {
  /** the replica's own */
  readonly phase: Phase;
  /** of every other replica of the roster */
  readonly peers: Readonly<Record<ReplicaId, PeerState>>;
  /** whether the event `try` is to come */
  readonly tryPlanned: boolean;
  /** why the log is not open yet */
  readonly waits: string;
}

/** What happens to a replica. */
export type Event =
  | { readonly kind: "start" }
  /** the log could not be opened, and why; after {@link OPEN_AGAIN_MS} it is tried again, unless it says otherwise */
  | { readonly kind: "not-opened"; readonly why: string; readonly afterMs?: number | undefined }
  | { readonly kind: "opened" }
  /** the log is read to its end */
  | { readonly kind: "read" }
  | { readonly kind: "linked" | "lost"; readonly peer: ReplicaId }
  /** it is time to try for the locks of the peers that are not heard */
  | { readonly kind: "try" }
  /** the peer's lock was free: what it owned is moved */
  | { readonly kind: "peer-dead"; readonly peer: ReplicaId }
  /** the peer's lock was not free */
  | { readonly kind: "peer-lives"; readonly peer: ReplicaId }
  | { readonly kind: "stop" }
  | { readonly kind: "drained" };

/** What the replica must do about it. */
export type Effect =
  | { readonly kind: "open"; readonly afterMs: number }
  | { readonly kind: "read" }
  /** begins to dispatch and to poll */
  | { readonly kind: "serve" }
  /** tries for the locks of these; with them: reads the log to its end, moves what the dead ones owned, releases them */
  | { readonly kind: "take-over"; readonly from: readonly ReplicaId[] }
  /** schedules the {@link Event} `try` */
  | { readonly kind: "try-later"; readonly afterMs: number }
  | { readonly kind: "drain" }
  /** releases everything */
  | { readonly kind: "close" };

const TRY_LATER: Effect = { kind: "try-later", afterMs: PEER_TRY_MS };

interface Transition {
  readonly state: Membership;
  readonly effects: readonly Effect[];
}

/** The state before any event. */
export function unstarted(peers: readonly ReplicaId[]): Membership {
  const silent = Object.fromEntries(peers.map((peer) => [peer, "silent" as const]));
  return { phase: "starting", peers: silent, tryPlanned: false, waits: "not started" };
}

/** The state after an event, and its effects. */
export function transition(state: Membership, event: Event): Transition {
  const { phase, peers } = state;
  const away = Object.keys(peers).filter((peer) => peers[peer] !== "linked");
  const heard = (peer: ReplicaId, now: PeerState) => ({ peers: { ...peers, [peer]: now } });
  const to = (next: Partial<Membership>, ...effects: Effect[]): Transition => ({
    state: { ...state, ...next },
    effects,
  });
  const stays: Transition = { state, effects: [] };
  switch (event.kind) {
    case "start":
      return to({ waits: "" }, { kind: "open", afterMs: 0 });
    case "not-opened":
      if (phase !== "starting") return stays;
      return to({ waits: event.why }, { kind: "open", afterMs: event.afterMs ?? OPEN_AGAIN_MS });
    case "opened":
      return phase === "starting" ? to({ phase: "reading", waits: "" }, { kind: "read" }) : stays;
    case "read":
      if (phase !== "reading") return stays;
      if (away.length === 0) return to({ phase: "serving" }, { kind: "serve" });
      // gives a peer that starts at the same time the time to take its lock
      return to({ phase: "serving", tryPlanned: true }, { kind: "serve" }, TRY_LATER);
    case "linked":
      return to(heard(event.peer, "linked"));
    case "lost": {
      if (phase !== "serving") return to(heard(event.peer, "silent"));
      const takeOver: Effect = { kind: "take-over", from: [event.peer] };
      const later = state.tryPlanned ? [] : [TRY_LATER];
      return to({ ...heard(event.peer, "silent"), tryPlanned: true }, takeOver, ...later);
    }
    case "try":
      if (phase !== "serving" || away.length === 0) return to({ tryPlanned: false });
      return to({ tryPlanned: true }, { kind: "take-over", from: away }, TRY_LATER);
    case "peer-dead":
      return peers[event.peer] === "silent" ? to(heard(event.peer, "dead")) : stays;
    case "peer-lives":
      return peers[event.peer] === "dead" ? to(heard(event.peer, "silent")) : stays;
    case "stop":
      if (phase === "draining" || phase === "stopped") return stays;
      return phase === "serving"
        ? to({ phase: "draining" }, { kind: "drain" })
        : to({ phase: "stopped" }, { kind: "close" });
    case "drained":
      return phase === "draining" ? to({ phase: "stopped" }, { kind: "close" }) : stays;
  }
}
