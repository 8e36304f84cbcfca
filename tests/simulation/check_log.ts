/** Checks that both replicas read the same log alike, that there is one only, and that nothing of it is deleted too early. @module */
import type { Ledger } from "../../src/ledger/ledger.ts";
import { indexOf, segmentOf } from "../../src/ledger/log.ts";
import type { LogRecord } from "../../src/ledger/record.ts";
import type { Life } from "./life.ts";
import type { Running, World } from "./world.ts";

/** Follows what happens to the segments, and what every replica has folded at every position. */
export class LogChecker {
  /** the segment in which the log last began anew */
  begunIn = 0;
  #hashes = new Map<number, number>();

  constructor(private readonly world: World) {}

  /** A replica has folded the log up to some position. */
  folded(life: Life, { position, hash }: Ledger): void {
    const known = this.#hashes.get(position);
    if (known === undefined) this.#hashes.set(position, hash);
    else if (known !== hash) {
      const where = `${segmentOf(position)}:${indexOf(position)}`;
      this.world.violate(
        "fold",
        `${life.replica}${life.number} has another hash at ${where} than was had there before`,
      );
    }
  }

  /** A position that was read before may hold another record now. */
  forget(): void {
    this.#hashes.clear();
  }

  /** A process has made a segment. */
  began(life: Life, first: LogRecord, doubted: boolean): void {
    if (first.kind !== "header" || !doubted && !first.base) return;
    const { world } = this;
    world.truth.catchUp();
    for (const peer of this.#servingBeside(life)) {
      world.violate("log", `${life.replica}${life.number} begins the log anew while ${peer.life.replica} serves`);
    }
    world.truth.forget();
    if (first.base) {
      this.begunIn = first.segment;
      this.forget();
    }
    world.saw("log-begun", first.segment);
  }

  /** A process is about to delete a segment, which ends at a position. */
  removed(life: Life, segment: number, end: number): void {
    const { world } = this;
    world.truth.catchUp();
    const { database } = world;
    const who = `${life.replica}${life.number}`;
    // a replica that had read a position which a backup took back could not know
    if (!database || database.restoredMs < 0 && database.stored.position < end) {
      world.violate("log", `${who} deletes segment ${segment}, which the store does not hold`);
    }
    for (const peer of this.#servingBeside(life)) {
      if (segmentOf(peer.replica.ledger!.position) > segment) continue;
      world.violate("log", `${who} deletes segment ${segment}, which ${peer.life.replica} has not read`);
    }
  }

  #servingBeside({ replica: name }: Life): Running[] {
    return this.world.living.filter(({ life, replica }) =>
      life.replica !== name && replica.readiness().phase === "serving"
    );
  }
}
