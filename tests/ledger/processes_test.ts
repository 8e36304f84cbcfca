/** Real processes on one log, of which one is killed again and again. @module */
import assert from "node:assert/strict";
import { FileSegments } from "../../src/ledger/file_segments.ts";
import { RECORD_BYTES, RecordBuffer } from "../../src/ledger/record.ts";
import { needs } from "../support/permissions.ts";
import { end, FACTS } from "./log_writer.ts";
import { begin, Side } from "./side.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { PAIR } from "../support/pair.ts";

/** How often a process is killed. */
const KILLS = 5;

/** A process that records facts. */
class Writer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #text = "";

  constructor(folder: string, replica: string) {
    const script = new URL("log_writer.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--no-check", script, folder, replica];
    this.#child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stdin = this.#child.stdin.getWriter();
  }

  async line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#lines.read();
      assert.equal(done, false, "the process ended");
      this.#text += value;
    }
    const [line, ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return line!;
  }

  /** Its state at the end of the log. */
  async end(): Promise<string> {
    await this.#stdin.write(new Uint8Array(1));
    return await this.line();
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill().catch(() => {/* dead already */});
    await this.#lines.cancel();
    await this.#stdin.abort().catch(() => {});
  }
}

/** Asserts that a segment holds whole records and nothing else. @returns how many */
function wholeRecords(path: string): number {
  const bytes = Deno.readFileSync(path);
  assert.equal(bytes.length % RECORD_BYTES, 0, path);
  const record = new RecordBuffer(PAIR);
  for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
    record.bytes.set(bytes.subarray(at, at + RECORD_BYTES));
    assert.equal(record.valid, true, `${path} at ${at}`);
  }
  return bytes.length / RECORD_BYTES;
}

Deno.test(
  "processes that append at once, one of them killed again and again, tear no record and read the same order",
  needs("run", "read", "write"),
  async () => {
    using temp = new TempFolder();
    const folder = temp.path;
    const files = new FileSegments(folder);
    begin(files);
    await using a = new Writer(folder, "a");
    await using b = new Writer(folder, "b");
    for (let kill = 0; kill < KILLS; kill++) {
      await using killed = new Writer(folder, "a");
      assert.equal(await killed.line(), "writes");
      await killed.kill();
    }
    for (const writer of [a, b]) assert.deepEqual([await writer.line(), await writer.line()], ["writes", "wrote"]);
    using reader = new Side(files, 0, { rereads: 20_000 });
    reader.ledger.catchUp();
    const expected = end(reader);
    assert.deepEqual([await a.end(), await b.end()], [expected, expected]);
    const records = files.list().map((segment) => wholeRecords(`${folder}/${String(segment).padStart(12, "0")}.log`));
    assert.ok(reader.told.length >= 2 * FACTS + KILLS, `${reader.told.length} facts`);
    assert.ok(records.length >= reader.told.length / 1_100, `${records.length} segments`);
  },
);
