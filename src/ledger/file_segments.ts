/** The log's segments as files of a folder that all replicas share. @module */
import { rmSync } from "node:fs";
import type { SegmentFile, SegmentFiles } from "./log.ts";

const NAME = /^(\d{12})\.log$/;

/** Segments in `folder`, which exists. */
export class FileSegments implements SegmentFiles {
  readonly #folder: string;
  readonly #draft: string;
  readonly #failed: (error: unknown) => void;

  /**
   * Opens nothing yet.
   *
   * @param failed called with the reason if the log was not written
   * @param writer names this writer's drafts; no other writer may have the same name
   */
  constructor(folder: string, failed: (error: unknown) => void = () => {}, writer: string = crypto.randomUUID()) {
    this.#folder = folder;
    this.#draft = `${folder}/${writer}.draft`;
    this.#failed = failed;
  }

  list(): number[] {
    const names = Array.from(Deno.readDirSync(this.#folder), ({ name }) => NAME.exec(name)?.[1]);
    return names.filter((digits) => digits !== undefined).map(Number).sort((a, b) => a - b);
  }

  create(segment: number, records: Uint8Array): boolean {
    try {
      // a killed writer left a draft that may be a link to a segment
      rmSync(this.#draft, { force: true });
      Deno.writeFileSync(this.#draft, records, { mode: 0o600 });
      // unlike a rename, a link never replaces a file that exists
      Deno.linkSync(this.#draft, this.#path(segment));
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) this.#failed(error);
      return false;
    } finally {
      try {
        rmSync(this.#draft, { force: true });
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  open(segment: number): SegmentFile | undefined {
    try {
      return new OpenFile(this.#path(segment), this.#failed);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  remove(segment: number): void {
    rmSync(this.#path(segment), { force: true });
  }

  #path(segment: number): string {
    return `${this.#folder}/${String(segment).padStart(12, "0")}.log`;
  }
}

/** Opened twice, since an append moves the offset of its file. */
class OpenFile implements SegmentFile {
  readonly #reads: Deno.FsFile;
  readonly #appends: Deno.FsFile;

  constructor(path: string, private readonly failed: (error: unknown) => void) {
    this.#reads = Deno.openSync(path);
    try {
      this.#appends = Deno.openSync(path, { append: true });
    } catch (error) {
      this.#reads.close();
      throw error;
    }
  }

  append(bytes: Uint8Array): number {
    try {
      return this.#appends.writeSync(bytes);
    } catch (error) {
      // no space, a quota, a limit on the size of files
      this.failed(error);
      return 0;
    }
  }

  read(into: Uint8Array): number {
    return this.#reads.readSync(into) ?? 0;
  }

  back(bytes: number): void {
    this.#reads.seekSync(-bytes, Deno.SeekMode.Current);
  }

  close(): void {
    this.#reads.close();
    this.#appends.close();
  }
}
