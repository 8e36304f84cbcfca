/** What waiting for the peer would cost: a round trip over the UNIX socket, between two processes. @module */
import { encode } from "../src/peer/frame.ts";
import { startRoundTrips } from "./round_trip.ts";

const roundTrip = await startRoundTrips();
const progress = encode({ type: "progress", position: 16_777_280, stored: 16_777_217 });
const record = new Uint8Array(64);

Deno.bench("round trip of a progress frame", { group: "round trip", baseline: true }, async () => {
  await roundTrip(progress);
});
Deno.bench("round trip of a record of the log", { group: "round trip" }, async () => {
  await roundTrip(record);
});
