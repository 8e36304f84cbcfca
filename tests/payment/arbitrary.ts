/** Facts for property tests. @module */
import fc from "fast-check";
import {
  type Fact,
  type Processor,
  PROCESSORS,
  REASONS,
  REPLICAS,
  SETTLED_ATTEMPT_MAX,
  type Stage,
} from "../../src/payment/fact.ts";

/** Where values come from: few and small ones collide and tie, wide ones reach every limit. */
interface Range {
  readonly id: fc.Arbitrary<string>;
  readonly cents: fc.Arbitrary<number>;
  readonly time: fc.Arbitrary<number>;
  readonly attempt: (min: number, max: number) => fc.Arbitrary<number>;
}

const WIDE: Range = {
  id: fc.uuid(),
  cents: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  time: fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 }),
  attempt: (min, max) => fc.integer({ min, max }),
};

/** Few payments with few times and amounts, so that most facts contradict one another in one field or another. */
const NARROW: Range = {
  id: fc.constantFrom("a", "b", "c", "d").map((digit) => `4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b${digit}`),
  cents: fc.integer({ min: 1, max: 3 }),
  time: fc.integer({ min: 0, max: 4 }),
  attempt: (min) => fc.integer({ min, max: min + 2 }),
};

function facts(range: Range): fc.Arbitrary<Fact> {
  const common = {
    id: range.id,
    cents: range.cents,
    acceptedAt: range.time,
    owner: fc.constantFrom(...REPLICAS),
    reason: fc.constantFrom(...REASONS),
  };
  const doubt = { doubt: fc.integer({ min: 0, max: 3 }), doubtUntil: range.time };
  const none = { doubt: fc.constant(0), doubtUntil: fc.constant(0) };
  const stage = (name: Stage) => fc.constant(name);
  const bound = { processor: fc.constantFrom<(Processor | null)[]>(...PROCESSORS), requestedAt: range.time };
  const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true });
  return fc.oneof(
    record({
      ...common,
      ...doubt,
      stage: stage("accepted"),
      attempt: fc.constant(0),
      processor: fc.constant<Processor | null>(null),
      requestedAt: fc.constant(0),
    }),
    record({
      ...common,
      ...doubt,
      ...bound,
      stage: fc.constantFrom<Stage[]>("dispatched", "released"),
      attempt: range.attempt(1, 2 ** 32 - 1),
    }),
    record({
      ...common,
      ...none,
      ...bound,
      stage: stage("settled"),
      attempt: range.attempt(0, SETTLED_ATTEMPT_MAX),
    }),
  );
}

/** Any fact there can be. */
export const anyFact: fc.Arbitrary<Fact> = facts(WIDE);

/** Facts that contradict one another: conflicting settlements, amounts, owners, doubts, in every stage. */
export const contradictingFact: fc.Arbitrary<Fact> = facts(NARROW);
