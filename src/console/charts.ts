/** What the charts show: the last three minutes by the second, and an hour in less detail the older it is. @module */
import type { Point } from "./watching.ts";

/** For each age, youngest first: how many points are kept, and how many become one of the next: 3, 12 and 45 minutes. */
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

/** One point for several: their mean rate, and the worst of their other values, so that one bad second stays visible. */
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
