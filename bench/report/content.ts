/** What a report says, before it is Markdown or HTML. Pure. @module */
import { POOL_MAX } from "../../src/store/postgres.ts";
import { whole } from "../graded/table.ts";
import type { Figures, Quantiles, Spread } from "./figures.ts";
import { caddyAdds, findings, RULES } from "./rules.ts";

/** A part of the report: a line, a table, text as it is. */
export interface Section {
  readonly title: string;
  readonly text: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** text to be shown as it is, such as a plan */
  readonly verbatim: readonly string[];
}

/** Milliseconds with two decimals. */
export function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

/** p99 against the target, such as `p99 5.37 ms, 5.63 ms (51 %) below the target of 11 ms`. */
export function verdict({ p99, targetMs }: Pick<Figures, "p99" | "targetMs">): string {
  const gap = p99 - targetMs;
  const percent = Math.round(100 * Math.abs(gap) / targetMs);
  return `p99 ${ms(p99)}, ${ms(Math.abs(gap))} (${percent} %) ${
    gap > 0 ? "above" : "below"
  } the target of ${targetMs} ms`;
}

/** The whole report. */
export function sections(figures: Figures): Section[] {
  const found = findings(figures);
  return [
    section("Findings", {
      text: found.length > 0
        ? "Most milliseconds first: what each would give back at most, by the rules at the end."
        : "No rule reached its threshold: see the rules at the end.",
      head: ["", "gives back", "of", "finding", "rests on", "look at"],
      rows: found.map(({ rule, delays, ms: back, figure, look }, index) => [
        ...[`${index + 1}`, ms(back), DELAYS[delays], rule, figure, look],
      ]),
    }),
    outcome(figures),
    section("A single payment on an idle system", {
      head: ["", "through Caddy", "directly at a replica's socket"],
      rows: [
        ["cold: the first, on a new connection", ms(figures.single.cold), ms(figures.single.coldDirect)],
        ["warm: median", ms(figures.single.warm.median), ms(figures.single.warmDirect.median)],
        ["warm: p99", ms(figures.single.warm.p99), ms(figures.single.warmDirect.p99)],
      ],
      text: "The first payment through Caddy is the first ever of the system; the one directly comes second.",
    }),
    answers(figures),
    dispatch(figures),
    summary(figures),
    database(figures),
    processes(figures),
    rules(figures),
  ];
}

const DELAYS = {
  answer: "the answer",
  settling: "settling a payment",
  summary: "the summary",
} as const;

function section(title: string, rest: Partial<Omit<Section, "title">>): Section {
  return { title, text: "", head: [], rows: [], verbatim: [], ...rest };
}

function spreadRow(label: string, of: Pick<Spread, "median" | "p99" | "max"> | Quantiles): string[] {
  return [label, ms(of.median), ms(of.p99), "max" in of ? ms(of.max) : ""];
}

function outcome({ accepted, failed, booked, inconsistencies, lag }: Figures): Section {
  const rate = 100 * accepted / Math.max(1, accepted + failed);
  return section("Outcome", {
    head: ["", ""],
    rows: [
      ["answered with success", `${rate.toFixed(2)} % (${whole(accepted)} of ${whole(accepted + failed)})`],
      ["booked at default", whole(booked.default.count)],
      ["booked at fallback", whole(booked.fallback.count)],
      ["accepted and not booked at the end", whole(lag)],
      ["inconsistencies that audits found", whole(inconsistencies)],
    ],
  });
}

function answers(figures: Figures): Section {
  const { client, clientLag, edge, machineLag, timings, settings } = figures;
  const added = caddyAdds(figures);
  const rest = (of: "median" | "p99") => ms(Math.max(0, client[of] - added[of] - timings.post[of]));
  return section("Where the time goes: the answer", {
    text:
      "Medians and 99th percentiles of parts do not add up to those of the whole. Caddy is GET /livez through it less " +
      `directly, under the same load. What a replica says of itself comes from its /metrics, interpolated between the ` +
      `bounds of a bucket. The generator's own timer was ${ms(clientLag)} late (median second's worst).`,
    head: ["", "median", "p99", "max"],
    rows: [
      spreadRow("client: payment, until the answer", client),
      ["Caddy adds", ms(added.median), ms(added.p99), ""],
      spreadRow("through Caddy: GET /livez", edge.through),
      spreadRow("directly: GET /livez", edge.direct),
      spreadRow(`replica: POST, head to head${settings.ACK === "store" ? ", with the commit" : ""}`, timings.post),
      ["sockets, kernel, client: the rest", rest("median"), rest("p99"), ""],
      spreadRow("event loop lag of the replicas", timings["loop-lag"]),
      spreadRow("the machine's own: a timer in an idle thread", machineLag),
    ],
  });
}

