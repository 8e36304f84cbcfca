/** The callers: they pay, hang up, come again, and ask for summaries. @module */
import type { Acceptance } from "../../src/service/service.ts";
import type { ReplicaId } from "../../src/payment/fact.ts";
import type { Cents } from "../../src/payment/money.ts";
import { Prng } from "./prng.ts";
import type { Running, World } from "./world.ts";

const TRIES_MAX = 6;
const ANSWER_MS = 1_000;
const SUMMARIES = 12;
const FIXED_CENTS = 1990;
/** When the last callers come, in milliseconds. */
const LATE_CALLS_MS = [1_000, 8_000, 30_000];
/** Callers that come again after a purge. */
const AGAIN_MAX = 8;
/** Callers that come at once while a replica is overtaken: enough to fill a segment and more. */
const CROWD_MAX = 24;

/** All callers. */
export class Callers {
  #callers: Caller[] = [];
  /** the callers that were not sent ahead of time */
  #next = 0;

  constructor(private readonly world: World) {}

  /** Plans what all callers of a run do. */
  schedule(): void {
    const { plan, clock } = this.world;
    const prng = new Prng(plan.seed * 2 + 2);
    const bursts = Array.from({ length: 4 }, () => prng.between(0, plan.safetyMs));
    const shape = prng.float();
    for (let i = 0; i < plan.payments; i++) {
      const ms = prng.chance(shape) ? prng.pick(bursts) + prng.between(0, 20) : prng.between(0, plan.safetyMs);
      const [id, cents] = [prng.uuid(), plan.fixedAmount ? FIXED_CENTS : prng.whole(1, 100_000)];
      const caller = new Caller(this.world, prng.fork(), id, cents);
      this.#callers.push(caller);
      const first = prng.pick(this.world.names);
      clock.after(ms, () => caller.send(first, cents));
      if (prng.chance(plan.client.again)) {
        const [to, laterMs] = [prng.pick(this.world.names), prng.pick([0, 1, 5, 300, 3_000]) * prng.float()];
        clock.after(ms + laterMs, () => caller.send(to, cents));
      }
      if (!prng.chance(plan.client.otherAmount)) continue;
      const [to, laterMs, more] = [
        prng.pick(this.world.names),
        prng.pick([0, 1, 5, 300]) * prng.float(),
        prng.whole(1, 50),
      ];
      clock.after(ms + laterMs, () => caller.send(to, cents + more));
    }
    for (let i = 0; i < SUMMARIES; i++) {
      const [ms, name, whole] = [prng.between(0, plan.safetyMs), prng.pick(this.world.names), prng.chance(0.5)];
      clock.after(ms, () => this.#ask(name, prng, whole));
    }
  }

  /** When faults are over, some still call: a replica without work does not check its store. */
  callLate(): void {
    const { world } = this;
    for (const ms of LATE_CALLS_MS) {
      const caller = new Caller(world, world.prng.fork(), world.prng.uuid(), FIXED_CENTS);
      for (const name of world.names) world.clock.after(ms, () => caller.send(name, FIXED_CENTS));
    }
  }

  /** A replica gets a turn in the middle of what the other one does. */
  overtake({ life, replica }: Running, prng: Prng): void {
    const { world } = this;
    const [busy] = world.calling;
    switch (prng.pick(["same", "same", "soon", "soon", "one", "crowd", "ask", "purge"] as const)) {
      case "same": {
        // the same id at both at once
        const caller = this.#callers.find(({ id }) => id === busy) ?? this.#callers[this.#next++];
        return caller?.send(life.replica, caller.cents + (prng.chance(0.3) ? 1 : 0));
      }
      case "soon":
        for (let i = prng.whole(1, 8); i > 0 && life.next(); i--);
        return;
      case "one":
        return this.#ahead(life.replica, 1);
      case "crowd":
        return this.#ahead(life.replica, prng.whole(2, CROWD_MAX));
      case "ask":
        return life.hear(() => void replica.summary());
      case "purge":
        if (world.plan.incidents.purge > 0 && prng.chance(0.2)) this.purge({ life, replica }, prng);
    }
  }

  /** Everything is to be forgotten; some of what was under way comes again. */
  purge({ life, replica }: Running, prng: Prng): void {
    const { world } = this;
    const pending = [...world.truth.catchUp()?.book.pending.keys() ?? []];
    life.hear(() => {
      world.fault("purge", 0);
      replica.purge();
    });
    world.truth.catchUp();
    for (let i = prng.whole(0, AGAIN_MAX); i > 0 && pending.length > 0; i--) {
      const id = prng.pick(pending);
      const caller = this.#callers.find((one) => one.id === id);
      const [to, laterMs, more] = [
        prng.pick(world.names),
        prng.pick([0, 5, 300, 2_000]) * prng.float(),
        prng.whole(0, 1),
      ];
      if (caller) world.clock.after(laterMs, () => caller.comeAgain(to, more));
    }
  }

  #ahead(to: ReplicaId, count: number): void {
    for (let i = 0; i < count && this.#next < this.#callers.length; i++) {
      const caller = this.#callers[this.#next++]!;
      caller.send(to, caller.cents);
    }
  }

