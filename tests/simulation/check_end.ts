/** Checks, when all is quiet, that everything that was acknowledged is booked once and that all books are the same. @module */
import { PROCESSORS } from "../../src/payment/fact.ts";
import type { Payment } from "../../src/payment/payment.ts";
import type { Replica } from "../../src/replica.ts";
import type { World } from "./world.ts";

/** What is still to be done before a run can end; empty when nothing is. */
export function unfinished(world: World): string {
  for (const name of world.names) {
    if (name === world.left) continue;
    const running = world.running[name];
    if (!running?.life.alive) return `${name} does not live`;
    const { phase, peers, notes } = running.replica.readiness();
    if (phase !== "serving") return `${name} does not serve (${phase}): ${notes.join(", ")}`;
    const { position } = running.replica.ledger!;
    if (position !== world.truth.catchUp()?.position) return `${name} has read the log up to ${position} only`;
    const missed = Object.keys(peers).find((peer) => peer !== world.left && peers[peer] !== "linked");
    if (missed) return `${name} is not linked to ${missed}`;
    // an id posted again after a purge may be booked with another amount: then its payment waits for an operator
    const { pending } = running.replica.ledger!.book;
    const first = pending.values().find(({ id }) => !world.asked.get(id)?.excused);
    if (first) return `${name} has ${pending.size} pending payments: ${JSON.stringify(first)}`;
  }
  const { database } = world;
  if (!database) return "";
  const { book } = lasting(world)[0]!.ledger!;
  for (const { id } of world.asked.payments.values()) {
    const [payment, row] = [book.get(id), database.rows.get(id)];
    if (shown(payment) !== shown(row)) return `${id} is ${shown(payment)} and stored as ${shown(row)}`;
  }
  return "";
}

/** Replicas that live in the end. */
export function lasting(world: World): Replica[] {
  return world.names.filter((name) => name !== world.left).map((name) => world.running[name]!.replica);
}

/** Compares everything with everything. */
export function checkEnd(world: World): void {
  const ledgers = lasting(world).map(({ ledger }) => ledger!);
  for (const ledger of ledgers) ledger.catchUp();
  const truth = world.truth.catchUp()!;
  for (const { position, hash } of ledgers) {
    if (position === truth.position && hash === truth.hash) continue;
    world.violate(
      "end",
      `a replica stands at ${position} with hash ${hash}, not at ${truth.position} with ${truth.hash}`,
    );
  }
  const sums = { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } };
  for (const asked of world.asked.payments.values()) {
    const { id, acks, amounts, lostMs, purgedMs } = asked;
    const payment = truth.book.get(id);
    for (const { book } of ledgers) {
      const there = book.get(id);
      if (shown(payment) === shown(there)) continue;
      world.violate("end", `the books differ on ${id}: ${shown(payment)} and ${shown(there)}`);
    }
    const booked = PROCESSORS.filter((processor) => world.processors[processor].bookings.has(id));
    if (acks.length > 0 && booked.length !== 1 && !asked.excused) {
      world.violate("end", `${id} was acknowledged and is booked ${booked.length} times`);
    }
    if (acks.length > 0 && !payment) world.violate("end", `${id} was acknowledged and is in no book`);
    if (booked.length > 0 && !payment && lostMs < 0 && purgedMs < 0) {
      world.violate("end", `${id} is booked at ${booked[0]} and in no book`);
    }
    if (!payment || asked.excused && payment.stage !== "settled") continue;
    const processor = payment.processor!;
    const booking = world.processors[processor].bookings.get(id);
    if (booking?.cents !== payment.cents || booking.requestedAt !== payment.requestedAt) {
      world.violate("end", `${id} is ${shown(payment)}, and at ${processor} ${JSON.stringify(booking)}`);
    }
    if (!amounts.has(payment.cents)) world.violate("amounts", `${id} is settled with ${payment.cents} cents`);
    sums[processor].count++;
    sums[processor].cents += payment.cents;
  }
  for (const { book } of ledgers) {
    for (const processor of PROCESSORS) {
      const { count, cents } = book.summary()[processor];
      const { [processor]: sum } = sums;
      if (count === sum.count && cents === sum.cents) continue;
      world.violate(
        "end",
        `the summary says ${count}, ${cents} cents of ${processor}, the books ${JSON.stringify(sum)}`,
      );
    }
  }
}

function shown(payment: Payment | undefined): string {
  return payment ? JSON.stringify(payment, FIELDS) : "nowhere";
}

const FIELDS = ["cents", "owner", "stage", "processor", "requestedAt"];
