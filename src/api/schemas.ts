/** What comes in and goes out over HTTP: validates requests, types answers, and describes both (OpenAPI). @module */
import { z } from "@zod/zod";
import { ACK_LEVELS } from "../config.ts";
import { PROCESSORS, REASONS } from "../payment/fact.ts";
import { parseId, UUID_PATTERN } from "../payment/id.ts";
import { amountOf, CENTS_MAX, centsOf } from "../payment/money.ts";
import { STAGES } from "../payment/payment.ts";
import { compareInstants, ISO_PATTERN, parseInstant } from "../payment/instant.ts";

/** The complaint about an amount with more than two decimals; some show only in the source text. */
export const TOO_MANY_DECIMALS = "must have at most two decimals";

/** A field, parsed into what the core uses, or a complaint. */
function means<S extends z.ZodType, T>(schema: S, read: (value: z.output<S>) => T | undefined, error: string) {
  return schema.transform((value, context): T => {
    const meaning = read(value);
    if (meaning !== undefined) return meaning;
    context.addIssue({ code: "custom", message: error });
    return z.NEVER;
  });
}

/** The body of `POST /payments`, as a canonical id and cents. Members that are not known are ignored. */
export const paymentBody = z.object({
  correlationId: means(z.string({ error: "must be a UUID" }), parseId, "must be a UUID")
    .meta({ format: "uuid", pattern: UUID_PATTERN, description: "a UUID of any version, in either case" }),
  amount: means(
    z.number({ error: "must be a number" })
      .positive({ error: "must be greater than zero" })
      .max(amountOf(CENTS_MAX), { error: `must not be greater than ${amountOf(CENTS_MAX)}` }),
    centsOf,
    TOO_MANY_DECIMALS,
    // no multipleOf: validators divide doubles, and find that 19.9 is no multiple of 0.01
  ).meta({ description: "decimal, with at most two decimals" }),
});

const timestamp = means(z.string(), parseInstant, "must be an ISO 8601 timestamp")
  .meta({
    pattern: `^$|${ISO_PATTERN}`,
    description: "ISO 8601: a day, or a day and time; UTC where no zone is given; empty for no bound",
  });

/** The query of `GET /payments-summary`: both ends inclusive, each may be left out. */
export const summaryQuery = z.object({ from: timestamp.optional(), to: timestamp.optional() }).refine(
  ({ from, to }) => !from || !to || compareInstants(from, to) <= 0,
  { path: ["from"], error: "must not be after to" },
);

const time = z.iso.datetime({ precision: 3 });

/** The answer of `GET /payments/{id}`. */
export const paymentAnswer = z.strictObject({
  correlationId: z.guid(),
  state: z.enum(STAGES),
  amount: z.number(),
  processor: z.enum(PROCESSORS).nullable().meta({
    description: "where the last attempt is or was; null before the first",
  }),
  requestedAt: time.nullable().meta({ description: "the time that the processor gets for that attempt" }),
  acceptedAt: time,
  attempts: z.int().nonnegative(),
  reason: z.enum(REASONS),
  why: z.string().meta({ description: "the reason, for people" }),
  owner: z.string().meta({ description: "the replica that dispatches the payment" }),
  facts: z.array(z.strictObject({
    at: time,
    state: z.enum(STAGES),
    attempt: z.int().nonnegative(),
    processor: z.enum(PROCESSORS).nullable(),
    replica: z.string().meta({
      description: "the replica that did it; for `accepted`, and for a snapshot, the owner now",
    }),
    reason: z.enum(REASONS),
    why: z.string(),
  })).meta({ description: "what happened, oldest first" }),
  complete: z.boolean().meta({ description: "false if steps among `facts` are missing" }),
  source: z.enum(["memory", "postgres", "snapshot"]).meta({
    description: "where `facts` come from; `snapshot`: only the state now is known, or Postgres does not answer",
  }),
});

const total = z.strictObject({ totalRequests: z.int().nonnegative(), totalAmount: z.number().nonnegative() });

/** The answer of `GET /payments-summary`. */
export const summaryAnswer = z.strictObject({ default: total, fallback: total });

/** The answer of `GET /livez`. */
export const livenessAnswer = z.strictObject({ alive: z.literal(true) });

const processorStatus = z.strictObject({
  state: z.enum(["up", "down"]),
  latencyMs: z.number().nonnegative().meta({ description: "typical time of an answer" }),
  inFlight: z.int().nonnegative(),
  error: z.string().optional().meta({ description: "why it is down" }),
  rejectsWith: z.int().optional().meta({ description: "the status with which it refuses one payment after the other" }),
  retryAt: time.optional().meta({ description: "until when it gets no calls, as it asked (Retry-After)" }),
  unclear: z.string().optional().meta({ description: "what is not understood of its answer about a payment" }),
});

/** The answer of `GET /readyz`. */
export const readinessAnswer = z.strictObject({
  ready: z.boolean().meta({ description: "whether POST is answered 202 now; `notes` say why not" }),
  replica: z.string(),
  phase: z.enum(["starting", "reading", "serving", "draining", "stopped"]).meta({
    description:
      "`starting`: waits to open the log; `reading`: reads the store and the log; payments are taken while " +
      "`serving`",
  }),
  ack: z.enum(ACK_LEVELS).meta({
    description: "what a 202 means: the log holds the payment, or Postgres holds it as well",
  }),
  peers: z.record(z.string(), z.enum(["linked", "unreachable", "dead"])).meta({
    description: "the other replicas by their names; `dead`: its payments have been taken over",
  }),
  store: z.enum(["none", "connecting", "ready", "unavailable"]),
  notes: z.array(z.string()).readonly().meta({ description: "what is wrong, one line each" }),
  queue: z.int().nonnegative().meta({ description: "payments that wait to be dispatched by this replica" }),
  pending: z.int().nonnegative().meta({ description: "payments not settled, of all replicas" }),
  settled: z.int().nonnegative(),
  processors: z.strictObject({ default: processorStatus, fallback: processorStatus }),
});

/** The answer of `POST /purge-payments`. */
export const purgeAnswer = z.strictObject({ message: z.string() });

/** The body of every error. */
export const problemAnswer = z.strictObject({
  type: z.string().meta({ format: "uri-reference" }),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string(),
  instance: z.string().optional().meta({ format: "uri-reference", description: "the payment it is about" }),
  field: z.string().optional().meta({ description: "the field or parameter that is wrong" }),
  value: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional().meta({
    description: "what the field holds; long or nested values as the beginning of their text",
  }),
});
