/**
 * The least router that keeps a log which both replicas read: it answers 202 once a payment is in the log, sends it to the
 * default processor, and writes what was sent to Postgres. It keeps none of Galo's promises: it checks no request, knows no
 * id again, and gives up whatever fails. What it costs, no such router saves; what Galo costs more, the promises do.
 * Its settings are Galo's.
 * @module
 */
// @ts-types="@types/pg"
import pg from "pg";
import { TURN_MS } from "../../src/routing/turns.ts";

const {
  REPLICA: self,
  LISTEN: path,
  DATA_DIR: folder,
  DATABASE_URL: database,
  PROCESSOR_DEFAULT_URL: url,
  STORE_INTERVAL_MS: storeIntervalMs,
} = Deno.env.toObject() as Record<string, string>;
/** How often the replica that does not write to Postgres reads what the other one has recorded, in milliseconds. */
const READ_MS = 200;

/** The log: records of 64 bytes, each with kind, checksum, id, time, and amount. */
const RECORD_BYTES = 64;
const [ACCEPTED, DISPATCHED, SETTLED] = [1, 2, 3];
const record = new Uint8Array(RECORD_BYTES);
const [words, numbers] = [new Uint32Array(record.buffer), new Float64Array(record.buffer)];
const buffer = new Uint8Array(512 * RECORD_BYTES);
const [readWords, readNumbers] = [new Uint32Array(buffer.buffer), new Float64Array(buffer.buffer)];
const appends = Deno.openSync(`${folder}/least`, { append: true, create: true });
const reads = Deno.openSync(`${folder}/least`);
let size = 0;

/** Payments that are not settled, by id: the kind of their last record. */
const pending = new Map<string, number>();
let unsaved: { readonly id: string; readonly cents: number; readonly at: number }[] = [];

function checksum(of: Uint32Array, from: number): number {
  let sum = 0;
  for (let i = from + 2; i < from + RECORD_BYTES / 4; i++) sum = Math.imul(sum ^ of[i]!, 0x9e3779b1);
  return sum >>> 0;
}

function append(kind: number, id: string, cents: number, at: number): void {
  const hex = id.replaceAll("-", "");
  words[0] = kind;
  for (let i = 0; i < 4; i++) words[2 + i] = parseInt(hex.slice(8 * i, 8 * i + 8), 16);
  numbers[4] = at;
  numbers[5] = cents;
  words[1] = checksum(words, 0);
  appends.writeSync(record);
  read();
}

function read(): void {
  size += reads.readSync(buffer.subarray(size)) ?? 0;
  const whole = size - size % RECORD_BYTES;
  for (let from = 0; from < whole / 4; from += RECORD_BYTES / 4) {
    if (checksum(readWords, from) !== readWords[from + 1]) throw new Error("a bad record");
    const id = [...readWords.subarray(from + 2, from + 6)].map((word) => word.toString(16).padStart(8, "0")).join("");
    const kind = readWords[from]!;
    if (kind !== SETTLED) pending.set(id, kind);
    else {
      pending.delete(id);
      if (self === "a") unsaved.push({ id, at: readNumbers[from / 2 + 4]!, cents: readNumbers[from / 2 + 5]! });
    }
  }
  buffer.copyWithin(0, whole, size);
  size -= whole;
}

interface Paid {
  readonly correlationId: string;
  readonly amount: number;
}
let waiting: Paid[] = [];
const { hostname, port, host } = new URL(url!);
const encoder = new TextEncoder();
const answer = new Uint8Array(4_096);
const idle: Deno.Conn[] = [];

async function pay({ correlationId, amount }: Paid): Promise<void> {
  const [at, cents] = [Date.now(), Math.round(100 * amount)];
  append(DISPATCHED, correlationId, cents, at);
  const body = JSON.stringify({ correlationId, amount, requestedAt: new Date(at) });
  const head = `POST /payments HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json`;
  const connection = idle.pop() ?? await Deno.connect({ hostname, port: Number(port) });
  await connection.write(encoder.encode(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
  if (await connection.read(answer) === null) return;
  idle.push(connection);
  append(SETTLED, correlationId, cents, at);
}

function payAll(): void {
  const all = waiting;
  waiting = [];
  for (const paid of all) void pay(paid);
}

if (self === "a") {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  await client.query("create table if not exists least (id uuid primary key, cents int8, at int8)");
  const text = "insert into least select * from unnest($1::uuid[], $2::int8[], $3::int8[])";
  setInterval(() => {
    const [ids, cents, times] = [
      unsaved.map(({ id }) => id),
      unsaved.map((one) => one.cents),
      unsaved.map((one) => one.at),
    ];
    unsaved = [];
    if (ids.length > 0) void client.query({ name: "write", text, values: [ids, cents, times] });
  }, Number(storeIntervalMs));
} else setInterval(read, READ_MS);

// the one before may have died
await Deno.remove(path!).catch(() => {});
const server = Deno.serve({ path: path! }, async (request) => {
  const paid: Paid = await request.json();
  append(ACCEPTED, paid.correlationId, Math.round(100 * paid.amount), Date.now());
  if (waiting.push(paid) === 1) setTimeout(payAll, TURN_MS);
  return new Response(null, { status: 202 });
});
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  Deno.exit(0);
});
