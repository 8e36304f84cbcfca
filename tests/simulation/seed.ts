/** Seeds at random. @module */

/** A first seed at random, with room for many behind it. */
export function drawSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
