/** What the charts show: the last three minutes by the second and, in less detail the older it is, an hour. @module */
import type { Point } from "./watching.ts";

/** How many points there are of each age, youngest first, and how many then become one: 3, 12 and 45 minutes. */
const AGES = [{ points: 180, become: 5 }, { points: 144, become: 4 }, { points: 135, become: 1 }] as const;

/** The most points that are kept, among them those of each age that wait to become one. */
export const POINTS_MAX = AGES.reduce((sum, { points, become }) => sum + points + become - 1, 0);

/** The points of an hour. */
export class Charts {
  readonly #ages: Point[][] = AGES.map(() => []);

  /** Oldest first; each stands for the time since the one before. */
  get points(): Point[] {
    return this.#ages.toReversed().flat();
  }

  /** Adds the point of a second. */
  add(point: Point, age = 0): void {
    const { points, become } = AGES[age]!;
    const kept = this.#ages[age]!;
    if (kept.push(point) < points + become) return;
    const oldest = kept.splice(0, become);
    if (age + 1 < AGES.length) this.add(merged(oldest), age + 1);
  }
}

/** One for all: their mean rate, and the worst of the rest, so that what was bad for a second stays to be seen. */
function merged(points: readonly Point[]): Point {
  const worst = (values: readonly (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length > 0 ? Math.max(...known) : null;
  };
  return {
    at: points.at(-1)!.at,
    posts: points.reduce((sum, { posts }) => sum + posts, 0) / points.length,
    medianMs: worst(points.map(({ medianMs }) => medianMs)),
    p99Ms: worst(points.map(({ p99Ms }) => p99Ms)),
    pending: Math.max(...points.map(({ pending }) => pending)),
  };
}
