/** What an acknowledgement waits for: the levels of DESIGN.md, promise 2. @module */
import type { AckLevel } from "./api/service.ts";
import type { Replication } from "./ports/replication.ts";

/** The acknowledgement level of one replica. Without a peer `peer` means `store`, and without a store that is `memory`. */
export class Ack {
  constructor(
    private readonly level: AckLevel,
    private readonly peer: Pick<Replication, "linked"> | undefined,
    /** its `covered` resolves to whether all that was recorded so far is stored */
    private readonly writer: { covered(): Promise<boolean> } | undefined,
  ) {}

  /** What a 202 means at this moment. */
  get now(): AckLevel {
    if (this.level === "peer" && this.peer?.linked) return "peer";
    return this.level === "memory" || !this.writer ? "memory" : "store";
  }

  /**
   * Whether what was recorded so far may be acknowledged.
   *
   * @param held resolved true once the peer holds it, false when the peer is not there
   */
  async covers(held: Promise<boolean> | undefined): Promise<boolean> {
    if (this.level === "memory") return true;
    const stored = this.level === "store" ? this.writer?.covered() : undefined;
    // at level `store` the peer is waited for as well, while it is there: it takes over without reading the store first
    const there = await held;
    if (this.level === "peer" && there) return true;
    return await (stored ?? this.writer?.covered()) ?? true;
  }

  /** Whether a payment may be sent under a binding that was just recorded: who might take over has to know of it. */
  async allowsSending(held: Promise<boolean>): Promise<boolean> {
    if (this.level === "store") return await this.covers(held);
    // without its peer a replica has left a note of that in its lock: who takes over asks the processors first
    return !this.peer?.linked || await held;
  }
}
