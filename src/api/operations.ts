/** What operators call: `GET /livez`, `GET /readyz`, `GET /metrics`, `POST /purge-payments`. @module */
import { timingSafeEqual } from "@hono/hono/utils/buffer";
import type { z } from "@zod/zod";
import type { Edge, Handler } from "./app.ts";
import { problem } from "./problem.ts";
import type { livenessAnswer, purgeAnswer, readinessAnswer } from "./schemas.ts";

/** Says that the process answers. */
export function showLiveness(): Handler {
  return (c) => c.json({ alive: true } satisfies z.infer<typeof livenessAnswer>);
}

/** Says whether payments are taken here, and what is not as it should be: 200 when ready, else 503. */
export function showReadiness({ payments }: Edge): Handler {
  return (c) => {
    const readiness: z.infer<typeof readinessAnswer> = payments.readiness();
    return c.json(readiness, readiness.ready ? 200 : 503);
  };
}

/** Forgets every payment, if the caller is allowed to. */
export function purgePayments({ payments, allowPurge, adminToken = "" }: Edge): Handler {
  return async (c) => {
    const [, token] = /^Bearer +(.+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
    const isAdmin = adminToken !== "" && token !== undefined && await timingSafeEqual(token, adminToken);
    if (!allowPurge && !isAdmin) {
      return problem("forbidden", "Purging needs ALLOW_PURGE=true or the ADMIN_TOKEN as bearer");
    }
    const purged = await payments.purge();
    if (purged === "cut-off") return problem("cut-off", "It is not known yet whether the purge is recorded");
    if (!purged) {
      const kind = payments.readiness().phase === "serving" ? "log-full" : "not-serving";
      return problem(kind, "Nothing was purged");
    }
    return c.json({ message: "All payments are purged." } satisfies z.infer<typeof purgeAnswer>);
  };
}

/** Answers with this replica's metrics, in Prometheus' text format. */
export function showMetrics({ scrape = () => Promise.resolve("") }: Edge): Handler {
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  return async () => new Response(await scrape(), { headers });
}