function dispatch({ timings, inFlightMax, processorMs, settings }: Figures): Section {
  return section("Where the time goes: dispatch", {
    text:
      `The processors are set to take ${processorMs} ms. At most ${inFlightMax} calls of one replica to one processor ` +
      `were seen under way, of ${settings.MAX_IN_FLIGHT}.`,
    head: ["", "median", "p99", "max"],
    rows: [
      spreadRow("route: accepted until bound", timings["route-wait"]),
      spreadRow("processor: call until answer", timings.processor),
    ],
  });
}

function summary({ summary: { memory, sql, same } }: Figures): Section {
  return section("Summary", {
    text: `Postgres ${same ? "gives the same totals" : "does NOT give the same totals"}. Its plan is below.`,
    head: ["", "median", "p99"],
    rows: [
      ["GET /payments-summary, from the book, directly", ms(memory.median), ms(memory.p99)],
      ["the same totals by SQL", ms(sql.medianMs), `${ms(sql.maxMs)} (max)`],
    ],
    verbatim: sql.plan,
  });
}

function database({ timings, seconds, database }: Figures): Section {
  const { counters, indexes, connectionsMax, activeMax, catchUp } = database;
  const rows = timings["store-rows"];
  return section("Database", {
    text: "Counters are Postgres' own over the run and what settled after it; the report's queries are in commits.",
    head: ["", ""],
    rows: [
      ["batches", `${whole(rows.count)}, ${(rows.count / seconds).toFixed(1)} a second`],
      ["payments a batch", `mean ${rows.mean.toFixed(1)}, p99 ${rows.p99.toFixed(1)}`],
      ["payments a second", (rows.mean * rows.count / seconds).toFixed(1)],
      ["one batch", `median ${ms(timings["store-write"].median)}, p99 ${ms(timings["store-write"].p99)}`],
      ["all stored after the run's end", catchUp === undefined ? "not within a minute" : `after ${ms(catchUp)}`],
      ["commits (pg_stat_database)", `${whole(counters.commits)}, ${(counters.commits / seconds).toFixed(1)} a second`],
      [
        "rows (pg_stat_user_tables)",
        `${whole(counters.rowsInserted)} inserted, ${whole(counters.rowsUpdated)} updated, ${
          whole(counters.rowsHot)
        } of ` +
        "them heap-only",
      ],
      [
        "connections of both replicas",
        `at most ${connectionsMax} open, ${activeMax} at work, of ${2 * POOL_MAX}`,
      ],
      ["scans of payment", `${whole(counters.indexScans)} by index, ${whole(counters.seqScans)} sequential`],
      ...Object.entries(indexes).map(([name, scans]) => [`index ${name}`, `${whole(scans)} scans`]),
    ],
  });
}

function processes({ processes }: Figures): Section {
  return section("Processes", {
    text:
      "Memory is the proportional set size, looked at once a second; limits and throttling are of each process's cgroup.",
    head: ["", "CPU, cores", "limit", "peak memory", "limit", "throttled periods"],
    rows: processes.map(({ name, cpuCores, limitCores, peakMiB, limitMiB, throttled }) => [
      name,
      cpuCores.toFixed(2),
      limitCores === undefined ? "none" : limitCores.toFixed(2),
      `${peakMiB.toFixed(1)} MiB`,
      limitMiB === undefined ? "none" : `${Math.round(limitMiB)} MiB`,
      throttled === undefined ? "not readable" : `${whole(throttled.periods)} (${ms(throttled.ms)})`,
    ]),
  });
}

function rules(figures: Figures): Section {
  return section("The rules", {
    text: "Every rule, whether it found something or not.",
    head: ["rule", "looks at", "threshold", "this run", ""],
    rows: RULES.map((rule) => {
      const { ms: back } = rule.measure(figures);
      return [rule.name, rule.says, ms(rule.thresholdMs), ms(back), back >= rule.thresholdMs ? "finding" : "-"];
    }),
  });
}
