/**
 * What to look at first: rules over the figures of a run, each with a threshold that the report shows. Pure. A rule that
 * does not reach its threshold says nothing.
 * @module
 */
import { dispatchPerSecond, TURN_MS } from "../../src/routing/turns.ts";
import type { Figures } from "./figures.ts";

/** What the milliseconds of a finding are taken from. */
export type Delays = "answer" | "settling" | "summary";

/** One thing to look at. */
export interface Finding {
  readonly rule: string;
  readonly delays: Delays;
  /** what it would give back at most, in milliseconds */
  readonly ms: number;
  /** the figure that it rests on, in words */
  readonly figure: string;
  /** the setting or code to look at */
  readonly look: string;
}

/** One rule. */
export interface Rule {
  readonly name: string;
  readonly delays: Delays;
  /** in words, with the threshold */
  readonly says: string;
  readonly thresholdMs: number;
  /** milliseconds it would give back, the figure, and where to look; compared with the threshold by {@link findings} */
  measure(figures: Figures): { readonly ms: number; readonly figure: string; readonly look: string };
}

/** From this much own work of `POST` on, the event loop's lag is blamed on it, in milliseconds. */
const OWN_WORK_MS = 1;

const ms = (value: number) => `${value.toFixed(2)} ms`;

/** A replica's own work for a `POST`; 0 at `ACK=store`, where it cannot be separated from the wait for the commit. */
function ownWork({ timings, settings }: Figures): number {
  return settings.ACK === "store" ? 0 : timings.post.median;
}

/** What Caddy adds to a request under load, at the median and the 99th percentile. */
export function caddyAdds({ edge: { through, direct } }: Figures): { median: number; p99: number } {
  return { median: Math.max(0, through.median - direct.median), p99: Math.max(0, through.p99 - direct.p99) };
}

