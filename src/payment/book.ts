/** The book: what a replica knows, the fold of the log up to some position. @module */
import type { Fact, Processor, ReplicaId } from "./fact.ts";
import { type Cents, TOTAL_CENTS_MAX } from "./money.ts";
import { accept, doubt, follow, mayBeBooked, move, type Payment } from "./payment.ts";
import { SettledIndex } from "./settled.ts";
import { type Total, Totals } from "./totals.ts";

/** What a replica has settled is counted modulo this, in cents: purges let it grow without end. */
export const SETTLED_MODULUS = 2 ** 48;

/** What a payment takes of memory, in bytes: until it is settled, with the work on it, in V8's heap; and after that, outside. */
const [BYTES_PENDING, BYTES_SETTLED] = [400, 65];

/** Memory that payments may take, in bytes. */
export interface MemoryLimits {
  /** V8's heap */
  readonly heap: number;
  /** that and what is outside */
  readonly all: number;
}

/** What both processors have booked, as far as the log says. */
export type Summary = Readonly<Record<Processor, Total>>;

/** The fold of facts, in the order of the log. */
export class Book {
  #pending = new Map<string, Payment>();
  #pendingCents: Cents = 0;
  #settled = new SettledIndex();
  /** the last of them */
  #newest: Payment | undefined;
  #totals = freshTotals();
  readonly #settledBy: Record<ReplicaId, Settlements> = {};
  #doubtedUptimeMs: number | null = null;

  /** Payments that are not settled, in the order they became known. */
  get pending(): ReadonlyMap<string, Payment> {
    return this.#pending;
  }

  /** Settled payments, by id and in the order in which they were settled, or read from the store. */
  get settled(): Pick<SettledIndex, "size" | "at"> {
    return this.#settled;
  }

  /**
   * What a replica has settled since this process began to read the log, cents modulo {@link SETTLED_MODULUS}; a purge
   * does not reset it. It is compared with what that replica says of itself.
   */
  settledBy(replica: ReplicaId): Summary {
    return this.#settledBy[replica] ??= freshSettlements();
  }

  /** When the log last may have lost facts, as uptime of the machine in milliseconds; null if it never did. */
  get doubtedUptimeMs(): number | null {
    return this.#doubtedUptimeMs;
  }

  /** What is known of a payment. */
  get(id: string): Payment | undefined {
    const payment = this.#pending.get(id);
    if (payment) return payment;
    // observers ask for a payment right after it is settled
    if (this.#newest?.id === id) return this.#newest;
    const at = this.#settled.find(id);
    return at === -1 ? undefined : this.#settled.at(at);
  }

  /**
   * Takes the next fact of the log in.
   *
   * @param position of the fact in the log
   * @returns whether it holds; otherwise it is void, and nothing has changed
   * @throws if a total would not be exact: the process must not continue
   */
  fold(fact: Fact, position: number): boolean {
    switch (fact.kind) {
      case "accepted":
        if (this.get(fact.id)) return false;
        this.#keep(accept(fact, position, this.#doubtedUptimeMs));
        return true;
      case "moved":
        this.#change((payment) => payment.owner === fact.from ? move(payment, fact, position) : payment);
        return true;
      case "doubted":
        this.#doubtedUptimeMs = fact.uptimeMs;
        this.#change((payment) => doubt(payment, fact, position));
        return true;
      case "purged":
        this.#purge();
        return true;
      default: {
        const payment = this.#pending.get(fact.id);
        const next = payment && follow(payment, fact, position);
        if (!next) return false;
        this.#pendingCents -= payment.cents;
        if (next.stage === "settled") {
          // not in #settle: V8 keeps the key of each Map lookup for a while, which counts while a million are loaded
          this.#pending.delete(payment.id);
          this.#settle(next, fact.by);
        } else this.#keep(next);
        return true;
      }
    }
  }

  /** Loads a payment from the store, before any fact is folded. */
  load(payment: Payment): void {
    if (payment.stage === "settled") this.#settle(payment);
    else this.#keep(payment);
  }

  /** Puts all that is loaded in doubt, before the first fact is folded: then a purge among the facts keeps it. */
  markLoadedDoubtful(): void {
    this.#change((payment) => ({ ...payment, doubtedUptimeMs: payment.doubtedUptimeMs ?? 0 }));
  }

  /** Loads from the store when the log last may have lost facts. */
  restoreDoubt(uptimeMs: number | null): void {
    this.#doubtedUptimeMs = uptimeMs;
  }

  /** What is settled with `from <= requestedAt <= to`, in milliseconds, both ends inclusive. */
  summary(from?: number, to?: number): Summary {
    return { default: this.#totals.default.window(from, to), fallback: this.#totals.fallback.window(from, to) };
  }

  /** What its payments take of these limits, about: a share. */
  memoryUse({ heap, all }: MemoryLimits): number {
    const pending = this.#pending.size * BYTES_PENDING;
    return Math.max(pending / heap, (pending + this.#settled.size * BYTES_SETTLED) / all);
  }

  /** Whether the book's totals stay exact with one more payment of `cents`. */
  hasRoomFor(cents: Cents): boolean {
    const { default: first, fallback: second } = this.#totals;
    return first.all.cents + second.all.cents + this.#pendingCents + cents <= TOTAL_CENTS_MAX;
  }

  #keep(payment: Payment): void {
    this.#pending.set(payment.id, payment);
    this.#pendingCents += payment.cents;
  }

  #settle(payment: Payment, by?: ReplicaId): void {
    const { processor, requestedAt, cents } = payment;
    this.#settled.add(payment);
    this.#newest = payment;
    this.#totals[processor!].add(requestedAt, cents);
    if (!by) return;
    const total = (this.#settledBy[by] ??= freshSettlements())[processor!];
    total.count++;
    total.cents = (total.cents + cents) % SETTLED_MODULUS;
  }

  #change(next: (payment: Payment) => Payment): void {
    for (const [id, payment] of this.#pending) this.#pending.set(id, next(payment));
  }

  #purge(): void {
    const kept = [...this.#pending.values()].filter(mayBeBooked);
    this.#pending = new Map();
    this.#pendingCents = 0;
    this.#settled = new SettledIndex();
    this.#newest = undefined;
    this.#totals = freshTotals();
    for (const payment of kept) this.#keep(payment);
  }
}

function freshTotals(): Record<Processor, Totals> {
  return { default: new Totals(), fallback: new Totals() };
}

type Settlements = Record<Processor, { count: number; cents: Cents }>;

function freshSettlements(): Settlements {
  return { default: { count: 0, cents: 0 }, fallback: { count: 0, cents: 0 } };
}
