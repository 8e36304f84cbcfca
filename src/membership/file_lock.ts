/** Locks as files in a folder that both replicas share: the kernel drops a lock at its holder's death, not at a pause. @module */
import type { HeldLock, Lock } from "./lock.ts";

/** The longest note, with the line feed that ends it. */
const NOTE_BYTES_MAX = 256;

/** `flock` on `${folder}/${name}.lock`. */
export class FileLock implements Lock {
  constructor(private readonly folder: string) {}

  /** @throws where the folder is missing or the file may not be opened */
  tryAcquire(name: string): HeldLock | undefined {
    const file = Deno.openSync(`${this.folder}/${name}.lock`, { create: true, read: true, write: true, mode: 0o600 });
    // every open file has a lock of its own, so this process cannot hold it twice either
    if (file.tryLockSync(true)) return new HeldFile(file);
    file.close();
    return undefined;
  }
}

class HeldFile implements HeldLock {
  readonly left: string;
  #note: string;

  constructor(private readonly file: Deno.FsFile) {
    const buffer = new Uint8Array(NOTE_BYTES_MAX);
    const length = file.readSync(buffer) ?? 0;
    this.left = new TextDecoder().decode(buffer.subarray(0, length)).split("\n", 1)[0]!;
    this.#note = this.left;
  }

  write(note: string): void {
    if (note === this.#note) return;
    // one write with its own end: who is killed before the old note's rest is cut off leaves this note, not a mixture
    const bytes = new TextEncoder().encode(`${note}\n`);
    if (note.includes("\n") || bytes.length > NOTE_BYTES_MAX) throw new Error(`invariant: no note: ${note}`);
    this.file.seekSync(0, Deno.SeekMode.Start);
    this.file.writeSync(bytes);
    this.file.truncateSync(bytes.length);
    this.#note = note;
  }

  release(): void {
    this.write("");
    this.file.close();
  }
}
