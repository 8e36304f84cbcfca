/** Checks, when all is quiet, that everything that was acknowledged is booked once and that all books are the same. @module */
import { compareFacts, PROCESSORS } from "../../src/payment/fact.ts";
import { purged } from "./check_charges.ts";
import type { World } from "./world.ts";

/** What is still to be done before a run can end; empty when nothing is. */
export function unfinished(world: World): string {
  for (const name of world.names) {
    const running = world.running[name];
    if (!running?.life.alive) return `${name} does not live`;
    const { ready, pending, peer, notes } = running.replica.readiness();
    if (!ready) return `${name} is not ready: ${notes.join(", ")}`;
    if (peer === "unreachable") return `${name} is not linked`;
    if (pending > 0) {
      return `${name} has ${pending} pending payments: ${
        JSON.stringify([...running.replica.book.pending.values()][0])
      }`;
    }
  }
  const { database } = world;
  if (!database) return "";
  const { book } = world.running.a!.replica;
  if (database.epoch !== book.epoch) return `the store is in epoch ${database.epoch}, not ${book.epoch}`;
  for (const { id, acks, lost } of world.ledger.payments.values()) {
    const [fact, row] = [book.get(id), database.rows.get(id)];
    // the last statement of a dead process may come through after its successor has read: nobody was told of it
    if (!fact && (acks.length === 0 || lost)) continue;
    if (fact?.stage !== row?.stage) return `${id} is ${fact?.stage} and stored as ${row?.stage}`;
  }
  return "";
}

/** Compares everything with everything. */
export function checkEnd(world: World): void {
  const books = world.names.map((name) => world.running[name]!.replica.book);
  const book = books[0]!;
  const { epoch } = book;
  const sums = { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } };
  if (books.some((other) => other.epoch !== epoch)) world.violate("end", "the replicas are in different epochs");
  for (const payment of world.ledger.payments.values()) {
    const { id, acks, amounts, lost, epochMin, era } = payment;
    const fact = book.get(id);
    for (const other of books) {
      const there = other.get(id);
      if (fact === there) continue;
      if (!fact || !there || compareFacts(fact, there) !== 0) {
        world.violate("end", `the books differ on ${id}: ${JSON.stringify(fact)} and ${JSON.stringify(there)}`);
      }
    }
    const booked = PROCESSORS.filter((processor) => world.processors[processor].bookings.has(id));
    const owed = acks.some((ack) => ack.epoch === epoch && ack.era === world.era) && !lost;
    if (owed && booked.length !== 1 && !purged(payment)) {
      world.violate("end", `${id} was acknowledged and is booked ${booked.length} times`);
    }
    if (booked.length > 0 && !fact && !lost && epochMin >= epoch && era === world.era) {
      world.violate("end", `${id} is booked at ${booked[0]} and in no book`);
    }
    if (!fact) continue;
    const processor = fact.processor!;
    const booking = world.processors[processor].bookings.get(id);
    if (booking?.cents !== fact.cents || booking.requestedAt !== fact.requestedAt) {
      world.violate("end", `${id} is ${JSON.stringify(fact)}, and at ${processor} ${JSON.stringify(booking)}`);
    }
    if (!amounts.has(fact.cents)) world.violate("amounts", `${id} is settled with ${fact.cents} cents`);
    sums[processor].count++;
    sums[processor].cents += fact.cents;
  }
  for (const other of books) {
    for (const processor of PROCESSORS) {
      const { count, cents } = other.summary()[processor];
      if (count !== sums[processor].count || cents !== sums[processor].cents) {
        world.violate(
          "end",
          `the summary says ${count}, ${cents} cents of ${processor}, the books ${JSON.stringify(sums[processor])}`,
        );
      }
    }
  }
}
