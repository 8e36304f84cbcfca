/** Every kind of ledger, on every kind of log, keeps one contract. @module */
import assert from "node:assert/strict";
import type { Cancel, Clock } from "../../src/clock.ts";
import { FileLedger } from "../../src/ledger/file_ledger.ts";
import { FileSegments } from "../../src/ledger/file_segments.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
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
class FileHome implements LedgerHome {
  #files: (by: ReplicaId) => SegmentFiles = fail;
  #logs: SegmentLog[] = [];

  constructor(private readonly make: () => (by: ReplicaId) => SegmentFiles, private readonly end = () => {}) {}

  begin(): Promise<void> {
    for (const log of this.#logs.splice(0)) log.close();
    this.#files = this.make();
    begin(this.#files("a"));
    return Promise.resolve();
  }

  open(by: ReplicaId): Promise<Ledger> {
    const log = new SegmentLog({
      ...{ files: this.#files(by), boot: BOOT, position: positionOf(1, 0), gone: (why) => assert.fail(why) },
      ...{ rereads: REREADS, segmentRecords: SEGMENT_RECORDS },
    });
    this.#logs.push(log);
    return Promise.resolve(new FileLedger(log, randomNonce(), TRIO));
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const log of this.#logs.splice(0)) log.close();
    return Promise.resolve(this.end());
  }
}

/** How a stream is made, and opened as one host. */
interface StreamMaker extends AsyncDisposable {
  readonly clock: Clock;
  create(): Promise<void>;
  open(host: number): Promise<Stream>;
}

/** Ledgers on a stream that begins with a barrier, as the first of a cluster does. */
class StreamHome implements LedgerHome {
  #opened: { readonly stream: Stream; readonly ledger: StreamLedger }[] = [];

  constructor(private readonly maker: StreamMaker) {}

  async begin(): Promise<void> {
    await this.#leave();
    await this.maker.create();
    const stream = await this.maker.open(0);
    const { bytes } = new RecordBuffer(TRIO).write({ kind: "barrier" }, randomNonce());
    while ((await stream.publish(ALL, bytes, 0)).kind === "unknown");
    await stream.close();
  }

  async open(by: ReplicaId): Promise<Ledger> {
    const stream = await this.maker.open(TRIO.codeOf(by));
    const ledger = new StreamLedger({
      ...{ stream, clock: this.maker.clock, random: Math.random, roster: TRIO, nonce: randomNonce() },
      ...{ position: 1, base: 1, book: new Book(), hash: 0, lost: (why: string) => assert.fail(why) },
    });
    this.#opened.push({ stream, ledger });
    return ledger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave();
    await this.maker[Symbol.asyncDispose]();
  }

  async #leave(): Promise<void> {
    for (const { stream, ledger } of this.#opened.splice(0)) {
      ledger.close();
      await stream.close();
    }
  }
}

ledgerContract("a FileLedger on files", () => {
  const folder = new TempFolder();
  let logs = 0;
  const make = () => {
    const path = `${folder.path}/${logs++}`;
    Deno.mkdirSync(path);
    return () => new FileSegments(path);
  };
  return Promise.resolve(new FileHome(make, () => folder[Symbol.dispose]()));
}, needs("read", "write"));

ledgerContract("a FileLedger on the simulation's disk", () => {
  let lives = 0;
  const make = () => {
    const plan = drawPlan(1, { without: FAULT_KINDS });
    const world = new World({ ...plan, replicas: 2, store: true }, false);
    return (by: ReplicaId) => world.disk.of(new Life(by, ++lives, () => {}));
  };
  return Promise.resolve(new FileHome(make));
});

ledgerContract("a StreamLedger on the simulation's engine", () => {
  const clock = new VirtualClock();
  const running = clock.running();
  const same = (_: string, value: number) => value;
  // answers are lost, so what stands is published again
  const faults = { wayMs: 1, lost: 0, late: 0, ackLost: 0.1, busy: 0.1, stale: 0, survives: 1 };
  const engine = new Engine({ clock, fault: same, saw: same, committed() {} }, new Prng(1), faults);
  const life = new Life("a", 1, () => {});
  const maker: StreamMaker = {
    clock,
    create: () => Promise.resolve(void engine.create(1)),
    open: (host) => Promise.resolve(engine.open(life, host)),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
  return Promise.resolve(new StreamHome(maker));
});

/** Three servers; each host is connected to its own. */
async function threeServers(): Promise<StreamMaker> {
  const servers = await NatsServers.start({ count: 3 });
  const connect = (server: string) => Nats.connect({ servers: [server], tls: false }, "test", fail);
  const hosts = await Promise.all(servers.addresses.map(connect));
  const streams = hosts.map((nats) => new JetStreams(nats, keysOf(nats), BYTES_MAX));
  const timers = new Set<Cancel>();
  return {
    clock: {
      ...systemClock,
      after(ms, action) {
        const cancel = systemClock.after(ms, action);
        timers.add(cancel);
        return cancel;
      },
    },
    async create() {
      const [first] = streams;
      await first!.begin(1, (await first!.current())?.id);
    },
    open: async (host) => (await streams[host]!.current())!,
    async [Symbol.asyncDispose]() {
      for (const cancel of timers) cancel();
      await Promise.all(hosts.map((nats) => nats.close()));
      await servers[Symbol.asyncDispose]();
    },
  };
}

ledgerContract(
  "a StreamLedger on three NATS servers",
  async () => new StreamHome(await threeServers()),
  needsNats,
);
