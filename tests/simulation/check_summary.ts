/** Checks that what a replica says is what the log says at that moment, and no more than the processors' books. @module */
import type { Summary } from "../../src/payment/book.ts";
import type { Payment } from "../../src/payment/payment.ts";
import { PROCESSORS } from "../../src/payment/fact.ts";
import type { Running, World } from "./world.ts";

/** Asks replicas and compares. */
export class SummaryChecker {
  asked = 0;

  constructor(private readonly world: World) {}

  /** A process is asked for what is settled in a window. */
  ask({ life, replica }: Running, from?: number, to?: number): void {
    const { world } = this;
    this.asked++;
    const least = world.truth.catchUp()?.position ?? 0;
    const summary = replica.summary(from, to);
    if (summary instanceof Promise) {
      return void summary.then((summary) => {
        if (summary === "cut-off") world.saw("summary-cut-off", 0);
        else this.#compare({ life, replica }, summary, least, from, to);
      });
    }
    this.#compare({ life, replica }, summary, least, from, to);
  }

  #compare({ life, replica }: Running, summary: Summary | undefined, least: number, from?: number, to?: number): void {
    const { world } = this;
    // it does not know yet what was before its life
    if (!summary || !life.alive || !world.isSound(life)) return;
    world.note("summary", life, summary.default.count, summary.fallback.count);
    const truth = world.truth.catchUp();
    const { position } = replica.ledger!;
    if (position < least) {
      world.violate(
        "summary",
        `${life.replica} answers from ${position}, and the log reached ${least} when it was asked`,
      );
    }
    const all = truth?.position === position ? truth.book.summary(from, to) : undefined;
    for (const processor of PROCESSORS) {
      const { count, cents } = summary[processor];
      const said = `${life.replica} says ${count}, ${cents} cents of ${processor}`;
      const settled = all?.[processor];
      if (settled && (count !== settled.count || cents !== settled.cents)) {
        world.violate("summary", `${said}: the log says ${settled.count}, ${settled.cents} cents`);
      }
      const booked = { count: 0, cents: 0 };
      for (const booking of world.processors[processor].bookings.values()) {
        if (booking.requestedAt < (from ?? -Infinity) || booking.requestedAt > (to ?? Infinity)) continue;
        booked.count++;
        booked.cents += booking.cents;
      }
      if (count <= booked.count && cents <= booked.cents) continue;
      world.violate("summary", `${said}: ${booked.count}, ${booked.cents} cents are booked`);
    }
  }

  /** A process is asked for one payment. */
  find({ life, replica }: Running, id: string): void {
    const found = replica.find(id);
    if (found instanceof Promise) {
      return void found.then((found) => found !== "cut-off" && this.#compareOne({ life, replica }, id, found));
    }
    this.#compareOne({ life, replica }, id, found);
  }

  #compareOne({ life, replica }: Running, id: string, found: Payment | undefined): void {
    const { world } = this;
    const truth = world.truth.catchUp();
    if (!life.alive || !world.isSound(life) || !truth || truth.position !== replica.ledger?.position) return;
    const [said, known] = [found, truth.book.get(id)].map((payment) => payment && JSON.stringify(payment, FIELDS));
    if (said !== known) world.violate("summary", `${life.replica} says of ${id}: ${said}, the log says ${known}`);
  }
}

const FIELDS = [
  "cents",
  "acceptedAt",
  "owner",
  "stage",
  "attempt",
  "processor",
  "requestedAt",
  "position",
  "doubtedUptimeMs",
];
