/** Postgres, as far as payments go: a transaction happens whole or not at all, and what was committed stays, unless a backup is restored. @module */
import type { Payment } from "../../src/payment/payment.ts";
import { type Batch, type Store, type Stored, StoreError } from "../../src/store/store.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

/** How unkind the database is; times in milliseconds, the rest shares of transactions. */
export interface StoreFaults {
  delayMs: number;
  /** takes up to {@link SLOW_MS} longer */
  slow: number;
  /** fails before anything has happened */
  fails: number;
  /** somebody has to act first: fails, and again at once */
  refused: number;
  /** commits and then breaks the connection */
  unknown: number;
}

const SLOW_MS = 400;
const PAGE = 64;
const NOTHING: Stored = { logId: null, position: 0, hash: 0, doubtedUptimeMs: null };

/** What a database holds. */
interface Content {
  readonly stored: Stored;
  readonly rows: Map<string, Payment>;
}

/** The database both replicas write to. */
export class Database {
  down = false;
  /** when it last went back to a backup, in milliseconds */
  restoredMs = -Infinity;
  #content: Content = { stored: NOTHING, rows: new Map() };
  #backup: Content | undefined;
  /** counts the times that it went back: what began before does not end after */
  #era = 0;

  constructor(private readonly world: World, private readonly prng: World["prng"], readonly faults: StoreFaults) {}

  get rows(): ReadonlyMap<string, Payment> {
    return this.#content.rows;
  }

  get stored(): Stored {
    return this.#content.stored;
  }

  /** The store as one process has it. */
  of(life: Life): Store {
    return {
      stored: () => this.#transaction(life, () => this.stored),
      load: async (visit) => {
        // one snapshot, in pages
        const { stored, rows } = await this.#transaction(
          life,
          () => ({ ...this.#content, rows: [...this.rows.values()] }),
        );
        const all = rows.sort((a, b) =>
          Number(a.stage === "settled") - Number(b.stage === "settled") || a.requestedAt - b.requestedAt
        );
        for (let at = 0; at < all.length; at += PAGE) {
          for (const payment of all.slice(at, at + PAGE)) visit(payment);
          await this.#transaction(life, () => {});
        }
        return stored;
      },
      write: (batch) => {
        const payments = [...batch.payments];
        return this.#transaction(life, () => this.#write(batch, payments));
      },
    };
  }

  /** Keeps a copy of what is there now, to come back to. Nothing is kept before there is anything. */
  backUp(): void {
    const { stored, rows } = this.#content;
    if (stored.logId !== null) this.#backup = { stored, rows: new Map(rows) };
  }

  /** Goes back to the copy. @returns whether there is one */
  restore(): boolean {
    if (!this.#backup) return false;
    const { stored, rows } = this.#backup;
    this.#content = { stored, rows: new Map(rows) };
    this.#era++;
    this.restoredMs = this.world.clock.monotonic();
    return true;
  }

  #write({ from, to, replacesAll }: Batch, payments: readonly Payment[]): Stored {
    const { stored } = this;
    if (stored.logId !== from.logId || stored.position !== from.position) {
      this.world.saw("store-overtaken", stored.position);
      return stored;
    }
    const rows = replacesAll ? new Map<string, Payment>() : this.#content.rows;
    for (const payment of payments) rows.set(payment.id, payment);
    const { logId, position, hash, doubtedUptimeMs } = to;
    this.#content = { stored: { logId, position, hash, doubtedUptimeMs }, rows };
    this.world.note("stored", undefined, position, payments.length);
    return to;
  }

  /** It arrives, happens at one instant, and its answer comes back, if nothing goes wrong on the way. */
  #transaction<T>(life: Life, happen: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!life.acts()) return promise;
    const { prng, faults, world } = this;
    const wayMs = () => faults.delayMs * prng.float();
    const slowMs = prng.chance(faults.slow) ? world.fault("store-slow", SLOW_MS * prng.float()) : 0;
    const broken = (why: string, kind: StoreError["kind"] = "unavailable") =>
      life.hear(() => reject(new StoreError(kind, why)));
    // the transaction of a process that dies may have been sent, or not, and may happen long after
    let late = 1;
    const sent = prng.chance(0.8);
    const era = this.#era;
    const arrive = () => {
      if (!life.alive) {
        if (!sent) return;
        if (late-- > 0) return void world.clock.after(world.fault("store-late-commit", SLOW_MS * prng.float()), arrive);
      }
      if (this.down || era !== this.#era) return broken("connection refused");
      if (prng.chance(faults.fails)) {
        world.fault("store-fails", 0);
        return broken("connection reset");
      }
      if (prng.chance(faults.refused)) {
        world.fault("store-refuses", 0);
        return broken("disk full", "refused");
      }
      const value = happen();
      const unknown = prng.chance(faults.unknown);
      if (unknown) world.fault("store-commit-unknown", 0);
      world.clock.after(wayMs(), () => {
        if (unknown || this.down || era !== this.#era) broken("connection reset");
        else life.hear(() => resolve(value));
      });
    };
    world.clock.after(wayMs() + slowMs, arrive);
    return promise;
  }
}
