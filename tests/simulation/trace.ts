/** What happened: always as a hash, and as lines if they are asked for. @module */

/** The trace of one run. */
export class Trace {
  readonly lines: string[] = [];
  #low = 0x811c9dc5;
  #high = 0x1b873593;
  #recording: boolean;
  #codes = new Map<string, number>();

  constructor(recording: boolean) {
    this.#recording = recording;
  }

  /** Something happened at `ms`; the numbers tell it apart, `text` is for people and made only for them. */
  note(ms: number, what: string, first: number, second: number, third: number, text?: () => string): void {
    let code = this.#codes.get(what);
    if (code === undefined) {
      code = 0;
      for (let i = 0; i < what.length; i++) code = Math.imul(code, 31) + what.charCodeAt(i) | 0;
      this.#codes.set(what, code);
    }
    this.#mix(code);
    this.#mix(ms * 1000 | 0);
    this.#mix(first | 0);
    this.#mix(second | 0);
    this.#mix(third | 0);
    if (!this.#recording) return;
    this.lines.push(`${ms.toFixed(3).padStart(11)}  ${what}  ${text?.() ?? first}`);
  }

  /** The hash of everything so far. */
  get hash(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(this.#high ^ (word >>> 16 | word << 16), 0x85ebca6b) ^ this.#low >>> 13;
  }
}
