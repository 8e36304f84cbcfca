/**
 * Every route: what answers it, and how OpenAPI 3.1 describes it, made from the schemas that validate and the problems
 * that are answered.
 * @module
 */
import { etag } from "@hono/hono/etag";
import { z } from "@zod/zod";
import type { Reason } from "../payment/fact.ts";
import type { Edge, Handler } from "./app.ts";
import { streamLive } from "./live.ts";
import { purgePayments, showLiveness, showMetrics, showReadiness } from "./operations.ts";
import { showDocs, showDocsFile, showLive, showWatchFile } from "./pages.ts";
import { REFUSALS, showPayment, takePayment } from "./payments.ts";
import { type ProblemKind, PROBLEMS } from "./problem.ts";
import { WHY } from "./reason.ts";
import * as schemas from "./schemas.ts";
import { showSummary } from "./summary.ts";

type Json = Readonly<Record<string, unknown>>;

interface Route {
  readonly handlerOf: (edge: Edge) => Handler;
  readonly operation: Json;
  /** it is at `OPS_LISTEN` only, if that is set */
  readonly internal?: true;
}

/** Routes by method and path as Hono names them. */
type Routes = Readonly<Record<string, Route>>;

const SCHEMAS = {
  NewPayment: schemas.paymentBody,
  Payment: schemas.paymentAnswer,
  Summary: schemas.summaryAnswer,
  Liveness: schemas.livenessAnswer,
  Readiness: schemas.readinessAnswer,
  Purged: schemas.purgeAnswer,
  Problem: schemas.problemAnswer,
};

const STRING = { type: "string" };
const REQUIRED = { required: true, schema: STRING };

const HEADERS = {
  "Location": { required: true, description: "the payment's path", schema: { ...STRING, pattern: "^/payments/" } },
  "Retry-After": {
    description: "seconds until another try may succeed; missing if another try is useless",
    schema: { type: "integer", minimum: 0 },
  },
  "Allow": { ...REQUIRED, description: "the methods that the path knows", example: "GET, HEAD, OPTIONS" },
  "ETag": { required: true, schema: { ...STRING, pattern: '^"[^"]+"$' } },
  "Cache-Control": REQUIRED,
  "Vary": REQUIRED,
  "Content-Security-Policy": REQUIRED,
};

const PROBLEM_TYPE = "application/problem+json";

const DESCRIPTION = `Payments go to the cheapest processor that can carry them, each exactly once.

Every error is a problem (RFC 9457, \`${PROBLEM_TYPE}\`); its \`type\` says which. Every path answers HEAD where it
answers GET, and OPTIONS with \`Allow\`. What any request may be answered is in \`components.responses\`: another path
404, another method 405, a Host header that is not valid 400; and from the load balancer 413 for a body of 10,000 bytes,
503 while no replica answers. A port answers without a body what is not HTTP or comes too slowly (400, 408, 431). A
caller that takes longer than 10 s to send a request is cut off.`;

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const STORY = {
  operationId: "showPayment",
  parameters: { id: "$request.body#/correlationId" },
  description: "the state of the payment",
};
const fact = (at: string, state: string, attempt: number, processor: string | null, reason: Reason) => (
  { at: `2025-07-15T12:34:56.${at}Z`, state, attempt, processor, replica: "a", reason, why: WHY[reason] }
);
const PAYMENT = {
  correlationId: ID,
  state: "settled",
  amount: 19.9,
  processor: "default",
  requestedAt: "2025-07-15T12:34:56.007Z",
  acceptedAt: "2025-07-15T12:34:56.000Z",
  attempts: 1,
  reason: "default-up",
  why: `Booked at the default processor: ${WHY["default-up"]}.`,
  owner: "a",
  facts: [
    fact("000", "accepted", 0, null, "accepted"),
    fact("007", "dispatched", 1, "default", "default-up"),
    fact("012", "settled", 1, "default", "default-up"),
  ],
  complete: true,
  source: "memory",
};
const TOTALS = {
  default: { totalRequests: 1234, totalAmount: 24556.6 },
  fallback: { totalRequests: 0, totalAmount: 0 },
};
const PROCESSOR = { state: "up", latencyMs: 3, inFlight: 2 };
const READINESS = {
  ready: true,
  replica: "a",
  phase: "serving",
  ack: "log",
  peers: { b: "linked" },
  store: "ready",
  notes: [],
  queue: 0,
  pending: 2,
  settled: 1234,
  processors: { default: PROCESSOR, fallback: { ...PROCESSOR, inFlight: 0 } },
};
const NOT_READY = { ...READINESS, ready: false, phase: "reading", notes: ["reading the store and the log"] };

