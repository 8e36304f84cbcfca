/** Request bodies, read once and never further than a limit. @module */

/** Why there is no body: longer than the limit, not there in time, or the caller went away before its end. */
export type BodyFault = "too-long" | "too-slow" | "broken-off";

/** How often it is looked which bodies are late, within the time that they have. */
const LOOKS = 4;

interface Waiting {
  readonly since: number;
  readonly giveUp: (fault: "too-slow") => void;
}

/** Reads bodies of requests. One timer serves all of them, and only while one is being waited for. */
export class BodyReader {
  readonly #bytesMax: number;
  readonly #lookMs: number;
  readonly #waiting = new Set<Waiting>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #looks = 0;

  /**
   * @param bytesMax a longer body is not read to its end, nor kept
   * @param timeoutMs how long a body may take; up to a quarter more passes before that is noticed. 0: for ever
   */
  constructor(bytesMax: number, timeoutMs: number) {
    this.#bytesMax = bytesMax;
    this.#lookMs = timeoutMs / LOOKS;
  }

  /** The bytes of a body. */
  read(request: Request): Promise<Uint8Array | BodyFault> {
    if (this.#lookMs === 0) return this.#begin(request).catch(() => "broken-off");
    this.#timer ??= setInterval(() => this.#look(), this.#lookMs);
    return new Promise((resolve) => {
      const waiting = { since: this.#looks, giveUp: resolve };
      this.#waiting.add(waiting);
      const end = (body: Uint8Array | BodyFault) => {
        this.#waiting.delete(waiting);
        resolve(body);
      };
      this.#begin(request).then(end, () => end("broken-off"));
    });
  }

  #begin(request: Request): Promise<Uint8Array | BodyFault> {
    const declared = request.headers.get("content-length");
    if (declared === null) return readChunks(request.body, this.#bytesMax);
    // the server cuts a body off where its declared length ends; reading it whole costs half of reading chunks
    return Number(declared) <= this.#bytesMax ? request.bytes() : Promise.resolve("too-long");
  }

  #look(): void {
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#looks++;
    for (const waiting of this.#waiting) {
      // who came first is first; the look that is next may come at once
      if (this.#looks - waiting.since <= LOOKS) return;
      this.#waiting.delete(waiting);
      waiting.giveUp("too-slow");
    }
  }
}

async function readChunks(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array | BodyFault> {
  const bytes = new Uint8Array(bytesMax);
  let size = 0;
  for await (const chunk of body ?? []) {
    // leaving the loop cancels the stream
    if (size + chunk.length > bytesMax) return "too-long";
    bytes.set(chunk, size);
    size += chunk.length;
  }
  return bytes.subarray(0, size);
}
