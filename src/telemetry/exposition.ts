/** What a replica has counted, as Prometheus' text: loaded when it is asked for the first time. @module */
import type { Metric, Registry } from "prom-client";
// all of the library would keep the replica busy for 70 ms, and take 6 MB
import TextRegistry from "prom-client/lib/registry.js";
import { cpuUsage } from "node:process";
import { PROCESSORS, type Reason } from "../payment/fact.ts";
import type { Observed, Vitals } from "../service/service.ts";
import type { Distribution } from "./distribution.ts";
import type { Counts, Meters, RouteMeter } from "./meters.ts";

type Labels = Readonly<Record<string, string | number>>;

/** One line: a value, or one of the lines of a histogram. */
interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}

/** What {@link Vitals.held} may be. */
const HOLDS: readonly Reason[] = ["default-refusing", "both-refusing", "default-slow", "default-full", "full"];

export class Exposition {
  readonly #registry = new TextRegistry() as Registry;
  readonly #meters: Meters;
  readonly #replica: Observed;

  constructor(meters: Meters, replica: Observed) {
    this.#meters = meters;
    this.#replica = replica;
    this.#registry.setDefaultLabels({ replica: meters.self });
    this.#http();
    this.#payments();
    this.#processors();
    this.#log();
    this.#link();
    this.#store();
    this.#process();
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #http(): void {
    const labels = ({ method, path }: RouteMeter) => ({ method, route: path });
    // a route is told of from its first request on
    const used = () => this.#meters.routes.filter(({ durations, inFlight }) => inFlight > 0 || durations.count > 0);
    this.#counter(
      "galo_http_requests_total",
      "Requests answered, by route and class of status",
      () =>
        used().flatMap((route) =>
          [2, 3, 4, 5].map((status) => sample(route.classes[status]!, { ...labels(route), status: `${status}xx` }))
        ),
    );
    this.#histogram(
      "galo_http_request_duration_seconds",
      "From a request's head to its answer's",
      () => used().map((route) => [route.durations, labels(route)]),
    );
    this.#gauge(
      "galo_http_requests_in_flight",
      "Requests that wait for their answer",
      () => used().map((route) => sample(route.inFlight, labels(route))),
    );
  }

  #payments(): void {
    const { dispatched, released, settled, waits } = this.#meters;
    const readiness = () => this.#replica.readiness();
    this.#gauge(
      "galo_queue_payments",
      "Payments in this replica's hands that wait for a call",
      () => readiness().queue,
    );
    this.#gauge(
      "galo_payments_held",
      "Payments of both replicas that this one knows, by how far they are",
      () => (["pending", "settled"] as const).map((state) => sample(readiness()[state], { state })),
    );
    this.#gauge(
      "galo_payments_rejected",
      "Payments of both replicas that both processors refused last, for a reason that does not pass by itself",
      ({ rejected }) => rejected,
    );
    this.#gauge(
      "galo_queue_held",
      "1 for the reason why that queue is not dispatched now, else 0",
      ({ held }) => HOLDS.map((reason) => sample(held === reason, { reason })),
    );
    this.#counter(
      "galo_dispatch_decisions_total",
      "Attempts that this replica bound to a processor, by reason",
      () => counts(dispatched, "reason"),
    );
    this.#counter(
      "galo_dispatch_releases_total",
      "Attempts of this replica that ended unbooked, for certain, by reason",
      () => counts(released, "reason"),
    );
    this.#counter(
      "galo_payments_settled_total",
      "Payments that this replica settled",
      () => PROCESSORS.map((processor) => sample(settled[processor], { processor })),
    );
    this.#histogram(
      "galo_dispatch_wait_seconds",
      "From a payment's acceptance to its first attempt",
      () => [[waits, {}]],
    );
  }

  #processors(): void {
    const { calls, callDurations } = this.#meters;
    const statuses = () => Object.entries(this.#replica.readiness().processors);
    this.#counter(
      "galo_processor_calls_total",
      "Calls that brought a payment, by what came of them",
      () => counts(calls, "outcome"),
    );
    this.#histogram(
      "galo_processor_call_duration_seconds",
      "From the start of such a call to its end",
      () => PROCESSORS.map((processor) => [callDurations[processor], { processor }]),
    );
    this.#gauge(
      "galo_processor_calls_in_flight",
      "Calls bound or sent and not ended",
      () => statuses().map(([processor, { inFlight }]) => sample(inFlight, { processor })),
    );
    this.#gauge(
      "galo_processor_up",
      "1 while the processor takes payments, as far as this replica knows",
      () => statuses().map(([processor, { state }]) => sample(state === "up", { processor })),
    );
    this.#gauge(
      "galo_processor_rejects_with",
      "The status with which the processor refuses one payment after the other, 0 while it does not",
      () => statuses().map(([processor, { rejectsWith = 0 }]) => sample(rejectsWith, { processor })),
    );
  }

  #log(): void {
    this.#gauge("galo_log_segments", "Segments of the log, 4 MiB each", ({ log }) => log?.segments);
    this.#gauge("galo_log_segments_max", "With so many, new payments are refused", ({ log }) => log?.segmentsMax);
  }

  #link(): void {
    this.#gauge("galo_peer_linked", "1 while the other replica is heard", ({ link }) => link?.linked);
    this.#gauge(
      "galo_peer_lag_seconds",
      "For how long the other replica has not read what it was told of, 0 when it has",
      ({ link }) => link && link.lagMs / 1_000,
    );
    this.#gauge(
      "galo_peer_silence_seconds",
      "Since the other replica was last heard",
      ({ link }) => link && link.silentMs / 1_000,
    );
    this.#counter(
      "galo_peer_sent_bytes_total",
      "Bytes sent to the other replica",
      ({ link }) => link?.bytesSent,
    );
    this.#counter(
      "galo_peer_received_bytes_total",
      "Bytes heard of the other replica",
      ({ link }) => link?.bytesReceived,
    );
  }

  #store(): void {
    const { batches, writes } = this.#meters;
    this.#gauge(
      "galo_store_up",
      "1 while the store takes what it is given",
      ({ store }) => store && this.#replica.readiness().store === "ready",
    );
    this.#gauge("galo_store_backlog_facts", "Payments whose newest fact is not stored", ({ store }) => store?.backlog);
    this.#gauge(
      "galo_store_lag_seconds",
      "Age of the oldest change that is not stored, 0 when all are",
      ({ store }) => store && store.oldestDirtyMs / 1_000,
    );
    this.#histogram("galo_store_batch_facts", "Payments in one batch", () => [[batches, {}]]);
    this.#histogram("galo_store_write_duration_seconds", "One batch until its commit", () => [[writes, {}]]);
  }

  #process(): void {
    const { loopLag, version } = this.#meters;
    this.#gauge("galo_build_info", "1, with the version that runs", () => [sample(1, { version })]);
    this.#histogram("galo_event_loop_lag_seconds", "How much later than asked a timer fires", () => [[loopLag, {}]]);
    this.#gauge("process_resident_memory_bytes", "Memory of the process", () => Deno.memoryUsage().rss);
    this.#counter("process_cpu_seconds_total", "CPU time of the process, user and system", () => {
      const { user, system } = cpuUsage();
      return (user + system) / 1e6;
    });
    this.#gauge(
      "process_start_time_seconds",
      "When the process began, in seconds since 1970",
      () => performance.timeOrigin / 1_000,
    );
  }

  #counter(name: string, help: string, read: Read): void {
    this.#add("counter", name, help, () => samples(read(this.#replica.vitals)));
  }

  #gauge(name: string, help: string, read: Read): void {
    this.#add("gauge", name, help, () => samples(read(this.#replica.vitals)));
  }

  #histogram(name: string, help: string, read: () => (readonly [Distribution, Labels])[]): void {
    this.#add("histogram", name, help, () => read().flatMap((of) => histogram(name, ...of)));
  }

  #add(type: "counter" | "gauge" | "histogram", name: string, help: string, values: () => Sample[]): void {
    const get = () => Promise.resolve({ name, help, type, values: values(), aggregator: "sum" });
    // what the registry reads of a metric: the counts themselves are elsewhere
    this.#registry.registerMetric({ name, get } as unknown as Metric);
  }
}

/** One value or several; there is no line of what is not known. */
type Read = (vitals: Vitals) => Sample[] | number | boolean | undefined;

function samples(read: ReturnType<Read>): Sample[] {
  if (Array.isArray(read)) return read;
  return read === undefined || !Number.isFinite(+read) ? [] : [sample(read)];
}

function sample(value: number | boolean, labels: Labels = {}): Sample {
  return { labels, value: +value };
}

function counts(counted: Counts, label: string): Sample[] {
  return PROCESSORS.flatMap((processor) =>
    Object.entries(counted[processor]).map(([name, value]) => sample(value, { processor, [label]: name }))
  );
}

function histogram(name: string, { bounds, counts, sum }: Distribution, labels: Labels): Sample[] {
  let below = 0;
  const buckets = Array.from(counts, (count, at) => {
    below += count;
    return { metricName: `${name}_bucket`, ...sample(below, { ...labels, le: bounds[at] ?? "+Inf" }) };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, ...sample(sum, labels) },
    { metricName: `${name}_count`, ...sample(below, labels) },
  ];
}
