/** What schemathesis reports of a run (NDJSON): every request that it made, and the answer. @module */
import { createInterface } from "node:readline";
import { createReadStream } from "node:fs";

/** A request and its answer. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** undefined where none came */
  readonly status: number | undefined;
  readonly location: string | undefined;
}

interface Base64 {
  readonly $base64: string;
}

interface Interaction {
  readonly request: { readonly method: string; readonly uri: string; readonly body: Base64 | null };
  readonly response: {
    readonly status_code: number;
    readonly headers: Readonly<Record<string, readonly string[]>>;
  } | null;
}

/** Reads a report, line by line. */
export async function* exchangesOf(path: string): AsyncGenerator<Exchange> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const event = JSON.parse(line).ScenarioFinished;
    for (const interaction of Object.values<Interaction>(event?.recorder?.interactions ?? {})) {
      const { request, response } = interaction;
      yield {
        method: request.method,
        path: request.uri.replace(/^https?:\/\/[^/]+/, ""),
        body: new TextDecoder().decode(Uint8Array.fromBase64(request.body?.$base64 ?? "")),
        status: response?.status_code,
        location: response?.headers.location?.[0],
      };
    }
  }
}
