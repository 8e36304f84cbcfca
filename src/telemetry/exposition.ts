/** What a replica has counted, as Prometheus' text: loaded when it is asked for the first time. @module */
import type { Metric, Registry } from "prom-client";
// all of the library would keep the replica busy for 70 ms, and take 6 MB
import TextRegistry from "prom-client/lib/registry.js";
import { cpuUsage } from "node:process";
import { PROCESSORS, type Reason } from "../payment/fact.ts";
import type { Vitals } from "./metrics.ts";
import type { Payments } from "../api/service.ts";
import type { Distribution } from "./distribution.ts";
import type { Counts, Meters } from "./meters.ts";

type Labels = Readonly<Record<string, string | number>>;

/** One line: a value, or one of the lines of a histogram. */
interface Sample {
  readonly labels?: Labels;
  readonly value: number;
  readonly metricName?: string;
}

/** What {@link Vitals.held} may be. */
const HOLDS: readonly Reason[] = ["default-refusing", "both-refusing", "default-slow", "default-full", "full"];

type Type = "counter" | "gauge" | "histogram";

export class Exposition {
  readonly #registry = new TextRegistry() as Registry;

  /** @param version of the program */
  constructor(meters: Meters, payments: Payments, vitals: () => Vitals, version: string) {
    this.#registry.setDefaultLabels({ replica: payments.readiness().replica });
    this.#add("gauge", "galo_build_info", "1, with the version that runs", () => one(1, { version }));
    this.#http(meters);
    this.#payments(meters, payments, vitals);
    this.#processors(meters, payments);
    this.#log(vitals);
    this.#gossip(vitals);
    this.#store(meters, vitals);
    this.#process(meters);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #http({ routes }: Meters): void {
    const labels = ({ method, path }: typeof routes[number]) => ({ method, route: path });
    // a route is told of from its first request on
    const used = () => routes.filter(({ durations, inFlight }) => inFlight > 0 || durations.count > 0);
    this.#add(
      "counter",
      "galo_http_requests_total",
      "Requests answered, by route and class of status",
      () =>
        used().flatMap((route) =>
          [2, 3, 4, 5].map((status) => ({
            labels: { ...labels(route), status: `${status}xx` },
            value: route.classes[status]!,
          }))
        ),
    );
    this.#add(
      "histogram",
      "galo_http_request_duration_seconds",
      "From a request's head to its answer's",
      (name) => used().flatMap((route) => histogram(name, route.durations, labels(route))),
    );
    this.#add(
      "gauge",
      "galo_http_requests_in_flight",
      "Requests that wait for their answer",
      () => used().map((route) => ({ labels: labels(route), value: route.inFlight })),
    );
  }

  #payments({ dispatched, released, settled, distributions }: Meters, payments: Payments, vitals: () => Vitals): void {
    this.#add(
      "gauge",
      "galo_queue_payments",
      "Payments in this replica's hands that wait for a call",
      () => one(payments.readiness().queue),
    );
    this.#add(
      "gauge",
      "galo_payments_held",
      "Payments of both replicas that this one knows, by how far they are",
      () => {
        const { pending, settled } = payments.readiness();
        return [{ labels: { state: "pending" }, value: pending }, { labels: { state: "settled" }, value: settled }];
      },
    );
    this.#add("gauge", "galo_queue_held", "1 for the reason why that queue is not dispatched now, else 0", () => {
      const { held } = vitals();
      return HOLDS.map((reason) => ({ labels: { reason }, value: +(held === reason) }));
    });
    this.#add(
      "counter",
      "galo_dispatch_decisions_total",
      "Attempts that this replica bound to a processor, by reason",
      () => counts(dispatched, "reason"),
    );
    this.#add(
      "counter",
      "galo_dispatch_releases_total",
      "Attempts of this replica that ended unbooked, for certain, by reason",
      () => counts(released, "reason"),
    );
    this.#add(
      "counter",
      "galo_payments_settled_total",
      "Payments that this replica settled",
      () => PROCESSORS.map((processor) => ({ labels: { processor }, value: settled[processor] })),
    );
    this.#add(
      "histogram",
      "galo_dispatch_wait_seconds",
      "From a payment's acceptance to its first attempt",
      (name) => histogram(name, distributions["route-wait"]),
    );
  }

  #processors({ calls, callDurations }: Meters, payments: Payments): void {
    const statuses = () => payments.readiness().processors;
    this.#add(
      "counter",
      "galo_processor_calls_total",
      "Calls that brought a payment, by what came of them",
      () => counts(calls, "outcome"),
    );
    this.#add(
      "histogram",
      "galo_processor_call_duration_seconds",
      "From the start of such a call to its end",
      (name) => PROCESSORS.flatMap((processor) => histogram(name, callDurations[processor], { processor })),
    );
    this.#add(
      "gauge",
      "galo_processor_calls_in_flight",
      "Calls bound or sent and not ended",
      () => PROCESSORS.map((processor) => ({ labels: { processor }, value: statuses()[processor].inFlight })),
    );
    this.#add(
      "gauge",
      "galo_processor_up",
      "1 while the processor takes payments, as far as this replica knows",
      () => PROCESSORS.map((processor) => ({ labels: { processor }, value: +(statuses()[processor].state === "up") })),
    );
  }

  #log(vitals: () => Vitals): void {
    const add = (name: string, help: string, read: (log: NonNullable<Vitals["log"]>) => number) =>
      this.#add("gauge", name, help, () => {
        const { log } = vitals();
        return log ? one(read(log)) : [];
      });
    add("galo_log_segments", "Segments of the log, 4 MiB each", ({ segments }) => segments);
    add("galo_log_segments_max", "With so many, new payments are refused", ({ segmentsMax }) => segmentsMax);
  }

  #gossip(vitals: () => Vitals): void {
    const add = (type: Type, name: string, help: string, read: (gossip: NonNullable<Vitals["gossip"]>) => number) =>
      this.#add(type, name, help, () => {
        const { gossip } = vitals();
        const value = gossip && read(gossip);
        return value !== undefined && Number.isFinite(value) ? one(value) : [];
      });
    add("gauge", "galo_gossip_linked", "1 while the other replica is heard", ({ linked }) => +linked);
    add(
      "gauge",
      "galo_gossip_lag_seconds",
      "For how long the other replica has not read what it was told of, 0 when it has",
      ({ lagMs }) => lagMs / 1_000,
    );
    add(
      "gauge",
      "galo_gossip_silence_seconds",
      "Since the other replica was last heard",
      ({ silentMs }) => silentMs / 1_000,
    );
    add("counter", "galo_gossip_sent_bytes_total", "Bytes sent to the other replica", ({ bytesSent }) => bytesSent);
    add(
      "counter",
      "galo_gossip_received_bytes_total",
      "Bytes heard of the other replica",
      ({ bytesReceived }) => bytesReceived,
    );
  }

  #store({ distributions }: Meters, vitals: () => Vitals): void {
    const add = (name: string, help: string, read: (store: NonNullable<Vitals["store"]>) => number) =>
      this.#add("gauge", name, help, () => {
        const { store } = vitals();
        return store ? one(read(store)) : [];
      });
    add("galo_store_up", "1 while the store takes what it is given", ({ state }) => +(state === "ready"));
    add("galo_store_backlog_facts", "Payments whose newest fact is not stored", ({ backlog }) => backlog);
    add(
      "galo_store_lag_seconds",
      "Age of the oldest change that is not stored, 0 when all are",
      ({ oldestDirtyMs }) => oldestDirtyMs / 1_000,
    );
    this.#add(
      "histogram",
      "galo_store_batch_facts",
      "Payments in one batch",
      (name) => histogram(name, distributions["store-rows"]),
    );
    this.#add(
      "histogram",
      "galo_store_write_duration_seconds",
      "One batch until its commit",
      (name) => histogram(name, distributions["store-write"]),
    );
  }

  #process({ distributions }: Meters): void {
    this.#add(
      "histogram",
      "galo_event_loop_lag_seconds",
      "How much later than asked a timer fires",
      (name) => histogram(name, distributions["loop-lag"]),
    );
    this.#add("gauge", "process_resident_memory_bytes", "Memory of the process", () => one(Deno.memoryUsage().rss));
    this.#add("counter", "process_cpu_seconds_total", "CPU time of the process, user and system", () => {
      const { user, system } = cpuUsage();
      return one((user + system) / 1e6);
    });
    this.#add(
      "gauge",
      "process_start_time_seconds",
      "When the process began, in seconds since 1970",
      () => one(performance.timeOrigin / 1_000),
    );
  }

  #add(type: Type, name: string, help: string, samples: (name: string) => Sample[]): void {
    const get = () => Promise.resolve({ name, help, type, values: samples(name), aggregator: "sum" });
    // what the registry reads of a metric: the counts themselves are elsewhere
    this.#registry.registerMetric({ name, get } as unknown as Metric);
  }
}

function one(value: number, labels: Labels = {}): Sample[] {
  return [{ labels, value }];
}

function counts(counted: Counts, label: string): Sample[] {
  return PROCESSORS.flatMap((processor) =>
    Object.entries(counted[processor]).map(([name, value]) => ({ labels: { processor, [label]: name }, value }))
  );
}

function histogram(name: string, { bounds, counts, sum }: Distribution, labels: Labels = {}): Sample[] {
  let below = 0;
  const buckets = Array.from(counts, (count, at) => {
    below += count;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[at] ?? "+Inf" }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}
