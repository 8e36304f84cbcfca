/** What the HTTP edge needs of who counts. @module */

/** The requests of one route. */
export interface RequestMeter {
  /** A request has come. @returns when, on the monotonic clock, in milliseconds */
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
