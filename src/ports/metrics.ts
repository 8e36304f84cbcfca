/** What is counted of a replica, and who tells it. @module */
import type { Reason } from "../payment/fact.ts";

/** The requests of one route. */
export interface RequestMeter {
  /** A request has come. @returns what {@link end} is to be given */
  begin(): number;
  /** It is answered. */
  end(begun: number, status: number): void;
}

/** What the HTTP edge counts into and shows. */
export interface Metrics {
  /** @param path the route's template, never a path with ids in it */
  route(method: string, path: string): RequestMeter;
  /** Everything as Prometheus' text, version 0.0.4. */
  scrape(): Promise<string>;
}

/** What a replica's link to its peer has carried, and how far the peer is behind. */
export interface GossipVitals {
  readonly linked: boolean;
  /** since when something that was said here is not acknowledged, in milliseconds; 0 when all is */
  readonly lagMs: number;
  /** how long ago the peer was heard, in milliseconds; infinite when never */
  readonly silentMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** What waits for the store. */
export interface StoreVitals {
  readonly state: "connecting" | "ready" | "unavailable";
  /** payments whose newest fact is not stored */
  readonly backlog: number;
  /** age of the oldest fact that is not stored, in milliseconds; 0 when all are */
  readonly oldestDirtyMs: number;
}

/** The parts of a replica that `/readyz` does not tell of, as they are at the moment of reading. */
export interface Vitals {
  readonly gossip: GossipVitals | undefined;
  readonly store: StoreVitals | undefined;
  /** why payments that are to be routed wait, where any do */
  readonly held: Reason | undefined;
}
