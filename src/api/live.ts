/** What the live page listens to, `GET /live`. @module */
import type { Live, Point } from "../console/watching.ts";
import type { Edge, Handler } from "./app.ts";
import { problem } from "./problem.ts";
import { WHY } from "./reason.ts";

/** Bytes that a browser may leave unread before it is dropped, beside the system's buffers: some ten seconds. */
const UNREAD_MAX = 64 << 10;
/** When a browser that lost its stream connects again, in milliseconds. */
const RETRY_MS = 2_000;

/** A stream of server-sent events: `history` with the charts so far, then `live` every second. */
export function streamLive({ watching }: Edge): Handler {
  const encoder = new TextEncoder();
  const event = (name: string, data: unknown) => encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  // every browser gets the same bytes
  let encoded: { readonly live: Live; readonly bytes: Uint8Array } | undefined;
  const bytesOf = (live: Live, point: Point) => {
    if (encoded?.live !== live) encoded = { live, bytes: event("live", { ...explained(live), point }) };
    return encoded.bytes;
  };
  return (c) => {
    const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
    if (c.req.method === "HEAD") return new Response(null, { headers });
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const unwatch = watching.watch({
      tell(live, point) {
        controller.enqueue(bytesOf(live, point));
        if (controller.desiredSize! >= 0) return;
        unwatch!();
        // what is unread is dropped; at a port its connection is, too
        controller.error(new Error("a browser does not read the live page's stream"));
      },
      end() {
        unwatch!();
        controller.close();
      },
    });
    if (!unwatch) return problem("watchers-full", "No more live pages can be open");
    const stream = new ReadableStream<Uint8Array>({
      start(started) {
        controller = started;
        controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
        controller.enqueue(event("history", watching.points));
        controller.enqueue(event("live", { ...explained(watching.live()), point: null }));
      },
      cancel: unwatch,
    }, new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_MAX }));
    return new Response(stream, { headers });
  };
}

/** The same with reasons in words. */
function explained(live: Live) {
  return {
    ...live,
    heldWhy: live.held && WHY[live.held],
    decisions: live.decisions.map((decision) => ({ ...decision, why: WHY[decision.reason] })),
  };
}
