/** Pages for people, and the files that they need: all from here, nothing inline. @module */
import { html } from "@hono/hono/html";
import { getMimeType } from "@hono/hono/utils/mime";
import type { Handler } from "./app.ts";
import { problem } from "./problem.ts";

/** No file of another host and no inline script; `data:` is for the pictures in the reference's style sheet. */
const GUARDS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const OURS = import.meta.resolve("../console/page/");

/**
 * A page of `src/console/page`, after the head that all of them have.
 *
 * @param shown what it shows, as the JSON that its script makes readable
 */
export async function page(name: string, status = 200, headers = {}, shown?: unknown): Promise<Response> {
  const [head, own] = await Promise.all(["head", name].map((name) => Deno.readTextFile(new URL(`${name}.html`, OURS))));
  const json = shown === undefined ? "" : await html`<pre id="shown">${JSON.stringify(shown, null, 2)}</pre>`;
  const type = { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" };
  return new Response(`${head}${own}${json}`, { status, headers: { ...GUARDS, ...type, ...headers } });
}

/** `GET /`: what the replicas do. */
export function showLive(): Handler {
  return () => page("live");
}

/** `GET /docs`: the OpenAPI document for people. */
export function showDocs(): Handler {
  return () => page("docs");
}

/** `GET /watch/:file` */
export function showWatchFile(): Handler {
  const ours = ["page.css", "live.js", "payment.js", "words.js", "icon.svg"];
  return showFile(ours, ["uPlot.iife.min.js", "uPlot.min.css"], () => import.meta.resolve("uplot"));
}

/** `GET /docs/:file` */
export function showDocsFile(): Handler {
  const swagger = ["swagger-ui.css", "swagger-ui-bundle.js"];
  return showFile(["start.js"], swagger, () => import.meta.resolve("swagger-ui-dist"));
}

/**
 * Browsers ask for our own files again each time, since files of two versions do not fit together.
 *
 * @param locate where a package keeps its files: the URL of one of them
 */
function showFile(ours: readonly string[], packaged: readonly string[], locate: () => string): Handler {
  return async (c) => {
    const name = c.req.param("file")!;
    const isOurs = ours.includes(name);
    if (!isOurs && !packaged.includes(name)) return problem("unknown-path", "Nothing is at this path");
    const cached = isOurs ? "no-cache" : "max-age=3600";
    const headers = { ...GUARDS, "content-type": getMimeType(name)!, "cache-control": cached };
    if (c.req.method === "HEAD") return new Response(null, { headers });
    return new Response((await Deno.open(new URL(name, isOurs ? OURS : locate()))).readable, { headers });
  };
}