const TAG = { name: "If-None-Match", in: "header", description: "the `ETag` of an earlier answer", schema: STRING };
const HTML = some("text/html");
const REFUSED = Object.keys(REFUSALS) as (keyof typeof REFUSALS)[];
const UNKNOWN = problems("unknown-payment")[404]!;

/** Every route there is. */
const ROUTES: Routes = {
  "POST /payments": route("payments", takePayment, "Hand in a payment", {
    202: {
      ...answer("Acknowledged: it will be booked at one processor, once", undefined, "Location"),
      links: { story: STORY },
    },
    ...problems("repeated-name", "conflict", "not-json", "invalid-payment", "internal", ...REFUSED),
  }, {
    description: "Safe to repeat: the same id with the same amount is answered 202 again, counted and charged once. " +
      "Members that are not known are ignored. The body has at most 4096 bytes.",
    requestBody: { required: true, content: json("NewPayment", { correlationId: ID, amount: 19.9 }) },
  }),
  "GET /payments/:id": route("payments", showPayment, "What happened to a payment, and why", {
    200: answer("What is known of it, as JSON or as a page", { ...json("Payment", PAYMENT), ...HTML }, "Vary"),
    404: answer(UNKNOWN.description, { ...UNKNOWN.content, ...HTML }, "Vary"),
    ...problems("internal", "cut-off", "not-serving"),
  }, {
    parameters: [inPath("id", ID, "the correlation id, in either case; anything else is answered 404")],
  }),
  "GET /payments-summary": route("payments", showSummary, "What is booked where", {
    200: answer("The totals of both processors", json("Summary", TOTALS)),
    ...problems("invalid-query", "internal", "cut-off", "not-serving"),
  }, {
    description: "The totals of all replicas at the time of asking, by `requestedAt` at the processors, " +
      "both ends inclusive.",
    parameters: [
      instant("from", "not after `to`", "2025-07-15T12:34:56.000Z"),
      instant("to", "not before `from`", "2025-07-15T12:35:56.000Z"),
    ],
  }),
  "POST /purge-payments": route("operations", purgePayments, "Forget every payment", {
    200: answer("They are forgotten, at all replicas", json("Purged", { message: "All payments are purged." })),
    ...problems("forbidden", "internal", "log-full", "cut-off", "not-serving"),
  }, {
    description: "Needs the ADMIN_TOKEN as bearer, unless ALLOW_PURGE=true lets everybody in. A body is not read. A " +
      "payment that a processor may be booking now is not forgotten: it ends first, and counts.",
    security: [{ admin: [] }, {}],
  }),
  "GET /livez": route("operations", showLiveness, "Whether the process lives", {
    200: answer("It does", json("Liveness", { alive: true })),
  }),
  "GET /readyz": route(
    "operations",
    showReadiness,
    "Whether payments are taken, and the state of peers, store and processors",
    {
      200: answer("They are taken", json("Readiness", READINESS)),
      503: answer("Not yet, or no longer", json("Readiness", NOT_READY)),
    },
  ),
  "GET /metrics": internal(
    route("operations", showMetrics, "What this replica has counted and measured, for Prometheus", {
      200: answer("Prometheus' text, version 0.0.4", some("text/plain")),
    }),
  ),
  "GET /": internal(
    route("operations", showLive, "What the replicas are doing now, as a page", {
      200: answer("The page", HTML, "Content-Security-Policy"),
    }),
  ),
  "GET /live": internal(
    route("operations", streamLive, "What that page shows, as it happens", {
      200: answer("Events", some("text/event-stream"), "Cache-Control"),
      ...problems("watchers-full"),
    }, {
      description:
        "Server-sent events: `history`, the charts so far, and every second `live`. It goes on until the caller " +
        "or the replica ends it.",
    }),
  ),
  "GET /watch/:file": route("operations", showWatchFile, "A file of these pages", {
    200: answer("The file", some("text/javascript", "text/css", "image/svg+xml"), "Cache-Control"),
    ...problems("unknown-path"),
  }, { parameters: [inPath("file", "live.js")] }),
  "GET /openapi.json": route("reference", showDocument, "This document", {
    200: answer("OpenAPI 3.1", some("application/json"), "ETag", "Cache-Control"),
    304: answer("It is what `If-None-Match` says", undefined, "ETag", "Cache-Control"),
  }, { parameters: [TAG] }),
  "GET /docs": route("reference", showDocs, "This document for people, who may try it out", {
    200: answer("A page", HTML, "Content-Security-Policy"),
  }),
  "GET /docs/:file": route("reference", showDocsFile, "A file of that page", {
    200: answer("The file", some("text/javascript", "text/css"), "Cache-Control"),
    ...problems("unknown-path"),
  }, { parameters: [inPath("file", "start.js")] }),
};

