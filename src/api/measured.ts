/** Counts and times the requests of a route. @module */
import type { Context } from "@hono/hono";
import type { RequestMeter } from "../telemetry/metrics.ts";

export type Handler = (c: Context) => Response | Promise<Response>;

/** A handler whose requests are counted; the same one where nobody counts. What it throws is answered 500. */
export function measured(meter: RequestMeter | undefined, handler: Handler): Handler {
  if (!meter) return handler;
  return async (c) => {
    const begun = meter.begin();
    let status = 500;
    try {
      const answer = await handler(c);
      status = answer.status;
      return answer;
    } finally {
      meter.end(begun, status);
    }
  };
}
