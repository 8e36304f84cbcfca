/** Whether an answer is one that the OpenAPI document describes. @module */
import { Ajv2020 } from "ajv/dist/2020.js";
import assert from "node:assert/strict";
import { openApiDocument, routesOf } from "../../src/api/openapi.ts";

interface Media {
  readonly schema?: unknown;
}

interface Answer {
  readonly headers?: Readonly<Record<string, { readonly $ref: string }>>;
  readonly content?: Readonly<Record<string, Media>>;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly unknown[];
  readonly responses: Readonly<Record<string, Answer>>;
}

interface Header {
  readonly required?: boolean;
  readonly schema: { readonly type: string };
}

/** The document as far as tests look into it. */
export interface Document {
  readonly info: { readonly version: string };
  readonly security: readonly unknown[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly responses: Readonly<Record<string, Answer>>;
    readonly headers: Readonly<Record<string, Header>>;
  };
}

export const DOCUMENT = openApiDocument(routesOf(true)) as unknown as Document;

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(DOCUMENT as object, "openapi");

/** What was asserted so far: operation, status and, of a problem, its type. */
export const seen = new Set<string>();

/**
 * Asserts that the document describes an answer to `method` at `path`: status, media type, headers and body. Each
 * route's description is in src/api/openapi.ts.
 */
export async function assertDocumented(method: string, path: string, answer: Response): Promise<void> {
  const what = `${method} ${path} answered ${answer.status}`;
  const template = templateOf(path);
  const operations = template === undefined ? {} : DOCUMENT.paths[template]!;
  const name = method === "HEAD" ? "get" : method.toLowerCase();
  if (template !== undefined && method === "OPTIONS") {
    assert.equal(answer.status, 204, what);
    assert.ok(answer.headers.get("allow"), what);
    return;
  }
  const atBadHost = answer.status === 400 && (await answer.clone().json()).type === "/problems/bad-host";
  const known = !atBadHost && Object.hasOwn(operations, name) && operations[name]!;
  const operation = atBadHost
    ? "BadHost"
    : known
    ? known.operationId
    : template === undefined
    ? "UnknownPath"
    : "MethodNotAllowed";
  const place = known ? ["paths", template!, name, "responses", answer.status] : ["components", "responses", operation];
  const pointer = place.map((part) => String(part).replaceAll("~", "~0").replaceAll("/", "~1")).join("/");
  const told = place.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], DOCUMENT);
  assert.ok(told, `${what}: not described in src/api/openapi.ts`);
  const type = assertHead(told as Answer, answer, what);
  if (method === "HEAD") return;
  const { schema } = type === undefined ? {} : (told as Answer).content![type]!;
  // the body is that of a clone, which ends only when the other body does
  if (schema === undefined) void answer.body?.cancel();
  const body = schema === undefined ? undefined : await answer.json();
  if (schema) assertValid({ $ref: `openapi#/${pointer}/content/${type!.replaceAll("/", "~1")}/schema` }, body, what);
  seen.add(`${operation} ${answer.status}${type === "application/problem+json" ? ` ${body.type}` : ""}`);
}

/** @returns the media type, undefined where there is no body */
function assertHead(told: Answer, answer: Response, what: string): string | undefined {
  for (const [header, { $ref }] of Object.entries(told.headers ?? {})) {
    const value = answer.headers.get(header);
    const { required, schema } = DOCUMENT.components.headers[$ref.split("/").pop()!]!;
    if (value === null) assert.ok(!required, `${what} without ${header}`);
    else assertValid(schema, schema.type === "integer" ? Number(value) : value, `${what}, ${header}`);
  }
  const type = answer.headers.get("content-type")?.split(";")[0];
  assert.ok(type === undefined ? !told.content : Object.hasOwn(told.content ?? {}, type), `${what} as ${type}`);
  if (type === undefined) assert.equal(answer.body, null, what);
  return type;
}

/** The path in the document that a path matches. */
function templateOf(path: string): string | undefined {
  const exact = Object.keys(DOCUMENT.paths).find((template) => template === path);
  return exact ??
    Object.keys(DOCUMENT.paths).find((template) =>
      new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path)
    );
}

/** Whether a value is one that a schema of the document allows. */
export function isValid(schema: string, value: unknown): boolean {
  return ajv.getSchema(`openapi#/components/schemas/${schema}`)!(value) as boolean;
}

function assertValid(schema: { readonly [keyword: string]: unknown }, value: unknown, what: string): void {
  const validate = ajv.getSchema(String(schema.$ref)) ?? ajv.compile(schema);
  assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`);
}
