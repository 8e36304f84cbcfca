/** Postgres, as far as facts go: a statement happens whole or not at all, and what was committed stays. @module */
import { compareFacts, type Fact, type ReplicaId } from "../../src/payment/fact.ts";
import { type Opened, type Store, StoreError } from "../../src/store/store.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

/** How unkind the database is; times in milliseconds. */
export interface StoreFaults {
  delayMs: number;
  /** share of statements that take {@link SLOW_MS} longer */
  slow: number;
  /** share of statements that commit and then break the connection */
  unknown: number;
}

/** A row of the table `replica`: who is running now holds a lock there for as long as it lives. */
interface Mark {
  running: boolean;
  life: Life;
  /** how the life before had ended */
  found: Opened["state"];
}

const SLOW_MS = 400;
const PAGE = 64;

/** The database both replicas write to. */
export class Database {
  down = false;
  epoch = 0;
  readonly rows = new Map<string, Fact>();
  readonly #marks = new Map<ReplicaId, Mark>();

  constructor(private readonly world: World, private readonly prng: World["prng"], readonly faults: StoreFaults) {}

  /** The store as one process has it. */
  of(life: Life): Store {
    let opened: Opened | undefined;
    return {
      open: (replica) =>
        this.#statement(life, () => {
          if (!opened) {
            opened = { epoch: this.epoch, state: this.#lastLife(replica) };
            this.#marks.set(replica, { running: true, life, found: opened.state });
          }
          return { ...opened, epoch: this.epoch };
        }),
      load: async (visit) => {
        // one snapshot, in pages
        const all = await this.#statement(life, () => [...this.rows.values()]);
        all.sort((a, b) =>
          Number(a.stage === "settled") - Number(b.stage === "settled") || a.requestedAt - b.requestedAt
        );
        for (let at = 0; at < all.length; at += PAGE) {
          visit(all.slice(at, at + PAGE));
          await this.#statement(life, () => {});
        }
      },
      write: (epoch, facts) => this.#statement(life, () => this.#write(epoch, facts)),
      // one that comes through after its sender's death would leave the store ahead of everybody
      purge: (epoch) => this.#statement(life, () => this.#purge(epoch), false),
      close: (clean) =>
        this.#statement(life, () => {
          if (!clean) return;
          // a peer that does not live is spoken for
          for (const mark of this.#marks.values()) if (mark.life === life || !mark.life.alive) mark.running = false;
        }),
    };
  }

  #lastLife(replica: ReplicaId): Opened["state"] {
    const marks = [...this.#marks];
    const lives = ([id, { life }]: [ReplicaId, Mark]) => id !== replica && life.alive;
    if (marks.some((entry) => entry[1].running && !lives(entry))) return "crashed";
    const peer = marks.find((entry) => entry[1].running && lives(entry));
    if (peer) return peer[1].found;
    return marks.length > 0 ? "clean" : this.rows.size > 0 ? "crashed" : "empty";
  }

  #write(epoch: number, facts: readonly Fact[]): number {
    if (epoch < this.epoch) return this.epoch;
    this.#purge(epoch);
    for (const fact of facts) {
      const known = this.rows.get(fact.id);
      if (!known || compareFacts(fact, known) > 0) this.rows.set(fact.id, fact);
    }
    return epoch;
  }

  #purge(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.rows.clear();
  }

  /** It arrives, happens at one instant, and its answer comes back, if nothing goes wrong on the way. */
  #statement<T>(life: Life, happen: () => T, outlives = true): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!life.acts()) return promise;
    const { timeline } = this.world;
    const wayMs = () => this.faults.delayMs * this.prng.float();
    const slowMs = this.prng.chance(this.faults.slow) ? this.world.fault("store-slow", SLOW_MS * this.prng.float()) : 0;
    const broken = (why: string) => life.hear(() => reject(new StoreError("unavailable", why)));
    // the statement of a process that dies may have been sent, or not
    const sent = outlives && this.prng.chance(0.5);
    timeline.in(wayMs() + slowMs, () => {
      if (!life.alive && !sent) return;
      if (this.down) return broken("connection refused");
      const value = happen();
      const unknown = this.prng.chance(this.faults.unknown);
      if (unknown) this.world.fault("store-commit-unknown", 0);
      timeline.in(wayMs(), () => unknown || this.down ? broken("connection reset") : life.hear(() => resolve(value)));
    });
    return promise;
  }
}
