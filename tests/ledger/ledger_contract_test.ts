/** Every kind of ledger, on every kind of log, keeps one contract. @module */
import assert from "node:assert/strict";
import type { Cancel, Clock } from "../../src/clock.ts";
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import { FileSegments } from "../../src/ledger/file_segments.ts";
import { positionOf, type SegmentFiles } from "../../src/ledger/log.ts";
import { RecordBuffer } from "../../src/ledger/record.ts";
import { SegmentLog } from "../../src/ledger/segment_log.ts";
import type { Stream } from "../../src/ledger/stream.ts";
import { ALL, StreamLedger } from "../../src/ledger/stream_ledger.ts";
import { Nats } from "../../src/nats/connection.ts";
import { JetStreams, keysOf } from "../../src/nats/streams.ts";
import { Book } from "../../src/payment/book.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import { systemClock } from "../../src/system_clock.ts";
import { Engine } from "../simulation/engine.ts";
import { Life } from "../simulation/life.ts";
import { drawPlan, FAULT_KINDS } from "../simulation/plan.ts";
import { Prng } from "../simulation/prng.ts";
import { World } from "../simulation/world.ts";
import { NatsServers, needsNats } from "../support/nats_servers.ts";
import { needs } from "../support/permissions.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { until } from "../support/until.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { ledgerContract, type LedgerHome, TRIO } from "./ledger_contract.ts";
import { begin, BOOT, REREADS } from "./side.ts";

/** Few enough that a log goes on in another segment, and enough for a checkpoint. */
const SEGMENT_RECORDS = 100;
const BYTES_MAX = 1 << 22;

const randomNonce = () => Math.floor(Math.random() * 2 ** 32);
const fail = (error: unknown) => {
  throw error;
};

/** Ledgers on segments; `make` begins with none, and gives one process' way to them. */
function onSegments(make: () => (by: ReplicaId) => SegmentFiles, end = () => {}): LedgerHome {
  let files: (by: ReplicaId) => SegmentFiles;
  const logs: SegmentLog[] = [];
  const leave = () => logs.splice(0).forEach((log) => log.close());
  return {
    begin() {
      leave();
      files = make();
      return Promise.resolve(begin(files("a")));
    },
    open(by) {
      const log = new SegmentLog({
        ...{ files: files(by), boot: BOOT, position: positionOf(1, 0), gone: (why) => assert.fail(why) },
        ...{ rereads: REREADS, segmentRecords: SEGMENT_RECORDS },
      });
      logs.push(log);
      return Promise.resolve(new FileLedger(log, randomNonce(), TRIO));
    },
    [Symbol.asyncDispose]() {
      leave();
      return Promise.resolve(end());
    },
  };
}

/** How a stream is made, and opened as one host. */
interface Streaming extends AsyncDisposable {
  readonly clock: Clock;
  create(): Promise<unknown>;
  open(host: number): Promise<Stream>;
}

/** Ledgers on a stream that begins with a barrier, as the first of a cluster does. */
function onStream(streaming: Streaming): LedgerHome {
  const opened: { readonly stream: Stream; readonly ledger: StreamLedger }[] = [];
  const leave = async () => {
    for (const { stream, ledger } of opened.splice(0)) {
      ledger.close();
      await stream.close();
    }
  };
  return {
    async begin() {
      await leave();
      await streaming.create();
      const stream = await streaming.open(0);
      const { bytes } = new RecordBuffer(TRIO).write({ kind: "barrier" }, randomNonce());
      await until(async () => (await stream.publish(ALL, bytes, 0)).kind !== "unknown");
      await stream.close();
    },
    async open(by) {
      const stream = await streaming.open(TRIO.codeOf(by));
      const ledger = new StreamLedger({
        ...{ stream, clock: streaming.clock, random: () => 0.5, roster: TRIO, nonce: randomNonce() },
        ...{ position: 1, base: 1, book: new Book(), hash: 0, lost: (why: string) => assert.fail(why) },
      });
      opened.push({ stream, ledger });
      return ledger;
    },
    async [Symbol.asyncDispose]() {
      await leave();
      await streaming[Symbol.asyncDispose]();
    },
  };
}

ledgerContract("a FileLedger on files", () => {
  const folder = new TempFolder();
  const make = () => {
    const path = Deno.makeTempDirSync({ dir: folder.path });
    return () => new FileSegments(path);
  };
  return Promise.resolve(onSegments(make, () => folder[Symbol.dispose]()));
}, needs("read", "write"));

ledgerContract("a FileLedger on the simulation's disk", () => {
  let lives = 0;
  const make = () => {
    const world = new World({ ...drawPlan(1, { without: FAULT_KINDS }), replicas: 2, store: true }, false);
    return (by: ReplicaId) => world.disk.of(new Life(by, ++lives, () => {}));
  };
  return Promise.resolve(onSegments(make));
});

ledgerContract("a StreamLedger on the simulation's engine", () => {
  const clock = new VirtualClock();
  const running = clock.running();
  const same = (_: string, value: number) => value;
  // answers are lost, so what stands is published again
  const faults = { wayMs: 1, lost: 0, late: 0, ackLost: 0.1, busy: 0.1, stale: 0, survives: 1 };
  const engine = new Engine({ clock, fault: same, saw: same, committed() {} }, new Prng(1), faults);
  const life = new Life("a", 1, () => {});
  return Promise.resolve(onStream({
    clock,
    create: () => Promise.resolve(engine.create(1)),
    open: (host) => Promise.resolve(engine.open(life, host)),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }));
});

ledgerContract("a StreamLedger on three NATS servers, each host connected to its own", async () => {
  const servers = await NatsServers.start({ count: 3 });
  const connect = (server: string) => Nats.connect({ servers: [server], tls: false }, "test", fail);
  const hosts = await Promise.all(servers.addresses.map(connect));
  const streams = hosts.map((nats) => new JetStreams(nats, keysOf(nats), BYTES_MAX));
  // a ledger that is closed leaves its last timer to the end of its process
  const timers: Cancel[] = [];
  const after: Clock["after"] = (...timer) => timers[timers.push(systemClock.after(...timer)) - 1]!;
  return onStream({
    clock: { ...systemClock, after },
    create: async () => await streams[0]!.begin(1, (await streams[0]!.current())?.id),
    open: async (host) => (await streams[host]!.current())!,
    async [Symbol.asyncDispose]() {
      for (const cancel of timers) cancel();
      await Promise.all(hosts.map((nats) => nats.close()));
      await servers[Symbol.asyncDispose]();
    },
  });
}, needsNats);