const LICENSE = { name: "MIT", identifier: "MIT" };

/** The routes of a listener: all, or those that are not internal. */
export function routesOf(withInternal: boolean): Routes {
  return Object.fromEntries(Object.entries(ROUTES).filter(([, { internal }]) => withInternal || !internal));
}

/** The document of these routes, as JSON. */
export function openApiDocument(routes: Routes): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [route, { operation }] of Object.entries(routes)) {
    const [method, path] = route.split(" ");
    (paths[path!.replace(/:(\w+)/, "{$1}")] ??= {})[method!.toLowerCase()] = operation;
  }
  return {
    openapi: "3.1.1",
    info: { title: "Galo", version: "0.1.0", summary: "A payment router", description: DESCRIPTION, license: LICENSE },
    servers: [{ url: "/" }],
    security: [],
    tags: [
      { name: "payments", description: "What callers need" },
      { name: "operations", description: "What operators need" },
      { name: "reference", description: "About this interface" },
    ],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)])),
      headers: HEADERS,
      responses: {
        BadHost: problems("bad-host")[400],
        UnknownPath: problems("unknown-path")[404],
        MethodNotAllowed: { ...problems("method-not-allowed")[405], headers: headers("Allow") },
        BodyTooLong: problems("body-too-long")[413],
        Unavailable: problems("unavailable")[503],
      },
      securitySchemes: {
        admin: { type: "http", scheme: "bearer", description: "the ADMIN_TOKEN of the replicas" },
      },
    },
  };
}

/** `GET /openapi.json`, which is made when it is first asked for: most replicas never are. */
function showDocument({ internal = true }: Edge): Handler {
  let document: Json | undefined;
  const tagged = etag();
  return async (c) => {
    const show = () => c.json(document ??= openApiDocument(routesOf(internal)), 200, { "cache-control": "no-cache" });
    await tagged(c, () => Promise.resolve(void (c.res = show())));
    return c.res;
  };
}

/** @param handlerOf its name is the operation's */
function route(tag: string, handlerOf: Route["handlerOf"], summary: string, responses: Json, more: Json = {}): Route {
  return { handlerOf, operation: { operationId: handlerOf.name, tags: [tag], summary, ...more, responses } };
}

function internal(route: Route): Route {
  return { ...route, internal: true };
}

interface Answer {
  readonly description: string;
  readonly content?: Json | undefined;
  readonly headers?: Json | undefined;
}

function answer(description: string, content: Json | undefined, ...names: (keyof typeof HEADERS)[]): Answer {
  return { description, content, headers: names.length > 0 ? headers(...names) : undefined };
}

function headers(...names: (keyof typeof HEADERS)[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** Content in JSON. */
function json(schema: keyof typeof SCHEMAS, example: unknown): Json {
  return { "application/json": { schema: ref(schema), example } };
}

/** Content that has no schema. */
function some(...types: string[]): Json {
  return Object.fromEntries(types.map((type) => [type, {}]));
}

/** Answers by status, each with the problems that have it. */
function problems(...kinds: ProblemKind[]): Readonly<Record<string, Answer>> {
  const answers = Array.from(Map.groupBy(kinds, (kind) => PROBLEMS[kind][0]), ([status, kinds]) => {
    const examples = kinds.map((kind) => {
      const title = PROBLEMS[kind][1];
      return [kind, { value: { type: `/problems/${kind}`, title, status, detail: `${title}.` } }];
    });
    const narrow = { properties: { type: { enum: kinds.map((kind) => `/problems/${kind}`) } } };
    const content = { schema: { allOf: [ref("Problem"), narrow] }, examples: Object.fromEntries(examples) };
    const description = kinds.map((kind) => PROBLEMS[kind][1]).join(", or ");
    return [
      status,
      answer(description, { [PROBLEM_TYPE]: content }, ...status === 503 ? ["Retry-After"] as const : []),
    ];
  });
  return Object.fromEntries(answers);
}

function inPath(name: string, example: string, description?: string): Json {
  return { name, in: "path", required: true, schema: STRING, example, description };
}

function instant(name: "from" | "to", bound: string, example: string): Json {
  const { description, ...schema } = jsonSchema(schemas.summaryQuery.shape[name]);
  return { name, in: "query", description: `${description}; ${bound}`, schema, example };
}

function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json;
}

function ref(schema: keyof typeof SCHEMAS): Json {
  return { $ref: `#/components/schemas/${schema}` };
}
