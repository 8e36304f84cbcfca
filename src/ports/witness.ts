/** Who is told of facts as they happen. @module */
import type { Fact } from "../payment/fact.ts";

/** Looks on, and takes no part. */
export interface Witness {
  /** This replica's dispatcher made a fact. */
  did(fact: Fact): void;
  /** The peer made one, and it is heard; not what a catch-up repeats. */
  heard(fact: Fact): void;
  /** An epoch begins: every payment is forgotten. */
  forgot(): void;
}
