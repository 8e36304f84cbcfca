/** A replica that takes payments into a book and does nothing with them. @module */
import assert from "node:assert/strict";
import { createApp, type Edge } from "../../src/api/app.ts";
import type { Problem } from "../../src/api/problem.ts";
import { problemAnswer } from "../../src/api/schemas.ts";
import { Watch } from "../../src/console/watch.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { Cents } from "../../src/payment/money.ts";
import type { Readiness } from "../../src/service/readiness.ts";
import type { Acceptance, Service, Vitals } from "../../src/service/service.ts";
import { Facts } from "../support/facts.ts";
import { assertDocumented } from "./documented.ts";
import { PAIR } from "../support/pair.ts";

/** 2025-07-15T12:34:56.000Z */
export const NOW = Date.UTC(2025, 6, 15, 12, 34, 56);

/** A correlation id as the grader sends it. */
export const ID = "4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3";

export class FakePayments implements Service {
  readonly facts = new Facts();
  /** why payments are refused, instead of being taken */
  refusal: Exclude<Acceptance, "accepted"> | undefined;
  /** thrown by every method but that of readiness */
  error: Error | undefined;
  phase: Readiness["phase"] = "serving";
  /** whether an acknowledgement has to be waited for */
  waits = false;
  /** whether the log of the other machines is not heard */
  isCutOff = false;
  /** whether the log takes a purge */
  purges = true;
  /** reads what others have recorded */
  catchUp = () => {};
  #vitals: Vitals = { links: undefined, memoryUse: 0.25 };
  /** the windows that were asked for */
  readonly windows: (readonly [number | undefined, number | undefined])[] = [];

  get book() {
    return this.facts.book;
  }

  get vitals(): Vitals {
    return { ledger: { book: this.book, catchUp: () => this.catchUp() } as Ledger, ...this.#vitals };
  }

  set vitals(vitals: Vitals) {
    this.#vitals = vitals;
  }

  accept(id: string, cents: Cents): Acceptance | Promise<Acceptance> {
    if (this.error) throw this.error;
    const acceptance = this.refusal ?? this.#take(id, cents);
    return this.waits ? Promise.resolve(acceptance) : acceptance;
  }

  #take(id: string, cents: Cents): Acceptance {
    const known = this.book.get(id);
    if (!known) this.facts.accept(id, cents, NOW);
    return !known || known.cents === cents ? "accepted" : "conflict";
  }

  find(id: string): ReturnType<Service["find"]> {
    if (this.error) throw this.error;
    return this.isCutOff ? Promise.resolve("cut-off") : this.book.get(id);
  }

  summary(from?: number, to?: number): ReturnType<Service["summary"]> {
    if (this.phase === "starting" || this.phase === "reading") return undefined;
    if (this.error) throw this.error;
    this.windows.push([from, to]);
    if (this.isCutOff) return Promise.resolve("cut-off");
    return this.book.summary(from, to);
  }

  purge(): boolean | "cut-off" {
    if (this.error) throw this.error;
    if (this.isCutOff) return "cut-off";
    if (this.purges) this.facts.purge();
    return this.purges;
  }

  readiness(): Readiness {
    const processor = { state: "up", latencyMs: 3, inFlight: 0 } as const;
    return {
      ready: this.phase === "serving",
      replica: "a",
      phase: this.phase,
      ack: "log",
      peers: {},
      store: "none",
      notes: this.phase === "serving" ? [] : ["not now"],
      queue: 0,
      pending: this.book.pending.size,
      settled: this.book.settled.size,
      processors: { default: processor, fallback: processor },
    };
  }

  /** Books a payment at the default processor. */
  settle(id: string, cents: Cents, requestedAt: number): void {
    this.facts.accept(id, cents, requestedAt);
    this.facts.dispatch(id, "default", "default-up", requestedAt);
    this.facts.settle(id, "default-up", requestedAt);
  }
}

/** What the pages show of fake payments; it looks only when a test has it look. */
export function fakeWatch(payments: FakePayments): Watch {
  const watch = new Watch({
    self: "a",
    roster: PAIR,
    clock: { now: () => NOW, monotonic: () => 0, uptime: () => 0, after: () => () => {}, soon() {} },
    log: "file",
    fees: { default: 0.05, fallback: 0.15 },
    memory: () => 0,
    recall: () => Promise.resolve(undefined),
    late() {},
    say() {},
  });
  watch.start(payments);
  return watch;
}

/**
 * An app over fake payments, and what it reported of broken invariants. Every answer is asserted to be one that the
 * OpenAPI document describes.
 */
export function fakeApp(options: Partial<Edge> = {}) {
  const payments = new FakePayments();
  const broken: Error[] = [];
  const onInvariant = (error: Error) => void broken.push(error);
  const watching = fakeWatch(payments);
  const app = createApp({ payments, allowPurge: false, now: () => NOW + 250, onInvariant, watching, ...options });
  const fetch = app.fetch;
  app.fetch = async (request, ...rest) => {
    const answer = await fetch(request, ...rest);
    // Hono makes an answer's headers when they are first read; a clone that is made before that has none
    void answer.headers;
    await assertDocumented(request.method, URL.parse(request.url)?.pathname ?? "", answer.clone());
    return answer;
  };
  return { payments, broken, app, watching };
}

/** The options of a request that sends a body as JSON; text as it is. */
export function post(body: unknown, type = "application/json"): RequestInit {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { method: "POST", body: text, headers: { "content-type": type } };
}

/** The problem in an answer, after checking that it is complete and has the answer's status. */
export async function problemOf(answer: Response): Promise<Problem> {
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  const problem = problemAnswer.parse(await answer.json());
  assert.equal(problem.status, answer.status);
  return problem;
}
