/** The routes that are for people, and about this interface, as OpenAPI tells of them. @module */
import type { Route } from "./openapi_routes.ts";

const file = (example: string): Pick<Route, "parameters"> => ({
  parameters: [{ name: "file", in: "path", required: true, schema: { type: "string" }, example }],
});

export const PAGES: readonly Route[] = [
  {
    path: "/",
    method: "get",
    id: "showLive",
    tag: "operations",
    summary: "What both replicas are doing now, as a page",
    answers: {
      200: { description: "The page", content: { "text/html": null }, headers: ["Content-Security-Policy"] },
    },
    problems: [],
  },
  {
    path: "/live",
    method: "get",
    id: "streamLive",
    tag: "operations",
    summary: "What that page shows, as it happens",
    description:
      "Server-sent events: `history`, the charts so far, and every second `live`. It goes on until the caller " +
      "or the replica ends it.",
    answers: {
      200: { description: "Events", content: { "text/event-stream": null }, headers: ["Cache-Control"] },
    },
    problems: ["watchers-full"],
  },
  {
    path: "/watch/{file}",
    method: "get",
    id: "showWatchFile",
    tag: "operations",
    summary: "A file of these pages",
    ...file("live.js"),
    answers: {
      200: {
        description: "The file",
        content: { "text/javascript": null, "text/css": null, "image/svg+xml": null },
        headers: ["Cache-Control"],
      },
    },
    problems: ["unknown-path"],
  },
  {
    path: "/openapi.json",
    method: "get",
    id: "showDocument",
    tag: "reference",
    summary: "This document",
    parameters: [{
      name: "If-None-Match",
      in: "header",
      description: "the `ETag` of an earlier answer",
      schema: { type: "string" },
    }],
    answers: {
      200: {
        description: "OpenAPI 3.1",
        content: { "application/json": null },
        headers: ["ETag", "Cache-Control"],
      },
      304: { description: "It is what `If-None-Match` says", headers: ["ETag", "Cache-Control"] },
    },
    problems: [],
  },
  {
    path: "/docs",
    method: "get",
    id: "showDocs",
    tag: "reference",
    summary: "This document for people, who may try it out",
    answers: {
      200: { description: "A page", content: { "text/html": null }, headers: ["Content-Security-Policy"] },
    },
    problems: [],
  },
  {
    path: "/docs/{file}",
    method: "get",
    id: "showDocsFile",
    tag: "reference",
    summary: "A file of that page",
    ...file("start.js"),
    answers: {
      200: {
        description: "The file",
        content: { "text/javascript": null, "text/css": null, "image/png": null },
        headers: ["Cache-Control"],
      },
    },
    problems: ["unknown-path"],
  },
];
