/** Request bodies, read once and never further than a limit. @module */

/** The problem where there is no body: it is too long, not there in time, or the caller went away before its end. */
type BodyFault = "body-too-long" | "body-too-slow" | "malformed-body";

/** How often it is looked which bodies are late, within the time that they have. */
const LOOKS = 4;

/** Reads bodies of requests. One timer serves all of them, and only while one is being waited for. */
export class BodyReader {
  /** what each body is when it is late, and how often it was looked at */
  readonly #waiting = new Map<(fault: "body-too-slow") => void, number>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param bytesMax a longer body is not read to its end, nor kept
   * @param timeoutMs how long a body may take; up to a quarter more passes before that is noticed. 0: for ever
   */
  constructor(private readonly bytesMax: number, private readonly timeoutMs: number) {}

  /** The bytes of a body. */
  read(request: Request): Promise<Uint8Array | BodyFault> {
    const body = this.#begin(request).catch(() => "malformed-body" as const);
    if (this.timeoutMs === 0) return body;
    this.#timer ??= setInterval(() => this.#look(), this.timeoutMs / LOOKS);
    return new Promise((resolve) => {
      this.#waiting.set(resolve, 0);
      body.then((end) => {
        this.#waiting.delete(resolve);
        resolve(end);
      });
    });
  }

  #begin(request: Request): Promise<Uint8Array | BodyFault> {
    const declared = request.headers.get("content-length");
    if (declared === null) return readChunks(request, this.bytesMax);
    if (Number(declared) > this.bytesMax) return Promise.resolve("body-too-long");
    // who ends its side of a TCP connection with the body breaks off what is read whole, which costs half of reading
    // chunks; the server cuts a body off where its declared length ends
    return request.url.startsWith("http:") ? readChunks(request, this.bytesMax, Number(declared)) : request.bytes();
  }

  #look(): void {
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    for (const [giveUp, looks] of this.#waiting) {
      if (looks < LOOKS) this.#waiting.set(giveUp, looks + 1);
      else {
        this.#waiting.delete(giveUp);
        giveUp("body-too-slow");
      }
    }
  }
}

/** @param length that was declared, in bytes */
async function readChunks({ body }: Request, bytesMax: number, length = Infinity): Promise<Uint8Array | BodyFault> {
  const bytes = new Uint8Array(bytesMax);
  let size = 0;
  for await (const chunk of body ?? []) {
    // leaving the loop cancels the stream
    if (size + chunk.length > bytesMax) return "body-too-long";
    bytes.set(chunk, size);
    size += chunk.length;
    if (size >= length) break;
  }
  return bytes.subarray(0, size);
}