  #ask(name: ReplicaId, prng: Prng, whole: boolean): void {
    const { world } = this;
    const running = world.running[name];
    const nowMs = world.clock.now();
    const from = whole ? undefined : nowMs - prng.whole(0, 3_000);
    const to = whole ? undefined : nowMs - prng.whole(-10, 500);
    const one = this.#callers.length > 0 ? prng.pick(this.#callers).id : undefined;
    running?.life.hear(() => {
      world.summaries.ask(running, from, to);
      if (one) world.summaries.find(running, one);
    });
  }
}

/** One caller, who sends one id. */
class Caller {
  #tries = 0;

  constructor(
    private readonly world: World,
    private readonly prng: Prng,
    readonly id: string,
    readonly cents: Cents,
  ) {}

  /** Once more, however often it came before. */
  comeAgain(name: ReplicaId, more: Cents): void {
    this.#tries = Math.min(this.#tries, TRIES_MAX - 2);
    this.world.fault("again-after-purge", 0);
    this.send(name, this.cents + more);
  }

  /** Sends the payment to a replica; comes again where there is no answer or none that is final. */
  send(name: ReplicaId, cents: Cents): void {
    const { world, prng } = this;
    if (this.#tries++ >= TRIES_MAX || world.closing) return;
    const running = world.running[name];
    if (!running?.life.alive) return this.#again(cents);
    let answered = false;
    const hangsUp = prng.chance(world.plan.client.hangsUp);
    if (hangsUp) world.fault("client-hangs-up", 0);
    world.clock.after(hangsUp ? prng.between(0, 20) : ANSWER_MS, () => {
      if (!answered) this.#again(cents);
    });
    running.life.hear(() =>
      this.#arrive(running, cents, (answer) => {
        answered = true;
        if (answer !== "accepted" && answer !== "conflict" && answer !== "total-full") this.#again(cents);
      })
    );
  }

  #arrive(running: Running, cents: Cents, heard: (answer: Acceptance) => void): void {
    const { world, id } = this;
    const { life, replica } = running;
    world.truth.catchUp();
    // what was booked before a purge is not sent again
    if (world.asked.get(id)?.retired) return;
    const asked = world.asked.sent(id, cents);
    const calledMs = world.clock.monotonic();
    world.note("call", life, asked.ordinal, cents, () => `${id} ${cents}`);
    const answers = (answer: Acceptance) => {
      if (!life.acts()) return;
      world.acks.answered(running, asked, cents, answer, calledMs);
      heard(answer);
    };
    const outermost = !world.calling.has(id);
    world.calling.add(id);
    try {
      const answer = replica.accept(id, cents);
      if (typeof answer === "string") answers(answer);
      else answer.then(answers);
    } finally {
      if (outermost) world.calling.delete(id);
    }
  }

  #again(cents: Cents): void {
    const { world, prng } = this;
    if (prng.chance(0.3)) return;
    const name = prng.pick(world.names);
    world.clock.after(prng.between(1, 400), () => this.send(name, cents));
  }
}
