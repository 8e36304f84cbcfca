/** Errors as answers: RFC 9457, `application/problem+json`. @module */
import type { z } from "@zod/zod";
import type { JsonObject } from "../json.ts";
import type { problemAnswer } from "./schemas.ts";

/**
 * Every way a request can fail: the status and the title, which is the same for each occurrence. `unavailable`
 * is an answer of the load balancer's (Caddyfile).
 */
export const PROBLEMS = {
  "malformed-body": [400, "The body is not a JSON object"],
  "repeated-name": [400, "A name stands more than once in an object"],
  "bad-host": [400, "The Host header is not valid"],
  "invalid-query": [400, "A query parameter is not valid"],
  "forbidden": [403, "The caller is not authorised"],
  "unknown-payment": [404, "There is no such payment"],
  "unknown-path": [404, "There is no such path"],
  "method-not-allowed": [405, "The path does not allow this method"],
  "conflict": [409, "The id is in use with another amount"],
  "body-too-long": [413, "The body is too long"],
  "not-json": [415, "The body is declared as something other than JSON"],
  "invalid-payment": [422, "A field of the payment is not valid"],
  "internal": [500, "Something went wrong here"],
  "queue-full": [503, "Too many payments are waiting"],
  "log-full": [503, "The log is full"],
  "memory-full": [503, "The memory is full"],
  "total-full": [503, "The totals cannot take this amount"],
  "uncovered": [503, "The payment cannot be acknowledged now"],
  "cut-off": [503, "This replica cannot reach the log"],
  "not-serving": [503, "This replica is starting or stopping"],
  "watchers-full": [503, "Too many live pages are open"],
  "unavailable": [503, "No replica answers"],
} as const;

/** The last part of a problem's `type`. */
export type ProblemKind = keyof typeof PROBLEMS;

/** The JSON of a problem. */
export type Problem = z.infer<typeof problemAnswer>;

/** When a caller may try again after a temporary refusal, in seconds. */
const RETRY_AFTER_S = "1";
/** Longer texts than this many UTF-16 units are cut before they are echoed. */
const EXCERPT_MAX = 64;

/**
 * A problem as an answer.
 *
 * @param detail what went wrong this time, one sentence
 * @param more members of the problem beside the usual ones
 * @param headers beside the content type
 */
export function problem(
  kind: ProblemKind,
  detail: string,
  more: Pick<Problem, "instance" | "field" | "value"> = {},
  headers: Readonly<Record<string, string>> = {},
): Response {
  const [status, title] = PROBLEMS[kind];
  // waiting does not help an amount that is too large
  const passes = status === 503 && kind !== "total-full" && { "retry-after": RETRY_AFTER_S };
  const body: Problem = { type: `/problems/${kind}`, title, status, detail, ...more };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...passes, ...headers },
  });
}

/** The answer of a replica that still reads the store and the log. */
export function starting(): Response {
  return problem("not-serving", "This replica is still reading the store and the log");
}

/** The answer of a replica that cannot say what the others have recorded. */
export function cutOff(): Response {
  return problem("cut-off", "What other replicas have recorded could not be read in time");
}

/** A problem with one field, naming it and the value it has. */
export function fieldProblem(kind: ProblemKind, field: string, complaint: string, value: unknown): Response {
  const echo = excerpt(value);
  return problem(kind, `${field} ${complaint}: ${JSON.stringify(echo)}`, { field, value: echo });
}

/**
 * The first thing that a schema found wrong, as a problem.
 *
 * @param input what the schema was given: the value is taken from there
 */
export function schemaProblem(kind: ProblemKind, error: z.ZodError, input: JsonObject): Response {
  const { path, message } = error.issues[0]!;
  const field = String(path[0]);
  if (!Object.hasOwn(input, field)) return problem(kind, `${field} is missing`, { field });
  return fieldProblem(kind, field, message, input[field]);
}

/** The value, or the beginning of its text if that is long or no JSON. */
function excerpt(value: unknown): Problem["value"] {
  if (value === null || typeof value === "boolean" || Number.isFinite(value)) return value as null | boolean | number;
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > EXCERPT_MAX ? `${text.slice(0, EXCERPT_MAX).toWellFormed()}…` : text;
}
