/** Looks once a second at what is booked where, and at what the router says of itself. Not part of any figure. @module */
import { type Addresses, Api } from "./api.ts";
import { Latency } from "./latency.ts";
import type { Schedule } from "./schedule.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 900;
/** One address may have two replicas: how often each look asks, over new connections. */
const LOOKS = 2;
/** How long a replica's answer counts, in milliseconds. */
const FRESH_MS = 3_500;

/** One look. */
export interface Sample {
  /** milliseconds since the run began */
  readonly atMs: number;
  /** payments booked at each processor so far; undefined where it did not answer */
  readonly booked: { readonly default: number; readonly fallback: number } | undefined;
  /** payments that wait at all replicas; undefined where `GET /readyz` does not say */
  readonly queue: number | undefined;
  /** calls under way of all replicas, likewise */
  readonly inFlight: number | undefined;
}

interface Load {
  readonly atMs: number;
  readonly queue: number | undefined;
  readonly inFlight: number | undefined;
}

export class Sampler {
  readonly samples: Sample[] = [];
  readonly #api: Api;
  readonly #replicas = new Map<string, Load>();
  readonly #client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });

  constructor(addresses: Addresses) {
    // its requests are not the grader's: they are recorded apart
    this.#api = new Api(addresses, new Latency());
  }

  /** Samples until the run ends. */
  async run(schedule: Schedule): Promise<void> {
    for (let at = EVERY_MS; await schedule.until(at); at = Math.ceil(schedule.elapsedMs / EVERY_MS) * EVERY_MS) {
      await this.#sample(schedule);
    }
    this.#client.close();
    this.#api.close();
  }

  async #sample(schedule: Schedule): Promise<void> {
    const window = { from: schedule.startedAt - 60_000, to: schedule.startedAt + 86_400_000 };
    const atMs = schedule.elapsedMs;
    const [byDefault, byFallback] = await Promise.all([
      this.#api.processorBooks("default", window).catch(() => undefined),
      this.#api.processorBooks("fallback", window).catch(() => undefined),
      ...Array.from({ length: LOOKS }, () => this.#look(atMs)),
    ]);
    const fresh = [...this.#replicas.values()].filter((replica) => atMs - replica.atMs < FRESH_MS);
    this.samples.push({
      atMs,
      booked: byDefault && byFallback && { default: byDefault.count, fallback: byFallback.count },
      queue: sum(fresh.map(({ queue }) => queue)),
      inFlight: sum(fresh.map(({ inFlight }) => inFlight)),
    });
  }

  async #look(atMs: number): Promise<void> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(`${this.#api.addresses.router}/readyz`, { signal, client: this.#client });
      const json = await response.json();
      const processors = Object.values(json.processors ?? {}) as { inFlight?: unknown }[];
      this.#replicas.set(String(json.replica ?? ""), {
        atMs,
        queue: count(json.queue),
        inFlight: sum(processors.map(({ inFlight }) => count(inFlight))),
      });
    } catch {
      // the router need not have it
    }
  }
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The sum of what is known, undefined where nothing is. */
function sum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
}
