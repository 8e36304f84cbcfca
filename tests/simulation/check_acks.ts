/**
 * Checks that an acknowledgement is covered by what its level promises, when it is sent and at every death after it:
 *
 * - `memory`: a payment may be lost when the process that acknowledged it dies.
 * - `peer`: it may be lost when both processes that held it are dead before a successor of either was linked.
 * - `store`: it is never lost.
 * @module
 */
import { peerOf } from "../../src/payment/fact.ts";
import type { Acceptance, AckLevel } from "../../src/api/service.ts";
import type { Payment } from "./ledger.ts";
import type { Life } from "./life.ts";
import type { Running, World } from "./world.ts";

/** Follows who holds what was acknowledged. */
export class AckChecker {
  acknowledged = 0;

  constructor(private readonly world: World) {}

  /** A process answers a caller who came at `calledMs`, when it was in `epoch`. */
  answered(
    running: Running,
    payment: Payment,
    cents: number,
    answer: Acceptance,
    calledMs: number,
    epoch: number,
  ): void {
    const { world } = this;
    const { life } = running;
    world.note("answer", life, payment.ordinal, answer.length, () => `${payment.id} ${cents} ${answer}`);
    if (answer === "conflict" && payment.amounts.size === 1) {
      world.violate("conflict", `${payment.id} is said to have another amount, and there is only one`);
    }
    const epochs = world.living.map(({ replica }) => replica.book.epoch);
    // purged meanwhile: there is nothing left to promise
    if (answer !== "accepted" || Math.max(world.database?.epoch ?? 0, ...epochs) !== epoch) return;
    this.acknowledged++;
    const level = this.#level(running, payment);
    const ms = world.timeline.ms;
    const ack = {
      ms,
      calledMs,
      replica: life.replica,
      life: life.number,
      cents,
      level,
      epoch,
      era: world.era,
      linked: this.#linked(),
    };
    for (const earlier of payment.acks) {
      const calm = ack.linked && earlier.linked && payment.sentMs > world.disturbedMs;
      if (earlier.cents !== cents && calm && level === "peer" && earlier.epoch === epoch) {
        world.violate("conflict", `${payment.id} was accepted with ${earlier.cents} and with ${cents} cents`);
      }
    }
    payment.acks.push(ack);
  }

  #linked(): boolean {
    return Object.values(this.world.running).every(({ life, linked }) => life.alive && linked);
  }

  /** What an acknowledgement is worth that a process sends now. */
  #level(running: Running, { id }: Payment): AckLevel {
    const { world } = this;
    const { life, replica } = running;
    const { ack } = world.settings;
    if (!replica.book.get(id)) {
      world.violate("acks", `${id} is acknowledged by ${life.replica}, which does not hold it`);
    }
    if (ack === "memory") return "memory";
    if (ack === "peer" && replica.readiness().peer === "linked") {
      const peer = world.running[peerOf(life.replica)];
      if (peer?.replica.book.get(id)) return "peer";
    }
    // the link was lost on the way: the peer held it then, even if it is dead now, or was purged before it died
    const { epoch } = replica.book;
    const held = world.started.some((other) =>
      other.life.replica !== life.replica && (other.replica.book.get(id) || other.replica.book.epoch > epoch)
    );
    if (ack === "peer" && held) return "memory";
    if (world.database) {
      if (!world.database.rows.has(id)) world.violate("acks", `${id} is acknowledged, and the store does not hold it`);
      return "store";
    }
    const { peer: seen } = replica.readiness();
    if (ack === "peer" && seen === "linked") world.violate("acks", `${id} is acknowledged before the peer holds it`);
    return "memory";
  }

  /** A process is dead: what only it held is gone. */
  died(life: Life): void {
    const { world } = this;
    const dead = world.running[life.replica]!;
    const other = world.running[peerOf(life.replica)];
    // one that has not recovered yet carries nothing on
    const living = other?.life.alive && other.replica.readiness().ready ? other : undefined;
    let unstored = 0;
    for (const payment of world.ledger.payments.values()) {
      const fact = dead.replica.book.get(payment.id);
      if (!fact || payment.lost) continue;
      if (world.database && world.database.rows.get(payment.id)?.stage !== fact.stage) unstored++;
      if (living?.replica.book.get(payment.id) || world.database?.rows.has(payment.id)) continue;
      // purged
      const newest = Math.max(living?.replica.book.epoch ?? 0, world.database?.epoch ?? 0);
      if (newest > dead.replica.book.epoch) continue;
      payment.lost = true;
      this.#lost(payment, life, living);
    }
    if (unstored > 0) world.fault("store-tail-lost", unstored);
    // a purge that nobody else heard of is forgotten as well, and its epoch comes again
    const epochMax = Math.max(living?.replica.book.epoch ?? -1, world.database?.epoch ?? -1);
    if (epochMax < dead.replica.book.epoch) world.era++;
  }

  #lost(payment: Payment, life: Life, living: Running | undefined): void {
    const { world } = this;
    for (const ack of payment.acks) {
      const what =
        `${payment.id}, acknowledged by ${ack.replica}${ack.life} at level ${ack.level}, is lost with ${life.replica}${life.number}`;
      if (ack.era !== world.era || ack.epoch !== world.running[life.replica]!.replica.book.epoch) continue;
      if (ack.level === "store") world.violate("acks", what);
      if (ack.level === "memory" && living?.life.number === ack.life) world.violate("acks", what);
      if (ack.level === "peer" && living?.linkedWith.has(life)) world.violate("acks", `${what}, which was linked`);
    }
  }
}