/** All rules, in the order in which the report lists them. */
export const RULES: readonly Rule[] = [
  {
    name: "work in POST",
    delays: "answer",
    says:
      `the median of POST, unless it waits for a commit (ACK=store), is a replica's own work; from ${OWN_WORK_MS} ms on, ` +
      "what waits behind it counts with it: the p99 of the event loop's lag",
    thresholdMs: OWN_WORK_MS,
    measure(figures) {
      const own = ownWork(figures);
      const { "loop-lag": lag } = figures.timings;
      return {
        ms: own >= OWN_WORK_MS ? own + lag.p99 : own,
        figure: `${ms(own)} of work a POST; event loop lag p99 ${ms(lag.p99)}`,
        look: "accept() in src/replica.ts, src/api/payments.ts",
      };
    },
  },
  {
    name: "calls in flight",
    delays: "settling",
    says: `the median wait for a route above a turn of ${TURN_MS} ms, while in-flight calls reached MAX_IN_FLIGHT`,
    thresholdMs: 10,
    measure({ timings, inFlightMax, settings }) {
      const full = inFlightMax >= settings.MAX_IN_FLIGHT;
      return {
        ms: full ? Math.max(0, timings["route-wait"].median - TURN_MS) : 0,
        figure:
          `median wait for a route ${ms(timings["route-wait"].median)}; at most ${inFlightMax} calls in flight, ` +
          `MAX_IN_FLIGHT=${settings.MAX_IN_FLIGHT}`,
        look: "MAX_IN_FLIGHT",
      };
    },
  },
  {
    name: "dispatch pace",
    delays: "settling",
    says: `the median wait for a route above a turn of ${TURN_MS} ms, with calls in flight to spare`,
    thresholdMs: 10,
    measure({ timings, inFlightMax, settings }) {
      const full = inFlightMax >= settings.MAX_IN_FLIGHT;
      return {
        ms: full ? 0 : Math.max(0, timings["route-wait"].median - TURN_MS),
        figure: `median wait for a route ${ms(timings["route-wait"].median)}; ` +
          `${dispatchPerSecond(settings.MAX_IN_FLIGHT)} payments a second at most, event loop lag p99 ${
            ms(timings["loop-lag"].p99)
          }`,
        look: "src/routing/turns.ts",
      };
    },
  },
  {
    name: "Caddy",
    delays: "answer",
    says:
      "p99 of GET /livez under load through Caddy, less directly at a replica's socket and less the machine's own lag",
    thresholdMs: 5,
    measure(figures) {
      const { edge: { through, direct }, machineLag } = figures;
      return {
        ms: Math.max(0, caddyAdds(figures).p99 - machineLag.p99),
        figure: `p99 ${ms(through.p99)} through Caddy, ${ms(direct.p99)} directly; the machine's own lag ` +
          ms(machineLag.p99),
        look: "Caddyfile; the CPU that Caddy gets",
      };
    },
  },
  {
    name: "acknowledgement",
    delays: "answer",
    says:
      "at ACK=store, p99 of POST, which waits for the commit, less the p99 lag of the event loop on its way out and back",
    thresholdMs: 5,
    measure({ timings: { post, "loop-lag": lag }, settings }) {
      return {
        ms: settings.ACK === "store" ? Math.max(0, post.p99 - 2 * lag.p99) : 0,
        figure: `p99 of POST ${ms(post.p99)} at ACK=${settings.ACK}; event loop lag p99 ${ms(lag.p99)}`,
        look: "ACK, src/store/projector.ts; the server's CPU and disk",
      };
    },
  },
  {
    name: "event loop",
    delays: "answer",
    says:
      `p99 lag of the replicas' event loops, less the machine's own, where own work of POST (below ${OWN_WORK_MS} ms) ` +
      "does not explain it",
    thresholdMs: 5,
    measure(figures) {
      const { machineLag, timings: { "loop-lag": lag } } = figures;
      return {
        ms: ownWork(figures) >= OWN_WORK_MS ? 0 : Math.max(0, lag.p99 - machineLag.p99),
        figure: `lag p99 ${ms(lag.p99)}; the machine's own p99 ${ms(machineLag.p99)}`,
        look: "a CPU profile of a replica",
      };
    },
  },
  {
    name: "calls",
    delays: "settling",
    says: "mean of a call to a processor, less the time that the processor is set to take",
    thresholdMs: 10,
    measure({ timings: { processor }, processorMs }) {
      return {
        ms: Math.max(0, processor.mean - processorMs),
        figure: `mean ${ms(processor.mean)}; the processors are set to take ${processorMs} ms`,
        look: "src/processor/client.ts; the CPU of the processors",
      };
    },
  },
  {
    name: "summary",
    delays: "summary",
    says: "p99 of the summary, directly at a replica's socket: it reads the log to its end first",
    thresholdMs: 10,
    measure({ summary: { memory } }) {
      return {
        ms: memory.p99,
        figure: `median ${ms(memory.median)}, p99 ${ms(memory.p99)}`,
        look: "summary() in src/replica.ts, src/payment/totals.ts",
      };
    },
  },
  {
    name: "index",
    delays: "summary",
    says: "median of the summary by SQL, where its plan reads the whole table of payments",
    thresholdMs: 10,
    measure({ summary: { sql } }) {
      const wholeTable = sql.plan.some((line) => /Seq Scan on payment\b/.test(line));
      return {
        ms: wholeTable ? sql.medianMs : 0,
        figure: `median ${ms(sql.medianMs)}, ${wholeTable ? "a sequential scan" : "no sequential scan"} of payment`,
        look: "src/store/migrations.ts",
      };
    },
  },
  {
    name: "throttling",
    delays: "answer",
    says: "milliseconds in a throttled period, of the process for which it is longest",
    thresholdMs: 1,
    measure({ processes }) {
      const each = processes.map(({ name, throttled }) => ({
        name,
        periods: throttled?.periods ?? 0,
        ms: throttled && throttled.periods > 0 ? throttled.ms / throttled.periods : 0,
      }));
      const worst = each.reduce((a, b) => b.ms > a.ms ? b : a, { name: "nobody", periods: 0, ms: 0 });
      return {
        ms: worst.ms,
        figure: `${worst.name}: ${worst.periods} throttled periods, ${ms(worst.ms)} each`,
        look: "the CPU limit of its container",
      };
    },
  },
];

/** What the rules say of a run, most milliseconds first. */
export function findings(figures: Figures): Finding[] {
  return RULES.flatMap((rule) => {
    const { ms, figure, look } = rule.measure(figures);
    return ms >= rule.thresholdMs ? [{ rule: rule.name, delays: rule.delays, ms, figure, look }] : [];
  }).sort((a, b) => b.ms - a.ms);
}
