/** What the peer said and its store may not hold yet: if the peer dies, this replica stores it. @module */
import type { Fact } from "../payment/fact.ts";
import type { Clock } from "../clock.ts";
import type { Gossip } from "./gossip.ts";

/** Facts that are kept; beyond them, the whole book has to be stored again when the peer dies. */
export const PEER_BACKLOG_MAX = 20_000;

/** How often a replica tells its peer what its store holds, in milliseconds. */
const STORED_MS = 200;

/**
 * Tells the peer, for as long as `goesOn`, what it need not store should this replica die.
 *
 * @param store its `covered` resolves to whether all that was noted before is stored
 */
export function reportStored(
  clock: Clock,
  gossip: Pick<Gossip, "seq" | "tell">,
  store: { covered(): Promise<boolean> },
  goesOn: () => boolean,
  told = 0,
): void {
  const { seq } = gossip;
  clock.after(STORED_MS, async () => {
    if (!goesOn()) return;
    const stored = seq !== told && await store.covered();
    if (stored) gossip.tell({ type: "stored", seq });
    reportStored(clock, gossip, store, goesOn, stored ? seq : told);
  });
}

export class PeerBacklog {
  #facts: { readonly fact: Fact; readonly seq: number }[] = [];
  #overflow = false;

  /** The peer said `fact` at `seq` of its stream, or in a catch-up (0). */
  add(fact: Fact, seq: number): void {
    if (seq === 0 || this.#facts.length === PEER_BACKLOG_MAX) this.#overflow = true;
    else this.#facts.push({ fact, seq });
  }

  /** The peer's store holds everything the peer knew up to `seq`. */
  stored(seq: number): void {
    const first = this.#facts.findIndex((entry) => entry.seq > seq);
    // what did not fit came after what is here
    if (first === -1 && this.#facts.length === PEER_BACKLOG_MAX) return;
    this.#overflow = false;
    this.#facts.splice(0, first === -1 ? this.#facts.length : first);
  }

  /** Hands everything over and is empty; undefined where it was too much to keep. */
  take(): readonly Fact[] | undefined {
    const facts = this.#overflow ? undefined : this.#facts.map(({ fact }) => fact);
    this.clear();
    return facts;
  }

  clear(): void {
    this.#facts = [];
    this.#overflow = false;
  }
}
