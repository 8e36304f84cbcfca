/** Who asks a processor how it is: one replica in five seconds, over all hosts. @module */
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import type { Clock } from "../clock.ts";
import type { Processor } from "../payment/fact.ts";
import type { Keys } from "./streams.ts";

/** A claim that is answered later is lost, in milliseconds: another replica's turn may have begun. */
const ANSWER_MS = 500;

/** What is known of a processor's key. */
interface Seen {
  readonly revision: number;
  /** when the revision may be replaced, on the monotonic clock */
  readonly untilMs: number;
}

/** Claims by compare-and-set on a key's revision: a revision is replaced `pauseMs` after it was seen, by whoever is first. */
export class HealthClaims {
  readonly #seen = new Map<Processor, Seen>();

  /** Claims nothing yet. @param pauseMs the least time between two claims of a processor by any replicas, in milliseconds */
  constructor(private readonly keys: Keys, private readonly clock: Clock, private readonly pauseMs: number) {}

  /** Whether this replica may ask the processor now; called again and again. Never rejects. */
  async claim(processor: Processor): Promise<boolean> {
    const { clock, pauseMs } = this;
    const seen = this.#seen.get(processor);
    const fromMs = clock.monotonic();
    if (seen && fromMs < seen.untilMs) return false;
    // one claim at a time
    this.#seen.set(processor, { revision: seen?.revision ?? 0, untilMs: fromMs + ANSWER_MS });
    try {
      const keys = await this.keys();
      const options = { previousSeq: seen?.revision ?? 0, timeout: ANSWER_MS };
      const revision = await keys.put(`health.${processor}`, "", options);
      const nowMs = clock.monotonic();
      this.#seen.set(processor, { revision, untilMs: nowMs + pauseMs });
      return nowMs - fromMs <= ANSWER_MS;
    } catch (error) {
      const revision = lastOf(error);
      // the replica that claimed it may get its answer this much later
      if (revision) this.#seen.set(processor, { revision, untilMs: clock.monotonic() + pauseMs + ANSWER_MS });
      return false;
    }
  }
}

/** The revision that stands where another was expected. */
function lastOf(error: unknown): number | undefined {
  if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamWrongLastSequence) {
    return undefined;
  }
  return Number(/: (\d+)$/.exec(error.message)?.[1]) || undefined;
}
