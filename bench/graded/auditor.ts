/** Asks both processors and the router for the same window at the same instant, again and again. @module */
import type { Api } from "./api.ts";
import { type Audit, difference, NOTHING } from "./audit.ts";
import type { Scenario } from "./scenario.ts";
import type { Schedule } from "./schedule.ts";

export class Auditor {
  readonly audits: Audit[] = [];
  readonly #api: Api;
  readonly #rules: Scenario["audit"];

  constructor(api: Api, rules: Scenario["audit"]) {
    this.#api = api;
    this.#rules = rules;
  }

  /** Audits at the start and then at every interval, until the end of the load. */
  async run(schedule: Schedule, durationSeconds: number): Promise<void> {
    for (let at = 0; at < durationSeconds; at += this.#rules.everySeconds) {
      if (!await schedule.until(at * 1_000)) return;
      await this.audit(schedule.startedAt);
    }
  }

  /** @throws ApiError where an answer has no numbers in it */
  async audit(startedAt: number): Promise<Audit> {
    const now = Date.now();
    const window = {
      from: now - this.#rules.fromSecondsAgo * 1_000,
      to: now - this.#rules.toSecondsAgo * 1_000,
    };
    const [byDefault, byFallback, router] = await Promise.all([
      this.#api.processorBooks("default", window),
      this.#api.processorBooks("fallback", window),
      this.#api.routerBooks(window),
    ]);
    const processors = byDefault && byFallback && { default: byDefault, fallback: byFallback };
    const seen = { default: byDefault ?? NOTHING.default, fallback: byFallback ?? NOTHING.fallback };
    const audit: Audit = {
      atMs: now - startedAt,
      fromMs: window.from - startedAt,
      toMs: window.to - startedAt,
      router,
      processors,
      difference: difference(router ?? NOTHING, seen, this.#rules.compare),
    };
    this.audits.push(audit);
    return audit;
  }
}
