/** Chance from a seed: the only randomness of a simulation. @module */

/** A generator of the sfc32 family: small, fast, and the same on every machine. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = seed / 2 ** 32 | 0;
    this.#c = 0x9e3779b9;
    for (let i = 0; i < 12; i++) this.word();
  }

  /** Any 32 bits, not negative. */
  word(): number {
    const sum = (this.#a + this.#b | 0) + this.#count | 0;
    this.#count = this.#count + 1 | 0;
    this.#a = this.#b ^ this.#b >>> 9;
    this.#b = this.#c + (this.#c << 3) | 0;
    this.#c = (this.#c << 21 | this.#c >>> 11) + sum | 0;
    return sum >>> 0;
  }

  /** In `[0, 1)`. */
  float = (): number => this.word() / 2 ** 32;

  /** In `[min, max)`. */
  between(min: number, max: number): number {
    return min + this.float() * (max - min);
  }

  /** A whole number in `[min, max]`. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.float() * (max - min + 1));
  }

  /** True with probability `share`; asks for no chance where there is none. */
  chance(share: number): boolean {
    return share > 0 && this.float() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.float() * from.length)]!;
  }

  /** A generator of its own, so that what one part draws does not shift what another draws. */
  fork(): Prng {
    return new Prng(this.word() + this.word() * 2 ** 21);
  }

  /** A UUID of version 4. */
  uuid(): string {
    const hex = () => this.word().toString(16).padStart(8, "0");
    const [a, b, c, d] = [hex(), hex(), hex(), hex()];
    return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-a${c.slice(1, 4)}-${c.slice(4)}${d}`;
  }
}
