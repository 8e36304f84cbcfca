/** `GET /metrics`. @module */
import type { Metrics } from "../telemetry/metrics.ts";
import type { Handler } from "./measured.ts";

/** The content type of Prometheus' text. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Tells what this replica has counted; nothing where nothing is counted. */
export function showMetrics(metrics: Metrics | undefined): Handler {
  return async () => new Response(await metrics?.scrape() ?? "", { headers: { "content-type": METRICS_TYPE } });
}
