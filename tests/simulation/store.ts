/** Postgres, as far as payments go: a transaction happens whole or not at all, and what was committed stays, unless a backup is restored. @module */
import type { Payment } from "../../src/payment/payment.ts";
import { type Batch, type Store, type Stored, StoreError } from "../../src/store/store.ts";
import { type Content, MemoryStore } from "../store/memory_store.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

/** How unkind the database is; times in milliseconds, the rest shares of transactions. */
export interface StoreFaults {
  delayMs: number;
  /** takes up to {@link SLOW_MS} longer */
  slow: number;
  /** fails before anything has happened */
  fails: number;
  /** a person has to act first: fails, and again at once */
  refused: number;
  /** commits and then breaks the connection */
  unknown: number;
}

const SLOW_MS = 400;
const PAGE = 64;
/** The database both replicas write to. */
export class Database {
  down = false;
  /** when it last went back to a backup, in milliseconds */
  restoredMs = -Infinity;
  readonly #memory = new MemoryStore();
  #backup: Content | undefined;
  /** counts the times that it went back: what began before does not end after */
  #era = 0;

  constructor(private readonly world: World, private readonly prng: World["prng"], readonly faults: StoreFaults) {}

  get rows(): ReadonlyMap<string, Payment> {
    return this.#memory.content.rows;
  }

  get stored(): Stored {
    return this.#memory.content.stored;
  }

  /** The store as one process has it. */
  of(life: Life): Store {
    return {
      stored: () => this.#transaction(life, () => this.stored),
      load: async (visit) => {
        // one snapshot, in pages
        const { stored, payments } = await this.#transaction(life, () => ({
          stored: this.stored,
          payments: this.#memory.payments(),
        }));
        for (let at = 0; at < payments.length; at += PAGE) {
          for (const payment of payments.slice(at, at + PAGE)) visit(payment);
          await this.#transaction(life, () => {});
        }
        return stored;
      },
      write: async (batch) => {
        const payments = [...batch.payments];
        return await this.#transaction(life, () => this.#write({ ...batch, payments }, payments.length));
      },
    };
  }

  /** Keeps a copy of what is there now, to come back to. Nothing is kept before there is anything. */
  backUp(): void {
    if (this.stored.logId !== null) this.#backup = this.#memory.content;
  }

  /** Goes back to the copy. @returns whether there is one */
  restore(): boolean {
    if (!this.#backup) return false;
    // the loss of the stream, and then of the store that replaces it, loses everything
    const { engine } = this.world;
    if (engine && this.#backup.stored.logId !== engine.stream?.id) return false;
    this.#memory.content = this.#backup;
    this.#era++;
    this.restoredMs = this.world.clock.monotonic();
    return true;
  }

  #write(batch: Batch, count: number): Stored {
    const stored = this.#memory.put(batch);
    if (stored === batch.to) this.world.note("stored", undefined, stored.position, count);
    else this.world.saw("store-overtaken", stored.position);
    return stored;
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
