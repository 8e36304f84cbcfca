/** Pages for people, and the files that they need: all from here, nothing inline. @module */
import type { Context } from "@hono/hono";
import { problem } from "./problem.ts";

/** Nothing from elsewhere, no inline script; pictures of the reference's style sheet are in it. */
const GUARDS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const HTML = "text/html; charset=utf-8";

/** Types by the end of a file's name. */
const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  png: "image/png",
  svg: "image/svg+xml",
};

/** A page. */
export function page(html: string, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(html, { status, headers: { ...GUARDS, "content-type": HTML, ...headers } });
}

/** A file of ours as text. */
export async function pageFile(name: string): Promise<string> {
  return await Deno.readTextFile(new URL(`../console/page/${name}`, import.meta.url));
}

/**
 * `GET …/:file`: files by name, from where each is: a URL, or the text itself.
 *
 * @param locate asked once a request, and only for names that are listed
 */
export function showFile(
  names: readonly string[],
  locate: (name: string) => URL | string | Promise<URL | string>,
): (c: Context) => Promise<Response> {
  return async (c) => {
    const name = c.req.param("file")!;
    if (!names.includes(name)) return problem("unknown-path", "Nothing is at this path");
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)]!;
    const answer = { headers: { ...GUARDS, "content-type": type, "cache-control": "max-age=3600" } };
    if (c.req.method === "HEAD") return new Response(null, answer);
    const place = await locate(name);
    if (typeof place === "string") return new Response(place, answer);
    return new Response((await Deno.open(place)).readable, answer);
  };
}
