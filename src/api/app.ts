/** The HTTP edge: every path, and the answer to an unknown one. @module */
import { type Context, Hono } from "@hono/hono";
import { getPath } from "@hono/hono/utils/url";
import { getLogger } from "@logtape/logtape";
import type { Observer } from "../service/observer.ts";
import type { Service } from "../service/service.ts";
import type { Watching } from "../console/watching.ts";
import { routesOf } from "./openapi.ts";
import { takePayment } from "./payments.ts";
import { problem } from "./problem.ts";

/** Answers a request. */
export type Handler = (c: Context) => Response | Promise<Response>;

/** What handlers answer from, and the options of the HTTP edge. */
export interface Edge {
  /** the replica that takes them */
  readonly payments: Service;
  /** whether everyone may purge */
  readonly allowPurge: boolean;
  /** the bearer token that may purge in any case; none if left out or empty */
  readonly adminToken?: string | undefined;
  /** milliseconds since 1970, UTC */
  readonly now: () => number;
  /** an invariant is broken (a message that starts with "invariant:"): the replica must not go on */
  readonly onInvariant: (error: Error) => void;
  /** what people are shown */
  readonly watching: Watching;
  /** whether the live page and metrics are here too; true by default */
  readonly internal?: boolean;
  /** sees every request */
  readonly observers?: readonly Observer[];
  /** the answer of `GET /metrics`, in Prometheus' text format */
  readonly scrape?: () => Promise<string>;
}

/** A name or address, and perhaps a port. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d*)?$/i;
/** A URL in which {@link getPath} finds the path. */
const PLAIN = /^[^:]+:\/\/[^/?#\\@]+\//;

/** Stands for a path that no route has: every path begins with a slash. */
const NO_PATH = "none";
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/**
 * The app that answers for a replica.
 *
 * @example
 * ```ts ignore
 * Deno.serve(createApp({ payments: replica, watching, allowPurge: false, now: Date.now, onInvariant: stop }).fetch);
 * ```
 */
export function createApp(edge: Edge): Hono {
  const { onInvariant, internal = true, observers = [] } = edge;
  const log = getLogger(["galo", "http"]);
  const app = new Hono({ getPath: pathOf });
  for (const [route, { handlerOf }] of Object.entries(routesOf(internal))) {
    const [method, path] = route.split(" ") as [string, string];
    app.on(method, path, measured(observers, route, handlerOf(edge)));
  }
  app.notFound(measured(observers, "any unrouted", ({ req }: Context) => answerUnrouted(app, req.path, req.method)));
  const failed = (error: Error, request: Request) => {
    if (error.message.startsWith("invariant:")) onInvariant(error);
    else log.error("a request failed", { method: request.method, path: pathOf(request), error });
    return problem("internal", "The request could not be answered");
  };
  app.onError((error, c) => failed(error, c.req.raw));
  // routing a payment would cost as much as reading it
  const { fetch } = app;
  const taken = measured(observers, "POST /payments", takePayment(edge));
  app.fetch = (request, ...rest) => {
    if (request.method !== "POST" || pathOf(request) !== "/payments") return fetch(request, ...rest);
    return taken({ req: { raw: request } }).catch((error) => failed(error, request));
  };
  return app;
}

/** The previous request: most requests are for the same path. */
let last = { url: "", host: null as string | null, path: NO_PATH };

/** The path; {@link NO_PATH} if Host, or the host in a target that is a whole URL, would change it: `x/metrics?`. */
function pathOf(request: Request): string {
  const { headers, url } = request;
  const host = headers.get("host");
  if (url !== last.url || host !== last.host) {
    const isPlain = (host === null || HOST.test(host)) && PLAIN.test(url);
    last = { url, host, path: isPlain ? getPath(request) : NO_PATH };
  }
  return last.path;
}

/** Answers a path without a route, or without one for this method. */
function answerUnrouted(app: Hono, path: string, asked: string): Response {
  if (path === NO_PATH) return problem("bad-host", "Host must be one name or address, with or without a port");
  const known = METHODS.filter((method) => app.router.match(method, path)[0].length > 0);
  if (known.length === 0) return problem("unknown-path", "Nothing is at this path");
  const allow = [...known, ...known.includes("GET") ? ["HEAD"] : [], "OPTIONS"].join(", ");
  if (asked === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  return problem("method-not-allowed", `This path allows ${allow}`, {}, { allow });
}

/** A handler whose requests are observed. What it throws is answered 500. */
export function measured<Asked>(
  observers: readonly Observer[],
  route: string,
  handler: (asked: Asked) => Response | Promise<Response>,
): (asked: Asked) => Promise<Response> {
  return async (asked) => {
    for (const observer of observers) observer.requested?.(route);
    const begunMs = performance.now();
    let status = 500;
    try {
      const answer = await handler(asked);
      status = answer.status;
      return answer;
    } finally {
      const tookMs = performance.now() - begunMs;
      for (const observer of observers) observer.answered?.(route, status, tookMs);
    }
  };
}
