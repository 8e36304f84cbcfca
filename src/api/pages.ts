/** Pages for people, and the files that they need: all from here, nothing inline. @module */
import { getMimeType } from "@hono/hono/utils/mime";
import type { Handler } from "./app.ts";
import { problem } from "./problem.ts";

/** Nothing from elsewhere, no inline script; pictures of the reference's style sheet are in it. */
const GUARDS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const OURS = import.meta.resolve("../console/page/");

/** A page. */
export function page(html: string, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(html, { status, headers: { ...GUARDS, "content-type": "text/html; charset=utf-8", ...headers } });
}

/** `GET /`: what both replicas do. */
export function showLive(): Handler {
  return async () => page(await textOf("live.html"), 200, { "cache-control": "no-cache" });
}

/** `GET /docs`: the OpenAPI document for people. */
export function showDocs(): Handler {
  return async () => page(await textOf("docs.html"));
}

/** `GET /watch/:file` */
export function showWatchFile(): Handler {
  const charts = ["uPlot.iife.min.js", "uPlot.min.css"];
  return showFile(["page.css", "live.js", "icon.svg"], charts, () => import.meta.resolve("uplot"));
}

/** `GET /docs/:file` */
export function showDocsFile(): Handler {
  const swagger = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];
  return showFile(["start.js"], swagger, () => import.meta.resolve("swagger-ui-dist"));
}

/** @param locate where a package keeps its files: the URL of one of them */
function showFile(ours: readonly string[], packaged: readonly string[], locate: () => string): Handler {
  return async (c) => {
    const name = c.req.param("file")!;
    const isOurs = ours.includes(name);
    if (!isOurs && !packaged.includes(name)) return problem("unknown-path", "Nothing is at this path");
    const headers = { ...GUARDS, "content-type": getMimeType(name)!, "cache-control": "max-age=3600" };
    if (c.req.method === "HEAD") return new Response(null, { headers });
    return new Response((await Deno.open(new URL(name, isOurs ? OURS : locate()))).readable, { headers });
  };
}

function textOf(name: string): Promise<string> {
  return Deno.readTextFile(new URL(name, OURS));
}
