/**
 * What recording a fact costs: appended to the log, read back and folded, beside a row that SQLite commits and beside a
 * round trip to the other process, which recording waited for before there was the log.
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { FileSegments } from "../src/ledger/file_segments.ts";
import { FileLedger } from "../src/ledger/file_ledger.ts";
import { positionOf } from "../src/ledger/log.ts";
import { RECORD_BYTES, RecordBuffer, type SegmentHeader } from "../src/ledger/record.ts";
import { SegmentLog } from "../src/ledger/segment_log.ts";
import type { Accepted } from "../src/payment/fact.ts";
import { readId } from "../src/payment/id.ts";
import { startRoundTrips } from "./round_trip.ts";
import { PAIR } from "../tests/support/pair.ts";

const START = Date.UTC(2026, 0, 1);
/** Memory, and where a temporary file is: a disk, on most machines. */
const FOLDERS = { "tmpfs, /dev/shm": "/dev/shm", "disk, the temporary folder": undefined };
/** After this many facts all starts over, so that no bench measures a full book. */
const FACTS_MAX = 50_000;

let next = 0;
const words = new Uint32Array(4);

/** A new payment. */
function accepted(): Accepted {
  words[3] = ++next;
  return { kind: "accepted", by: "a", id: readId(words, 0), cents: 1_990, at: START + next, doubt: false };
}

function folder(dir: string | undefined): string {
  const path = Deno.makeTempDirSync({ prefix: "galo-bench-", ...dir ? { dir } : {} });
  globalThis.addEventListener("unload", () => Deno.removeSync(path, { recursive: true }));
  return path;
}

/** Records one fact at each call. */
function recorder(dir: string | undefined): () => void {
  const files = new FileSegments(folder(dir));
  const base = { storedLog: 0, storedPosition: 0, readFrom: positionOf(1, 0) };
  const header: SegmentHeader = { kind: "header", logId: crypto.randomUUID(), segment: 1, boot: 1, base };
  files.create(1, new RecordBuffer(PAIR).write(header, 0).bytes);
  const begin = (position: number) =>
    new FileLedger(new SegmentLog({ files, boot: 1, position, gone: fail }), Math.floor(Math.random() * 2 ** 32), PAIR);
  let ledger = begin(positionOf(1, 0));
  let left = FACTS_MAX;
  return () => {
    if (left-- === 0) {
      ledger = begin(ledger.position);
      left = FACTS_MAX;
    }
    if (ledger.append(accepted()).kind !== "holds") fail("the log is full");
  };
}

function fail(why: string): never {
  throw new Error(why);
}

/** Commits one row at each call. */
function committer(dir: string | undefined): () => void {
  const database = new DatabaseSync(`${folder(dir)}/facts.db`);
  database.exec("pragma journal_mode = wal; pragma synchronous = normal; create table fact (record blob not null)");
  const insert = database.prepare("insert into fact values (?)");
  const record = new RecordBuffer(PAIR);
  return () => void insert.run(record.write(accepted(), next).bytes);
}

for (const [where, dir] of Object.entries(FOLDERS)) {
  const group = `one fact, ${where}`;
  Deno.bench("Ledger.append(): written, read back and folded", { group, baseline: true }, recorder(dir));
  Deno.bench("SQLite: a row and its commit, WAL, synchronous = normal", { group }, committer(dir));
}

const roundTrip = await startRoundTrips();
const record = new Uint8Array(RECORD_BYTES);
Deno.bench(
  "a round trip to the other process over a UNIX socket",
  { group: "one fact, sent to the peer" },
  async () => {
    await roundTrip(record);
  },
);

{
  const group = "one record in memory";
  const [written, read] = [new RecordBuffer(PAIR), new RecordBuffer(PAIR)];
  const fact = accepted();
  Deno.bench("RecordBuffer.write()", { group, baseline: true }, () => {
    written.write(fact, 1);
  });
  Deno.bench("RecordBuffer.valid, read()", { group }, () => {
    read.bytes.set(written.write(fact, 1).bytes);
    if (!read.valid) fail("it is none");
    read.read();
  });
}
