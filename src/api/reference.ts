/** The interface explained: `GET /openapi.json` for programs, `GET /docs` for people. @module */
import type { Context } from "@hono/hono";
import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";
import { page, showFile } from "./assets.ts";

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

/** The files of swagger-ui-dist that the page uses, and ours. */
const FILES = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "start.js"];

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
  return page(PAGE);
}

/** A file of the page, read from the package when it is asked for. */
export const showDocsFile = showFile(FILES, async (name) => {
  if (name === "start.js") return START;
  const { default: folder } = await import("swagger-ui-dist/absolute-path.js");
  return pathToFileURL(`${folder()}/${name}`);
});
