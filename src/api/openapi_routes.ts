/** Every route as OpenAPI tells of it: what it takes, what it answers, and which problems it may answer with. @module */
import { PAGES } from "./openapi_pages.ts";
import type { ProblemKind } from "./problem.ts";

/** The names of `components.schemas`. */
export type SchemaName =
  | "NewPayment"
  | "Payment"
  | "Summary"
  | "Liveness"
  | "Readiness"
  | "Purged"
  | "Problem";

/** The names of `components.headers`. */
export type HeaderName = "Location" | "ETag" | "Cache-Control" | "Content-Security-Policy" | "Vary";

/** An answer that is no problem. */
export interface RouteAnswer {
  readonly description: string;
  /** media type to schema; a media type with null is some text */
  readonly content?: Readonly<Record<string, SchemaName | null>>;
  /** of what has a schema */
  readonly example?: unknown;
  readonly headers?: readonly HeaderName[];
  /** OpenAPI links: where to go from here */
  readonly links?: Readonly<Record<string, unknown>>;
}

/** One method of one path. */
export interface Route {
  readonly path: string;
  readonly method: "get" | "post";
  readonly id: string;
  readonly tag: "payments" | "operations" | "reference";
  readonly summary: string;
  readonly description?: string;
  /** OpenAPI parameters, beside those of {@link query} */
  readonly parameters?: readonly Readonly<Record<string, unknown>>[];
  /** whether the query is that of the summary */
  readonly summaryQuery?: boolean;
  readonly body?: { readonly schema: SchemaName; readonly example: unknown };
  /** whether the bearer token may be needed */
  readonly secured?: boolean;
  /** status to answer */
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  readonly problems: readonly ProblemKind[];
}

const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";
const UP = "the default processor was up, and it is the cheaper one";
const told = (at: string, state: string, attempt: number, processor: string | null, reason: string, why: string) => (
  { at, state, attempt, processor, replica: "a", reason, why }
);
const processor = { state: "up", latencyMs: 3, inFlight: 2 };
const readiness = {
  ready: true,
  replica: "a",
  phase: "serving",
  ack: "log",
  peer: "linked",
  store: "ready",
  notes: [],
  queue: 0,
  pending: 2,
  settled: 1234,
  processors: { default: processor, fallback: { ...processor, inFlight: 0 } },
};

export const ROUTES: readonly Route[] = [
  {
    path: "/payments",
    method: "post",
    id: "takePayment",
    tag: "payments",
    summary: "Hand in a payment",
    description: "Safe to repeat: the same id with the same amount is answered 202 again, counted and charged once. " +
      "Members that are not known are ignored. The body has at most 4096 bytes.",
    body: { schema: "NewPayment", example: { correlationId: ID, amount: 19.9 } },
    answers: {
      202: {
        description: "Acknowledged: it will be booked at one processor, once",
        headers: ["Location"],
        links: {
          story: {
            operationId: "showPayment",
            parameters: { id: "$request.body#/correlationId" },
            description: "what becomes of it",
          },
        },
      },
    },
    problems: [
      "malformed-body",
      "body-too-slow",
      "conflict",
      "body-too-long",
      "not-json",
      "invalid-payment",
      "internal",
      "queue-full",
      "log-full",
      "total-full",
      "uncovered",
      "not-serving",
    ],
  },
  {
    path: "/payments/{id}",
    method: "get",
    id: "showPayment",
    tag: "payments",
    summary: "What became of a payment, and why",
    parameters: [{
      name: "id",
      in: "path",
      required: true,
      description: "the correlation id, in either case; anything else is answered 404",
      schema: { type: "string" },
      example: ID,
    }],
    answers: {
      200: {
        description: "What is known of it; to who prefers HTML, a page",
        content: { "application/json": "Payment", "text/html": null },
        headers: ["Vary"],
        example: {
          correlationId: ID,
          state: "settled",
          amount: 19.9,
          processor: "default",
          requestedAt: "2025-07-15T12:34:56.007Z",
          acceptedAt: "2025-07-15T12:34:56.000Z",
          attempts: 1,
          reason: "default-up",
          why: `Booked at the default processor: ${UP}.`,
          owner: "a",
          facts: [
            told("2025-07-15T12:34:56.000Z", "accepted", 0, null, "accepted", "no processor was chosen yet"),
            told("2025-07-15T12:34:56.007Z", "dispatched", 1, "default", "default-up", UP),
            told("2025-07-15T12:34:56.012Z", "settled", 1, "default", "default-up", UP),
          ],
          complete: true,
          source: "memory",
        },
      },
      404: { description: "", content: { "text/html": null }, headers: ["Vary"] },
    },
    problems: ["unknown-payment", "internal", "not-serving"],
  },
  {
    path: "/payments-summary",
    method: "get",
    id: "showSummary",
    tag: "payments",
    summary: "What is booked where",
    description:
      "The totals of both replicas at the time of asking, over the instants that the processors were told, " +
      "both ends inclusive.",
    summaryQuery: true,
    answers: {
      200: {
        description: "The totals of both processors",
        content: { "application/json": "Summary" },
        example: {
          default: { totalRequests: 1234, totalAmount: 24556.6 },
          fallback: { totalRequests: 0, totalAmount: 0 },
        },
      },
    },
    problems: ["invalid-query", "internal", "not-serving"],
  },
  {
    path: "/purge-payments",
    method: "post",
    id: "purgePayments",
    tag: "operations",
    summary: "Forget every payment",
    description: "Needs the ADMIN_TOKEN as bearer, unless ALLOW_PURGE=true lets everybody in. A body is not read. A " +
      "payment that a processor may be booking now is not forgotten: it ends first, and counts.",
    secured: true,
    answers: {
      200: {
        description: "They are forgotten, at both replicas",
        content: { "application/json": "Purged" },
        example: { message: "All payments are purged." },
      },
    },
    problems: ["forbidden", "internal", "log-full", "not-serving"],
  },
  {
    path: "/livez",
    method: "get",
    id: "showLiveness",
    tag: "operations",
    summary: "Whether the process lives",
    answers: {
      200: { description: "It does", content: { "application/json": "Liveness" }, example: { alive: true } },
    },
    problems: [],
  },
  {
    path: "/readyz",
    method: "get",
    id: "showReadiness",
    tag: "operations",
    summary: "Whether payments are taken, and the state of peer, store and processors",
    answers: {
      200: { description: "They are taken", content: { "application/json": "Readiness" }, example: readiness },
      503: {
        description: "Not yet, or no longer",
        content: { "application/json": "Readiness" },
        example: { ...readiness, ready: false, phase: "reading", notes: ["reading what was known before"] },
      },
    },
    problems: [],
  },
  {
    path: "/metrics",
    method: "get",
    id: "showMetrics",
    tag: "operations",
    summary: "What this replica has counted and measured, for Prometheus",
    answers: { 200: { description: "Prometheus' text, version 0.0.4", content: { "text/plain": null } } },
    problems: [],
  },
  ...PAGES,
];
