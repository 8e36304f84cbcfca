/**
 * Checks that an acknowledgement is covered by what its level promises, when it is sent and at every loss after it:
 *
 * - `log`: the log holds it. It may be lost where the machine dies, or the log is lost, before the store holds it.
 * - `store`: the store holds it as well. It may be lost only where the store goes back to a backup as well.
 * @module
 */
import type { Acceptance } from "../../src/service/service.ts";
import { segmentOf } from "../../src/ledger/log.ts";
import { CURRENT_MS } from "../../src/ledger/stream_ledger.ts";
import type { AskedPayment } from "./asked.ts";
import type { Running, World } from "./world.ts";

/** Follows which of log and store holds what was acknowledged. */
export class AckChecker {
  acknowledged = 0;

  constructor(private readonly world: World) {}

  /** A process answers a caller who came at `calledMs`. */
  answered({ life }: Running, payment: AskedPayment, cents: number, answer: Acceptance, calledMs: number): void {
    const { world } = this;
    const { id } = payment;
    const ms = world.clock.monotonic();
    world.note("answer", life, payment.ordinal, answer.length, () => `${id} ${cents} ${answer}`);
    const truth = world.truth.catchUp();
    // forgotten meanwhile: there is nothing left to promise
    // a replica may still count as current before it knows of another host's purge
    const purgedMs = payment.purgedMs + (world.engine ? CURRENT_MS : 0);
    if (purgedMs >= calledMs || payment.lostMs >= calledMs || !truth || !world.isSound(life)) return;
    const held = truth.book.get(id);
    if (answer === "conflict" && (!held || held.cents === cents)) {
      world.violate("conflict", `${id} is said to have another amount than ${cents} cents: ${JSON.stringify(held)}`);
    }
    if (answer !== "accepted") return;
    this.acknowledged++;
    if (!held) world.violate("acks", `${id} is acknowledged by ${life.replica}, and the log does not hold it`);
    for (const earlier of payment.acks) {
      // what was lost can come in again with another amount than it is found to be booked with
      if (earlier.cents === cents || payment.lostMs >= 0) continue;
      world.violate("conflict", `${id} was accepted with ${earlier.cents} and with ${cents} cents`);
    }
    if (held && held.cents !== cents && payment.lostMs < 0) {
      world.violate("conflict", `${id} is accepted with ${cents} cents, and the log has ${held.cents}`);
    }
    // if a purge is lost, what was there before it is there again
    if (held && held.acceptedAt !== payment.takenAt) {
      Object.assign(payment, { position: undefined, takenAt: held.acceptedAt });
    }
    const { ack: level } = world.settings;
    if (level === "store" && !this.#stored(payment) && !payment.unstored) {
      world.violate("acks", `${id} is acknowledged, and the store does not hold it`);
    }
    if (this.#stored(payment)) payment.unstored = false;
    // a replica that has not heard yet that the store went back is the last to hold it
    const isShaky = payment.lostMs >= 0 && !this.#stored(payment) && !this.#inLog(payment);
    if (!isShaky) payment.acks.push({ ms, replica: life.replica, cents, level });
  }

  /** The log begins anew: what the store holds from before a purge is in doubt, and a purge it has not heard of keeps it. */
  begunAnew(): void {
    for (const payment of this.world.asked.payments.values()) {
      const row = this.world.database?.rows.get(payment.id);
      if (row && row.stage !== "settled" && row.acceptedAt !== payment.takenAt) this.#lose(payment, Infinity);
    }
  }

  /** The log has lost some of it, while no replica used it. */
  logLost(isLost: (position: number, takenMs: number) => boolean): void {
    const { database } = this.world;
    this.begunAnew();
    for (const payment of this.world.asked.payments.values()) {
      if (payment.kept) this.#lose(payment, Infinity);
      if (payment.position === undefined || !isLost(payment.position, payment.takenMs)) continue;
      payment.position = undefined;
      if (!this.#stored(payment)) this.#lose(payment, database?.restoredMs ?? -Infinity);
    }
  }

  /** The store went back to a backup: what was deleted from the log since then is gone. */
  storeRestored(): void {
    const { clock } = this.world;
    for (const payment of this.world.asked.payments.values()) {
      if (payment.kept) this.#lose(payment, Infinity);
      if (this.#stored(payment)) continue;
      payment.unstored = true;
      if (!this.#inLog(payment)) this.#lose(payment, clock.monotonic());
    }
  }

  /** A segment was deleted: the store held it, before it went back. */
  deleted(): void {
    const { database, clock } = this.world;
    if (!database || database.restoredMs < 0) return;
    for (const payment of this.world.asked.payments.values()) {
      if (payment.unstored && !this.#stored(payment) && !this.#inLog(payment)) this.#lose(payment, clock.monotonic());
    }
  }

  /** Whether the store has it, and not what was taken under the same id before a purge. */
  #stored({ id, takenAt }: AskedPayment): boolean {
    return this.world.database?.rows.get(id)?.acceptedAt === takenAt;
  }

  #inLog({ position }: AskedPayment): boolean {
    if (position === undefined) return false;
    return this.world.engine !== undefined || this.world.disk.has(segmentOf(position));
  }

  #lose(payment: AskedPayment, restoredMs: number): void {
    const { world } = this;
    for (const { level, ms, replica } of payment.acks) {
      if (level === "log" || ms <= restoredMs || payment.unstored) continue;
      world.violate("acks", `${payment.id}, acknowledged by ${replica} at level store, is not in the store`);
    }
    if (payment.acks.length > 0) world.saw("acknowledged-lost", payment.ordinal);
    payment.acks = [];
    payment.lostMs = world.clock.monotonic();
  }
}
