/** What the death of a machine leaves of a log: files that end anywhere, and another boot. @module */
import { FileSegments } from "../../src/ledger/file_segments.ts";
import { RECORD_BYTES, RecordBuffer } from "../../src/ledger/record.ts";
import { readHeader } from "../../src/ledger/segment_log.ts";
import type { Random } from "../../src/clock.ts";
import { PAIR } from "../support/pair.ts";

/** What is left. */
export const DAMAGES = ["all of it", "nothing", "all up to a byte", "some of each segment"] as const;
export type Damage = typeof DAMAGES[number];

/** Ends the newest segment and begins the next one, as a replica does with a full one. */
export function rotate(folder: string): void {
  const files = new FileSegments(folder);
  const segment = files.list().at(-1)!;
  const file = files.open(segment)!;
  const header = readHeader(file, segment, new RecordBuffer(PAIR))!;
  const next = new RecordBuffer(PAIR).write({ ...header, segment: segment + 1, base: null }, 0);
  if (files.create(segment + 1, next.bytes)) file.append(new RecordBuffer(PAIR).write({ kind: "sealed" }, 0).bytes);
  file.close();
}

/** Damages a log whose writers are dead as a machine's death may, and makes it one of an earlier boot. */
export function damage(folder: string, kind: Damage, random: Random): void {
  const files = new FileSegments(folder);
  const sizeOf = (segment: number) => Deno.statSync(pathOf(folder, segment)).size;
  const anywhere = (size: number) => Math.floor(random() * (size + 1));
  switch (kind) {
    case "all of it":
      break;
    case "nothing":
      return Deno.removeSync(folder, { recursive: true });
    case "all up to a byte": {
      const sizes = files.list().map((segment) => [segment, sizeOf(segment)] as const);
      const total = sizes.reduce((sum, [, size]) => sum + size, 0);
      // often only the newest records are lost, as on a disk that keeps up
      const reach = random() < 0.5 ? total : Math.min(total, 50 * RECORD_BYTES);
      let left = total - anywhere(reach);
      for (const [segment, size] of sizes) {
        if (left === 0) files.remove(segment);
        else Deno.truncateSync(pathOf(folder, segment), Math.min(size, left));
        left -= Math.min(size, left);
      }
      break;
    }
    case "some of each segment":
      for (const segment of files.list()) {
        const size = sizeOf(segment);
        const path = pathOf(folder, segment);
        const chance = random();
        if (chance < 0.1) files.remove(segment);
        else if (chance < 0.4) Deno.truncateSync(path, anywhere(size));
        else if (chance < 0.6) {
          // the file's length was on the disk, and its last bytes were not
          Deno.truncateSync(path, anywhere(size));
          Deno.truncateSync(path, size);
        }
      }
      break;
  }
  for (const segment of files.list()) reboot(files, folder, segment);
}

/** Marks a segment as one of another boot. */
function reboot(files: FileSegments, folder: string, segment: number): void {
  const file = files.open(segment)!;
  const header = readHeader(file, segment, new RecordBuffer(PAIR), 0);
  file.close();
  if (!header) return;
  using written = Deno.openSync(pathOf(folder, segment), { write: true });
  written.writeSync(new RecordBuffer(PAIR).write({ ...header, boot: header.boot + 1 }, 0).bytes);
}

function pathOf(folder: string, segment: number): string {
  return `${folder}/${String(segment).padStart(12, "0")}.log`;
}
