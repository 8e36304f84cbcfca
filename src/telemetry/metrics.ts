/** What is counted of a replica, and who tells it. @module */
import type { Reason } from "../payment/fact.ts";
import type { Payments, Readiness } from "../api/service.ts";

/** The requests of one route. */
export interface RequestMeter {
  /** A request has come. @returns when, on the monotonic clock, in milliseconds */
  begin(): number;
  /** It is answered. */
  end(begun: number, status: number): void;
}

/** What a replica tells of itself every second, to its peer and to who watches; times in milliseconds. */
export interface Status {
  /** since 1970, UTC */
  readonly at: number;
  /** requests of `POST /payments` that were answered, and those of them with a 5xx, a second */
  readonly posts: number;
  readonly failed: number;
  /** of their times, whatever they were answered; 0 without one */
  readonly medianMs: number;
  readonly p99Ms: number;
  /** payments in its hands that wait for a call */
  readonly queue: number;
  readonly inFlightDefault: number;
  readonly inFlightFallback: number;
  readonly store: Readiness["store"];
  /** age of the oldest change that is not stored */
  readonly storeLagMs: number;
  readonly memoryBytes: number;
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
  /** for how long the peer has not read what it was told of, in milliseconds; 0 where it has */
  readonly lagMs: number;
  /** how long ago the peer was heard, in milliseconds; infinite when never */
  readonly silentMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** what the peer told last, in whichever life of its */
  readonly peerStatus: Status | undefined;
  /** Tells the peer, if it is there. */
  tellStatus(status: Status): void;
}

/** The parts of a replica that `/readyz` does not tell of, as they are at the moment of reading. */
export interface Vitals {
  readonly gossip: GossipVitals | undefined;
  /** payments that the store lacks, or has as they were, and the age of the oldest such change in milliseconds */
  readonly store: { readonly backlog: number; readonly oldestDirtyMs: number } | undefined;
  /** segments of the log, and with how many new payments are refused; undefined while it is not known what was known before */
  readonly log: { readonly segments: number; readonly segmentsMax: number } | undefined;
  /** why payments that are to be routed wait, where any do */
  readonly held: Reason | undefined;
}

/** A replica, to who looks at it. */
export interface Observed extends Payments {
  readonly vitals: Vitals;
}
