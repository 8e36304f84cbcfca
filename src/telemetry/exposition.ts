/** The state of a replica at the moment of a scrape, in Prometheus' text format. @module */
import { cpuUsage } from "node:process";
import { PROCESSORS } from "../payment/fact.ts";
import { HOLDS } from "../routing/route.ts";
import type { Readiness } from "../service/readiness.ts";
import type { Service, Vitals } from "../service/service.ts";
import { Counter, Gauge, Registry } from "./prometheus.ts";

/** An unknown value has no line. */
type Value = number | boolean | undefined;
type Values = readonly (readonly [labels: Readonly<Record<string, string>>, value: Value])[];
type PeerLink = NonNullable<Vitals["links"]>["all"][number];
type Tell = (name: string, help: string, values: Value | Values) => void;

/** The state of a replica now. @param inFlight requests that wait for their answer, by route */
export function tellNow(replica: Service, self: string, version: string, inFlight: Values): Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ replica: self });
  const teller = (Kind: typeof Counter | typeof Gauge): Tell => (name, help, of) => {
    const values: Values = typeof of === "object" ? of : [[{}, of]];
    const known = values.filter(([, value]) => Number.isFinite(Number(value)));
    if (known.length === 0) return;
    const labelNames = Object.keys(known[0]![0]);
    const metric = new Kind({ name, help, labelNames, registers: [registry] });
    for (const [labels, value] of known) metric.inc(labels, Number(value));
  };
  const [counter, gauge] = [teller(Counter), teller(Gauge)];
  gauge("galo_http_requests_in_flight", "Requests that wait for their answer", inFlight);
  payments(gauge, replica);
  parts(gauge, counter, replica);
  const { user, system } = cpuUsage();
  gauge("galo_build_info", "1, with the version that runs", [[{ version }, 1]]);
  gauge("process_resident_memory_bytes", "Memory of the process", Deno.memoryUsage().rss);
  counter("process_cpu_seconds_total", "CPU time of the process, user and system", (user + system) / 1e6);
  gauge("process_start_time_seconds", "When the process began, since 1970", performance.timeOrigin / 1_000);
  return registry.metrics();
}

function payments(gauge: Tell, replica: Service): void {
  const { queue, pending, settled, processors } = replica.readiness();
  const { dispatcher, memoryUse } = replica.vitals;
  const known: Values = [[{ state: "pending" }, pending], [{ state: "settled" }, settled]];
  const why = HOLDS.map((reason) => [{ reason }, dispatcher?.held === reason] as const);
  const each = (read: (of: Readiness["processors"]["default"]) => Value) =>
    PROCESSORS.map((processor) => [{ processor }, read(processors[processor])] as const);
  gauge("galo_queue_payments", "Payments in this replica's hands that wait for a call", queue);
  gauge("galo_payments_held", "Payments of all replicas that this one knows, by how far they are", known);
  gauge(
    "galo_payments_memory_ratio",
    "Part of the memory for payments that is taken: at 1 new ones are refused",
    memoryUse,
  );
  gauge("galo_payments_rejected", "Payments that both processors rejected", dispatcher?.rejected);
  gauge("galo_queue_held", "1 for the reason why that queue is not dispatched now, else 0", why);
  gauge("galo_processor_calls_in_flight", "Calls bound or sent and not ended", each((of) => of.inFlight));
  const rejects = each((of) => of.rejectsWith ?? 0);
  gauge("galo_processor_rejects_with", "The status with which it refuses one payment after the other, or 0", rejects);
  const up = each((of) => of.state === "up");
  gauge("galo_processor_up", "1 while the processor takes payments, as far as this replica knows", up);
}

/** The log, the peers and the store. */
function parts(gauge: Tell, counter: Tell, replica: Service): void {
  const { retention, links, projector } = replica.vitals;
  const seconds = (ms: number | undefined) => ms === undefined ? undefined : ms / 1_000;
  const up = projector && replica.readiness().store === "ready";
  gauge("galo_log_segments", "Segments of the log, 4 MiB each", retention?.segments);
  gauge("galo_log_segments_max", "With more, new payments are refused", retention?.segmentsMax);
  const each = (read: (of: PeerLink) => Value) =>
    (links?.all ?? []).map((link) => [{ peer: link.peer }, read(link)] as const);
  gauge("galo_peer_linked", "1 while that replica is heard", each(({ linked }) => linked));
  gauge(
    "galo_peer_lag_seconds",
    "How long that replica has not read all it was sent",
    each(({ lagMs }) => seconds(lagMs)),
  );
  gauge("galo_peer_silence_seconds", "Since that replica was last heard", each(({ silentMs }) => seconds(silentMs)));
  counter("galo_peer_sent_bytes_total", "Bytes sent to other replicas", links?.bytesSent);
  counter("galo_peer_received_bytes_total", "Bytes heard of other replicas", links?.bytesReceived);
  gauge("galo_store_up", "1 while the store takes what it is given", up);
  gauge("galo_store_backlog_payments", "Payments whose newest fact is not stored", projector?.unsaved);
  gauge("galo_store_lag_seconds", "Age of the oldest change that is not stored", seconds(projector?.oldestUnsavedMs));
}
