/** Checks that a summary never says more than the processors' books, nor less than the peer knew when it was asked. @module */
import { peerOf, PROCESSORS } from "../../src/payment/fact.ts";
import type { Running, World } from "./world.ts";

/** Asks replicas for summaries and compares. */
export class SummaryChecker {
  asked = 0;

  constructor(private readonly world: World) {}

  /** A process is asked for what is settled in a window. */
  ask(running: Running, from?: number, to?: number): void {
    const { world } = this;
    const { life, replica } = running;
    this.asked++;
    const { epoch } = replica.book;
    const peer = world.running[peerOf(life.replica)];
    const known = peer?.life.alive && peer.replica.book.epoch === epoch
      ? peer.replica.book.summary(from, to)
      : undefined;
    const own = replica.book.summary(from, to);
    replica.summary(from, to).then((answer) => {
      // it does not know yet what was before its life
      if (!answer || !life.acts()) return;
      const { summary, staleMs } = answer;
      world.note("summary", life, summary.default.count, summary.fallback.count);
      for (const processor of PROCESSORS) {
        const { count, cents } = summary[processor];
        const booked = { count: 0, cents: 0 };
        for (const booking of world.processors[processor].bookings.values()) {
          if (booking.requestedAt < (from ?? -Infinity) || booking.requestedAt > (to ?? Infinity)) continue;
          booked.count++;
          booked.cents += booking.cents;
        }
        if (count > booked.count || cents > booked.cents) {
          world.violate(
            "summary",
            `${life.replica} says ${count}, ${cents} cents of ${processor}: ${booked.count}, ${booked.cents} are booked`,
          );
        }
        if (replica.book.epoch !== epoch) continue;
        const least = Math.max(own[processor].count, staleMs === null ? known?.[processor].count ?? 0 : 0);
        if (count < least) {
          world.violate(
            "summary",
            `${life.replica} says ${count} of ${processor}, and ${least} were settled when it was asked`,
          );
        }
      }
    });
  }
}
