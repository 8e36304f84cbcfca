/**
 * A process that records facts as fast as it can: `log_writer.ts FOLDER REPLICA`. It says "writes" once it does and
 * "wrote" after {@link FACTS} facts; after a line on stdin it reads the log to its end and prints its state.
 * @module
 */
import { FileSegments } from "../../src/ledger/file_segments.ts";
import { dispatched, type Fact, released, type ReplicaId, settled } from "../../src/payment/fact.ts";
import { idOf, Side } from "./side.ts";

/** Facts that a process records, if it lives long enough. */
export const FACTS = 20_000;
/** Few enough for processes to get into each other's way all the time. */
const PAYMENTS = 200;
/** So that segments are sealed all the time. */
export const SEGMENT_RECORDS = 1_000;

/** The state of a ledger, as text. */
export function end({ ledger, told }: Side): string {
  const { position, hash, book } = ledger;
  return JSON.stringify({ position, hash, facts: told.length, pending: book.pending.size, totals: book.summary() });
}

/** The next thing that may happen to a payment, as far as is known. */
function next({ ledger }: Side, by: ReplicaId, at: number): Fact {
  if (Math.random() < 0.002) return { kind: "purged", by, at };
  const id = idOf(Math.floor(Math.random() * PAYMENTS));
  const payment = ledger.book.get(id);
  switch (payment?.stage) {
    case "accepted":
    case "released":
      return dispatched(payment, by, "default", at, "default-up");
    case "dispatched": {
      if (Math.random() < 0.5) return released(payment, by, at, "failed", false);
      return settled(payment, by, at, { processor: "default", requestedAt: at, cents: 1990 }, "booked");
    }
    default:
      return { kind: "accepted", by, id, cents: 1990, at, doubt: false };
  }
}

if (import.meta.main) {
  const [folder, by] = Deno.args as [string, ReplicaId];
  const nonce = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const side = new Side(new FileSegments(folder), nonce, { segmentRecords: SEGMENT_RECORDS, rereads: 20_000 });
  for (let at = 0; at < FACTS; at++) {
    if (side.ledger.append(next(side, by, at)).kind === "not-taken") throw new Error("the log is full");
    if (at === 0) console.log("writes");
  }
  console.log("wrote");
  await Deno.stdin.read(new Uint8Array(1));
  side.ledger.catchUp();
  console.log(end(side));
}
