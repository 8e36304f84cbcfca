/** The interface explained: `GET /openapi.json` for programs, `GET /docs` for people. @module */
import type { Context } from "@hono/hono";
import { createHash } from "node:crypto";
import { problem } from "./problem.ts";

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Galo: reference</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="reference"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
`;

const START =
  `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null });\n`;

/** Nothing from elsewhere, no inline script; pictures of the style sheet are in it. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** The files of swagger-ui-dist that the page uses. */
const FILES: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

const HOUR = "max-age=3600";

/** Made when it is first asked for: most replicas never are. */
let document: Promise<{ readonly text: string; readonly etag: string }> | undefined;

async function makeDocument() {
  const { openApiDocument } = await import("./openapi.ts");
  const text = JSON.stringify(openApiDocument());
  return { text, etag: `"${createHash("sha256").update(text).digest("base64url")}"` };
}

/** The OpenAPI document; 304 where the caller has it. */
export async function showDocument(c: Context): Promise<Response> {
  const { text, etag } = await (document ??= makeDocument());
  const headers = { etag, "cache-control": "no-cache" };
  const known = c.req.header("if-none-match")?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known?.includes(etag) || known?.includes("*")) return new Response(null, { status: 304, headers });
  return new Response(text, { headers: { ...headers, "content-type": "application/json" } });
}

/** The page. */
export function showDocs(): Response {
  return new Response(PAGE, { headers: { ...HEADERS, "content-type": "text/html; charset=utf-8" } });
}

/** A file of the page, read from the package when it is asked for. */
export async function showDocsFile(c: Context): Promise<Response> {
  const name = c.req.param("file")!;
  const headers = { ...HEADERS, "cache-control": HOUR };
  if (name === "start.js") {
    return new Response(START, { headers: { ...headers, "content-type": "text/javascript; charset=utf-8" } });
  }
  const type = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
  if (type === undefined) return problem("unknown-path", "Nothing is at this path");
  const answer = { headers: { ...headers, "content-type": type } };
  if (c.req.method === "HEAD") return new Response(null, answer);
  const { default: folder } = await import("swagger-ui-dist/absolute-path.js");
  const file = await Deno.open(`${folder()}/${name}`);
  return new Response(file.readable, answer);
}
