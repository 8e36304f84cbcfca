/**
 * What the log says, read by a reader that sees every byte at once and is never killed: replicas are compared with it.
 * It begins with what the first replica that serves after a loss has read, and what that is worth the acknowledgements
 * show.
 * @module
 */
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import type { Ledger, LedgerObserver } from "../../src/ledger/ledger.ts";
import { StreamReader } from "./stream_reader.ts";
import { LogGoneError } from "../../src/ledger/log.ts";
import { SegmentLog } from "../../src/ledger/segment_log.ts";
import { Book } from "../../src/payment/book.ts";
import { type Fact, PROCESSORS } from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import type { World } from "./world.ts";

/** What has read the log. */
type Reader = Pick<Ledger, "book" | "position" | "hash" | "observe" | "catchUp">;

/** The reader. */
export class Truth implements LedgerObserver {
  #ledger: Reader | undefined;

  constructor(private readonly world: World) {}

  /** Reads to the end of the log. @returns undefined where nobody serves since the log began anew */
  catchUp(): Reader | undefined {
    this.#ledger ??= this.#begin();
    this.#ledger?.catchUp();
    return this.#ledger;
  }

  /** The log has one more fact. */
  follow(): void {
    this.#ledger?.catchUp();
  }

  /** The log begins anew, or lost something. */
  forget(): void {
    this.#ledger = undefined;
  }

  folded(fact: Fact, holds: boolean, payment: Payment | undefined): void {
    const { world } = this;
    const id = "id" in fact ? fact.id : "";
    const asked = world.asked.get(id);
    world.note(
      "fact",
      undefined,
      asked?.ordinal ?? -1,
      Number(holds),
      () => `${fact.by} ${fact.kind} ${holds ? "" : "(void) "}${id} ${JSON.stringify(fact)}`,
    );
    if (!holds) return;
    if (fact.kind === "accepted" && asked) {
      Object.assign(asked, {
        position: payment!.position,
        takenMs: world.clock.monotonic(),
        takenAt: fact.at,
        kept: false,
        pending: true,
      });
    }
    if (fact.kind === "settled" && asked) Object.assign(asked, { settled: true, pending: false });
    if (fact.kind === "purged") this.#purged();
  }

  #purged(): void {
    const { asked, clock, calling, processors } = this.world;
    for (const payment of asked.payments.values()) {
      if (this.#ledger?.book.get(payment.id)) {
        payment.kept = true;
        continue;
      }
      const booked = PROCESSORS.find((processor) => processors[processor].bookings.has(payment.id));
      // one that was settled and purged before is another payment now
      if (payment.pending && booked && !payment.retired) {
        this.world.violate(
          "charges",
          `${payment.id} is booked at ${booked}, and a purge forgot it before it was settled`,
        );
      }
      payment.pending = false;
      payment.acks = [];
      payment.purgedMs = clock.monotonic();
      if (!payment.settled) continue;
      payment.retired = true;
      if (calling.has(payment.id)) payment.excused = true;
    }
  }

  #begin(): Reader | undefined {
    const { world } = this;
    for (const { life, replica } of world.living) {
      const { ledger } = replica;
      if (!life.alive || !ledger || replica.readiness().phase !== "serving") continue;
      const { book, position, hash } = ledger;
      if (!world.isSound(life)) continue;
      const mine = new Book();
      for (let i = 0; i < book.settled.size; i++) mine.load(book.settled.at(i));
      for (const payment of book.pending.values()) mine.load(payment);
      mine.restoreDoubt(book.doubtedUptimeMs);
      const gone = (why: string) => world.violate("invariants", why);
      try {
        const log = () => new SegmentLog({ files: world.disk.view, boot: 0, position, rereads: 0, gone });
        const begun = world.engine
          ? new StreamReader(world.engine, position, mine, hash, world.roster)
          : new FileLedger(log(), 0, world.roster, mine, hash);
        begun.observe(this);
        for (const asked of world.asked.payments.values()) asked.pending = mine.pending.has(asked.id);
        return begun;
      } catch (error) {
        if (!(error instanceof LogGoneError)) throw error;
      }
    }
    return undefined;
  }
}
