/** The OpenAPI 3.1 document, made from the schemas that validate and the problems that are answered. @module */
import { z } from "@zod/zod";
import { type HeaderName, type Route, type RouteAnswer, ROUTES, type SchemaName } from "./openapi_routes.ts";
import { type ProblemKind, PROBLEMS } from "./problem.ts";
import * as schemas from "./schemas.ts";

type Json = Readonly<Record<string, unknown>>;

const PROBLEM_TYPE = "application/problem+json";

const HEADERS: Readonly<Record<HeaderName | "Retry-After" | "Allow", Json>> = {
  "Location": { required: true, description: "the payment's path", schema: { type: "string", pattern: "^/payments/" } },
  "Retry-After": {
    description: "seconds after which it may work; not there where trying again is of no use",
    schema: { type: "integer", minimum: 0 },
  },
  "Allow": {
    required: true,
    description: "the methods that the path knows",
    schema: { type: "string" },
    example: "GET, HEAD, OPTIONS",
  },
  "ETag": { required: true, schema: { type: "string", pattern: '^"[^"]+"$' } },
  "Cache-Control": { required: true, schema: { type: "string" } },
  "Vary": { required: true, schema: { type: "string" } },
  "Content-Security-Policy": { required: true, schema: { type: "string" } },
};

const DESCRIPTION = `Payments go to the cheapest processor that can carry them, each exactly once.

Every error is a problem (RFC 9457, \`${PROBLEM_TYPE}\`); its \`type\` says which. Every path answers HEAD where it
answers GET, and OPTIONS with \`Allow\`. What any request may be answered is in \`components.responses\`: another path
404, another method 405; and from the load balancer 411 for a body of no declared length, 413 for one of 10,000 bytes,
503 while no replica answers. A caller that takes longer than 10 s to send a request is cut off.`;

/** The document as JSON. */
export function openApiDocument(): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of ROUTES) (paths[route.path] ??= {})[route.method] = operation(route);
  return {
    openapi: "3.1.1",
    info: {
      title: "Galo",
      version: "0.1.0",
      summary: "A payment router",
      description: DESCRIPTION,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: [
      { name: "payments", description: "What callers need" },
      { name: "operations", description: "What operators need" },
      { name: "reference", description: "About this interface" },
    ],
    paths,
    components: {
      schemas: {
        NewPayment: jsonSchema(schemas.paymentBody, "input"),
        Payment: jsonSchema(schemas.paymentAnswer),
        Summary: jsonSchema(schemas.summaryAnswer),
        Liveness: jsonSchema(schemas.livenessAnswer),
        Readiness: jsonSchema(schemas.readinessAnswer),
        Purged: jsonSchema(schemas.purgeAnswer),
        Problem: jsonSchema(schemas.problemAnswer),
      } satisfies Record<SchemaName, Json>,
      headers: HEADERS,
      responses: {
        UnknownPath: problems(["unknown-path"]),
        MethodNotAllowed: { ...problems(["method-not-allowed"]), headers: refs("headers", ["Allow"]) },
        LengthRequired: problems(["no-length"]),
        BodyTooLong: problems(["body-too-long"]),
        Unavailable: problems(["unavailable"]),
      },
      securitySchemes: {
        admin: { type: "http", scheme: "bearer", description: "the ADMIN_TOKEN of the replicas" },
      },
    },
  };
}

function operation(route: Route): Json {
  const parameters = [...route.parameters ?? [], ...route.summaryQuery ? summaryParameters() : []];
  const responses: Record<string, unknown> = {};
  for (const [status, response] of Object.entries(route.answers)) responses[status] = answer(response);
  for (const [status, kinds] of Map.groupBy(route.problems, (kind) => PROBLEMS[kind][0])) {
    const told = problems(kinds);
    const page = route.answers[status] && answer(route.answers[status]);
    responses[status] = page
      ? { ...page, ...told, content: { ...page.content as Json, ...told.content as Json } }
      : told;
  }
  return {
    operationId: route.id,
    tags: [route.tag],
    summary: route.summary,
    ...route.description && { description: route.description },
    ...parameters.length > 0 && { parameters },
    ...route.body && {
      requestBody: {
        required: true,
        content: { "application/json": { schema: ref("schemas", route.body.schema), example: route.body.example } },
      },
    },
    ...route.secured && { security: [{ admin: [] }, {}] },
    responses,
  };
}

function answer({ description, content = {}, example, headers = [], links }: RouteAnswer): Json {
  const media = Object.entries(content).map(([type, schema]) => [
    type,
    { ...schema && { schema: ref("schemas", schema), ...example !== undefined && { example } } },
  ]);
  return {
    description,
    ...headers.length > 0 && { headers: refs("headers", headers) },
    ...media.length > 0 && { content: Object.fromEntries(media) },
    ...links && { links },
  };
}

/** An answer that is one of some problems of one status. */
function problems(kinds: readonly ProblemKind[]): Json {
  const examples = kinds.map((kind) => {
    const [status, title] = PROBLEMS[kind];
    return [kind, { value: { type: `/problems/${kind}`, title, status, detail: `${title}.` } }];
  });
  const narrow = { properties: { type: { enum: kinds.map((kind) => `/problems/${kind}`) } } };
  return {
    description: kinds.map((kind) => PROBLEMS[kind][1]).join(", or "),
    ...PROBLEMS[kinds[0]!][0] === 503 && { headers: refs("headers", ["Retry-After"]) },
    content: {
      [PROBLEM_TYPE]: {
        schema: { allOf: [ref("schemas", "Problem"), narrow] },
        examples: Object.fromEntries(examples),
      },
    },
  };
}

function summaryParameters(): Json[] {
  const { properties } = jsonSchema(schemas.summaryQuery, "input") as { properties: Record<string, Json> };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    description: `${description}; ${name === "from" ? "not after `to`" : "not before `from`"}`,
    schema,
    example: name === "from" ? "2025-07-15T12:34:56.000Z" : "2025-07-15T12:35:56.000Z",
  }));
}

function jsonSchema(schema: z.ZodType, io: "input" | "output" = "output"): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io });
  return json;
}

function ref(kind: "schemas" | "headers", name: string): Json {
  return { $ref: `#/components/${kind}/${name}` };
}

function refs(kind: "headers", names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, ref(kind, name)]));
}
