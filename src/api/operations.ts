/** What operators call: `GET /livez`, `GET /readyz`, `GET /metrics`, `POST /purge-payments`. @module */
import type { Context } from "@hono/hono";
import { createHash, timingSafeEqual } from "node:crypto";
import type { Payments } from "../service/service.ts";
import type { z } from "@zod/zod";
import { problem } from "./problem.ts";
import type { livenessAnswer, purgeAnswer, readinessAnswer } from "./schemas.ts";

/** Says that the process answers. */
export function showLiveness(c: Context): Response {
  return c.json({ alive: true } satisfies z.infer<typeof livenessAnswer>);
}

/** Says whether payments are taken here, and what is not as it should be: 200 when ready, else 503. */
export function showReadiness(payments: Payments): (c: Context) => Response {
  return (c) => {
    const readiness: z.infer<typeof readinessAnswer> = payments.readiness();
    return c.json(readiness, readiness.ready ? 200 : 503);
  };
}

/** Who may purge. */
export interface PurgeOptions {
  /** whether everyone may */
  readonly allowPurge: boolean;
  /** who else may: the holder of this bearer token; nobody where it is empty */
  readonly adminToken: string;
}

/** Forgets every payment, for whom is allowed to ask for it. */
export function purgePayments(payments: Payments, { allowPurge, adminToken }: PurgeOptions): (c: Context) => Response {
  return (c) => {
    if (!allowPurge && !bears(c.req.header("authorization"), adminToken)) {
      return problem("forbidden", "Purging needs ALLOW_PURGE=true or the ADMIN_TOKEN as bearer");
    }
    if (!payments.purge()) {
      const kind = payments.readiness().phase === "serving" ? "log-full" : "not-serving";
      return problem(kind, "Nothing was purged");
    }
    return c.json({ message: "All payments are purged." } satisfies z.infer<typeof purgeAnswer>);
  };
}

function bears(authorization = "", token: string): boolean {
  const [, given] = /^Bearer +(.+)$/i.exec(authorization) ?? [];
  // hashes have one length, and comparing them takes the same time wherever they differ
  return token !== "" && given !== undefined && timingSafeEqual(sha256(given), sha256(token));
}

function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** Tells what this replica has counted, as Prometheus' text. */
export function showMetrics(scrape: () => Promise<string>): () => Promise<Response> {
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  return async () => new Response(await scrape(), { headers });
}
