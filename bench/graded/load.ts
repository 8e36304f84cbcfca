/**
 * The load generator, a process of its own: a closed loop of virtual users that ramp up linearly. Each sends one
 * payment, waits for the answer, sleeps. It reads its plan as JSON from its first argument and writes LoadEvents to its
 * standard output, one a line. It ends when its standard input does.
 * @module
 */
import process from "node:process";
import { Connection, ConnectionError, encodeRequest } from "./connection.ts";
import { Latency } from "./latency.ts";
import type { LoadEvent, LoadPlan } from "./load_event.ts";

/** When a request without an answer has failed, in milliseconds: the grader's own limit. */
const TIMEOUT_MS = 1_500;
/** How often requests are looked at for their timeout, in milliseconds; its lateness is the generator's own lag. */
const SWEEP_MS = 20;
const SUCCESS = new Set([200, 201, 202, 204]);

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

class Load {
  readonly #plan: LoadPlan;
  readonly #url: URL;
  readonly #connections: Connection[] = [];
  readonly #all = new Latency();
  readonly #second = new Latency();
  readonly #answers: Record<string, number> = {};
  #ok = 0;
  #failed = 0;
  #secondOk = 0;
  #secondFailed = 0;
  #ownLagMs = 0;
  #endAt = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#url = new URL(plan.url);
  }

  async run(): Promise<void> {
    const { durationSeconds, thinkMs, users: { from, to } } = this.#plan;
    say({ type: "started", clockUs: clockStepUs() });
    const start = performance.now();
    const durationMs = durationSeconds * 1_000;
    this.#endAt = start + durationMs;
    const sweep = this.#sweep();
    const seconds = this.#tellSeconds(start);
    const all: Promise<void>[] = [];
    for (let user = 0; user < to; user++) {
      // the first ones begin within one think time, so that they do not all send at once; the last one at the very end
      const at = start + (user < from ? thinkMs * user / from : durationMs * (user - from + 1) / (to - from));
      const wait = at - performance.now();
      if (wait > 0) await sleep(wait);
      if (performance.now() >= this.#endAt) break;
      all.push(this.#user());
    }
    await Promise.all(all);
    clearInterval(sweep);
    clearInterval(seconds);
    for (const connection of this.#connections) connection.close();
    const { user, system } = process.cpuUsage();
    say({
      type: "done",
      ok: this.#ok,
      failed: this.#failed,
      answers: this.#answers,
      histogram: this.#all.encode(),
      cpuMs: Math.round((user + system) / 1_000),
    });
  }

  async #user(): Promise<void> {
    const connection = new Connection(this.#url);
    this.#connections.push(connection);
    while (performance.now() < this.#endAt) {
      await this.#pay(connection);
      await sleep(this.#plan.thinkMs);
    }
  }

  async #pay(connection: Connection): Promise<void> {
    const request = this.#request();
    try {
      const { status, ms } = await connection.send(request);
      const ok = SUCCESS.has(status) && ms <= TIMEOUT_MS;
      this.#count(ms <= TIMEOUT_MS ? `${status}` : "timeout", ok);
      if (!ok) return;
      this.#all.record(ms);
      this.#second.record(ms);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#count(error.message, false);
    }
  }

  #count(answer: string, ok: boolean): void {
    this.#answers[answer] = (this.#answers[answer] ?? 0) + 1;
    if (ok) {
      this.#ok++;
      this.#secondOk++;
    } else {
      this.#failed++;
      this.#secondFailed++;
    }
  }

  #request(): Uint8Array {
    const body = JSON.stringify({ correlationId: crypto.randomUUID(), amount: this.#plan.amount });
    return encodeRequest("POST", this.#url, "/payments", body);
  }

  #sweep(): ReturnType<typeof setInterval> {
    let due = performance.now() + SWEEP_MS;
    return setInterval(() => {
      const now = performance.now();
      this.#ownLagMs = Math.max(this.#ownLagMs, now - due);
      due = now + SWEEP_MS;
      for (const connection of this.#connections) connection.expire(now, TIMEOUT_MS);
    }, SWEEP_MS);
  }

  #tellSeconds(start: number): ReturnType<typeof setInterval> {
    let told = 0;
    return setInterval(() => {
      if (performance.now() - start < (told + 1) * 1_000) return;
      say({
        type: "second",
        second: told++,
        users: this.#connections.length,
        ok: this.#secondOk,
        failed: this.#secondFailed,
        latency: this.#second.summary(),
        histogram: this.#second.encode(),
        p99SoFarMs: this.#all.summary().p99Ms,
        ownLagMs: Math.max(0, this.#ownLagMs),
      });
      this.#second.reset();
      this.#secondOk = this.#secondFailed = this.#ownLagMs = 0;
    }, SWEEP_MS);
  }
}

/** The smallest step of the clock, in microseconds. */
function clockStepUs(): number {
  let smallest = Infinity;
  for (let tries = 0, last = performance.now(); tries < 100_000; tries++) {
    const now = performance.now();
    if (now > last) smallest = Math.min(smallest, now - last);
    last = now;
  }
  return Math.round(smallest * 1e6) / 1e3;
}

function say(event: LoadEvent): void {
  console.log(JSON.stringify(event));
}

async function endWithParent(): Promise<void> {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(1);
}

if (import.meta.main) {
  endWithParent();
  await new Load(JSON.parse(Deno.args[0]!) as LoadPlan).run();
  Deno.exit(0);
}
